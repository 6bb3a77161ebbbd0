"""Read pickles of arrays, lists, strings and numbers only: a downloaded file must not be able to run code."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np


def load_pickle(file: Path) -> Any:
    """Return the object in a pickle of Python 2 or 3; raise ValueError naming a file that is damaged or holds code."""
    with file.open("rb") as stream:
        try:
            return _PlainUnpickler(stream, encoding="latin1").load()
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise ValueError(f"{file} is not a readable pickle of arrays and plain values: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if it is one of the few things that arrays are made of."""
        allowed = _ALLOWED.get((module, name))
        if allowed is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return allowed


def _encode_latin1(text: str, encoding: str) -> bytes:
    """Stand in for `_codecs.encode`, by which Python 3 writes bytes in the old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}, which is refused")
    return text.encode(encoding)


_RECONSTRUCT = np.empty(0).__reduce__()[0]  # numpy's own; its module is another one since numpy 2
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode_latin1,
}
