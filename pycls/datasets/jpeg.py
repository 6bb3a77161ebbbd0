"""The C extension of the custom backend: one call decodes what is needed of a JPEG, resizes and flips it.

It is built when libjpeg-turbo's headers are there (docs/JPEG.md). What it cannot do faithfully it leaves to OpenCV.
"""

import importlib
from functools import cache
from types import ModuleType

import numpy as np

from pycls.core.tables import pick
from pycls.datasets.chunk import Encoded
from pycls.datasets.plan import View

HOW_TO_BUILD = "install libjpeg-turbo's headers (libjpeg-dev, libjpeg-turbo-devel), then pip install again"


@cache
def extension() -> ModuleType | str:
    """Return the extension, or why there is none."""
    try:
        return importlib.import_module("pycls.datasets._jpeg")
    except ModuleNotFoundError:
        return "the C extension is not built"
    except ImportError as error:  # it was built, but libjpeg has gone since
        return f"the C extension cannot be loaded: {error}"


# Whether each choice of DATA_LOADER.JPEG uses the extension when there is one.
CHOICES = {"auto": True, "c": True, "opencv": False}


def use_extension(choice: str) -> bool:
    """Tell whether a choice of DATA_LOADER.JPEG means the extension; ValueError if "c" is asked for and not there."""
    wanted = pick(CHOICES, choice, "DATA_LOADER.JPEG")
    if choice == "c" and isinstance(extension(), str):
        raise ValueError(f"DATA_LOADER.JPEG: 'c' is not possible, {extension()}: {HOW_TO_BUILD}; or use 'auto'")
    return wanted and not isinstance(extension(), str)


def describe(choice: str) -> str:
    """Say what decodes JPEGs in the custom backend, such as "C extension, AVX-512", and what to do about a slow one."""
    if use_extension(choice):
        return f"C extension, {extension().levels()[-1]}"
    if not CHOICES[choice]:
        return f"OpenCV (DATA_LOADER.JPEG: {choice})"
    return f"OpenCV: {extension()}; to make it faster, {HOW_TO_BUILD}"


def show(view: View, image: Encoded, place: np.ndarray) -> bool:
    """Write what the view shows of a JPEG into its place, (S, S, 3); False: not done, another decoder must."""
    # In training the filter sees the crop only, as if it had been cut out; in evaluation all of the image.
    return extension().show(image.data, image.box, not view.train, view.antialias, image.flip, place, view.size)
