"""Scikit-learn's 1,797 handwritten digits as a class-folder tree of PNG files: they take the real decode path."""

import shutil
import uuid
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from pycls.core.machine import cache_dir
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.sources.split_names import resolve_half

MEAN = (0.3091, 0.3091, 0.3091)  # measured on the exported training images
STD = (0.3489, 0.3489, 0.3489)
FOLDER = "digits-v1"  # a change of the exported files needs a new name
SIDE_PX = 32  # four times the native 8: crop boxes are whole pixels, and an eighth of the image is too coarse a step
HELD_OUT_EVERY = 5  # the test split is every fifth image of each class


def build_digits(cfg: CfgNode, phase: str) -> FileSamples:
    """List one split of the digits ("val", also called "test", is the held-out fifth); export them on first use."""
    half = resolve_half(cfg[phase.upper()].SPLIT, f"{phase.upper()}.SPLIT", "digits")
    return load_folder(export_digits(), "train" if half == "train" else "val")


def export_digits() -> Path:
    """Write the digits below the cache folder unless they are there, and return their folder.

    Processes may start together: each writes its own copy, and the first to rename it into place wins.
    """
    folder = cache_dir() / FOLDER
    if not folder.is_dir():
        unfinished = folder.with_name(f"{FOLDER}-{uuid.uuid4().hex}")
        try:
            _write_digits(unfinished)
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write_digits(folder: Path) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for digit in range(10):
        for number, index in enumerate(np.flatnonzero(labels == digit)):
            split = "val" if number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 else "train"
            _write_png(folder / split / str(digit) / f"{number:04d}.png", images[index].reshape(8, 8))


def _write_png(file: Path, pixels: np.ndarray) -> None:
    """Write one 8 x 8 image of values 0..16 as an 8-bit gray PNG."""
    from PIL import Image

    gray = np.rint(pixels * 255 / 16).astype(np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).save(file)
