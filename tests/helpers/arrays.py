"""Small data sets in the exact formats of the published ones, and class-folder trees of tiny files."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np


def write_tree(top: Path, classes: dict[str, list[str]], age_sec: float = 60) -> Path:
    """Create top/<class>/<file> for each name (empty files), with folders last changed `age_sec` ago."""
    top.mkdir(parents=True, exist_ok=True)
    for name, files in classes.items():
        (top / name).mkdir(exist_ok=True)
        for file in files:
            (top / name / file).parent.mkdir(parents=True, exist_ok=True)
            (top / name / file).write_bytes(f"{name}/{file}".encode())
    set_age(top, age_sec)
    return top


def set_age(top: Path, age_sec: float) -> None:
    """Set the time stamps of all folders of a tree."""
    then = top.stat().st_mtime - age_sec
    for folder, _, _ in os.walk(top):
        os.utime(folder, (then, then))


def write_idx(file: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as an IDX file, compressed if the name ends in .gz."""
    content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def python2_pickle(value) -> bytes:
    """Pickle as Python 2's cPickle protocol 2 did, in which the CIFAR files are published: text is raw bytes."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value) -> bytes:
    if isinstance(value, dict):
        return b"}(" + b"".join(_opcodes(part) for item in value.items() for part in item) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_opcodes, value)) + b"e"
    if isinstance(value, str):
        return b"U" + bytes([len(value)]) + value.encode()
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    return _array_opcodes(value)


def _array_opcodes(array: np.ndarray) -> bytes:
    raw = array.tobytes()
    empty = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _opcodes(0) + b"\x85U\x01bt R".replace(b" ", b"")
    )
    dtype = b"cnumpy\ndtype\nU\x02u1" + _opcodes(0) + _opcodes(1) + b"\x87R"
    dtype += b"(" + _opcodes(3) + b"U\x01|NNN" + _opcodes(-1) + _opcodes(-1) + _opcodes(0) + b"tb"
    shape = b"(" + b"".join(map(_opcodes, array.shape)) + b"t"
    return empty + b"(" + _opcodes(1) + shape + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
