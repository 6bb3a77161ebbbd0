"""Pickles of arrays, lists, strings and numbers: a downloaded file must not run code, nor take all memory."""

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.bounds.regular_file import read_regular
from pycls.core.registry import shown

_MOST_CONTAINERS = 1000  # the files of CIFAR have ten; deeper ones than that end Python's stack
_CONTAINERS = (
    *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "DICT", "FROZENSET"),
    *("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"),
)
_NUMBERS = re.compile("[<>|=]?[buif][1248]")


def load_pickle(file: Path) -> Any:
    """Return the object in a pickle of Python 2 or 3; ValueError for one that is damaged, or holds code or a trap."""
    try:
        content = read_regular(file)
        _check_steps(content)
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = shown(str(error) or type(error).__name__)
        raise ValueError(f"{file} is not a readable pickle of arrays and plain values: {reason}") from error


def _check_steps(content: bytes) -> None:
    """Raise UnpicklingError for numbers under which nothing is noted (room is made for all below), and deep nesting."""
    containers = 0
    for number, (op, arg, _) in enumerate(pickletools.genops(content)):
        containers += op.name in _CONTAINERS
        if containers > _MOST_CONTAINERS:
            raise pickle.UnpicklingError(f"it has more than {_MOST_CONTAINERS} lists, tuples and dictionaries")
        if op.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(arg or 0) > number:
            raise pickle.UnpicklingError(f"it notes a value under the number {arg}, which makes no sense")


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


def _empty_array(kind: object, shape: tuple, dtype: Any) -> np.ndarray:
    """Stand in for numpy's `_reconstruct`: what an array holds comes later, and never more than is in the file."""
    if kind is not _ARRAY or shape != (0,):
        raise pickle.UnpicklingError("it asks for an array without numbers, which is refused")
    return np.empty(0, np.uint8)


def _number_type(name: Any, *flags: Any) -> np.dtype:
    """Stand in for `numpy.dtype`: of numbers only."""
    text = name.decode() if isinstance(name, bytes) else name
    if not isinstance(text, str) or not _NUMBERS.fullmatch(text):
        raise pickle.UnpicklingError(f"it asks for an array of {name!r:.40}, which is refused")
    return np.dtype(text, copy=True)


_ARRAY = object()  # stands for the type: called, that would make room for any shape
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _number_type,
    ("_codecs", "encode"): _encode_latin1,
}
