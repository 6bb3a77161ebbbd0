"""Pickles of arrays, lists, strings and numbers: a downloaded file must neither run code nor outgrow the memory.

Python's own C unpickler makes room for what a file announces (a memo of 2^32 entries, an array of any shape). Here the
one in Python reads, which keeps what is there, and arrays get their size from their bytes.
"""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

_MOST_BYTES = 400_000_000  # all of CIFAR-100 has 186
_MOST_OPERATIONS = 1_000_000  # the largest file of CIFAR takes half of that
_MOST_ARRAYS = 16


def load_pickle(file: Path) -> Any:
    """Return the object in a pickle of Python 2 or 3; raise ValueError naming a file that is damaged or holds code."""
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {_MOST_BYTES:,}")
    with file.open("rb") as stream:
        try:
            return _PlainUnpickler(stream, size).load()
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise ValueError(f"{file} is not a readable pickle of arrays and plain values: {error}") from error


class _CountedReads:
    """A stream that ends the work after a number of reads, one for each operation and one for each of its arguments."""

    def __init__(self, stream: Any, size: int):
        self._stream, self._size, self.left = stream, size, _MOST_OPERATIONS

    def count(self, operations: int) -> None:
        """Note what is done; UnpicklingError when it is too much."""
        self.left -= operations
        if self.left < 0:
            raise pickle.UnpicklingError(f"it has more than {_MOST_OPERATIONS:,} operations")

    def read(self, size: int) -> bytes:
        """Read as a file does, but never make room for more than the file holds."""
        self.count(1)
        return self._stream.read(min(size, self._size))

    def readline(self) -> bytes:
        """Read as a file does."""
        self.count(1)
        return self._stream.readline()


_InPython: Any = pickle._Unpickler  # type: ignore[attr-defined]  # which typeshed does not know


class _PlainUnpickler(_InPython):
    def __init__(self, stream: Any, size: int):
        self._reads, self._num_arrays, self._room = _CountedReads(stream, size), 0, 4 * size
        super().__init__(self._reads, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if it is one of the few things that arrays are made of."""
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): self._new_array,
            ("numpy._core.multiarray", "_reconstruct"): self._new_array,
            ("numpy", "ndarray"): "numpy.ndarray",  # the argument of the above, and nothing to be called
            ("numpy", "dtype"): _new_dtype,
            ("_codecs", "encode"): self._encode_latin1,
        }.get((module, name))
        if allowed is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return allowed

    def _new_array(self, *of_what: Any) -> np.ndarray:
        """Return an empty array: its shape and values come behind it, and have to agree."""
        self._num_arrays += 1
        if self._num_arrays > _MOST_ARRAYS:
            raise pickle.UnpicklingError(f"it has more than {_MOST_ARRAYS} arrays")
        return np.empty(0, np.uint8)

    def _encode_latin1(self, text: str, encoding: str) -> bytes:
        """Stand in for `_codecs.encode`, by which Python 3 writes bytes in the old protocols."""
        self._room -= len(text)
        if encoding != "latin1" or self._room < 0:
            raise pickle.UnpicklingError(f"it asks for the encoding {encoding} of {len(text):,} bytes: refused")
        return text.encode(encoding)

    def load_frame(self) -> None:
        """Begin a frame: its operations are read from memory, each has a byte at least."""
        (size,) = struct.unpack("<Q", self.read(8))
        self._reads.count(size)
        self._unframer.load_frame(size)

    dispatch = {**_InPython.dispatch, pickle.FRAME[0]: load_frame}  # noqa: RUF012


def _new_dtype(name: Any, *flags: Any) -> np.dtype:
    if not isinstance(name, str) or len(name) > 8:
        raise pickle.UnpicklingError("it asks for a structured dtype, which is refused")
    return np.dtype(name, *flags)
