"""Write tar shards that any tar and the webdataset library read: POSIX ustar, two members for each image.

<class>/<number>-<name>.jpg is the encoded image, <class>/<number>-<name>.cls its label in decimal digits. Extracted, a
shard is a class-folder tree again, and in the same order: <number> counts the images of the whole split.
"""

import os
import re
import tarfile
from dataclasses import dataclass
from typing import BinaryIO

from pycls.datasets.readers.endings import FORMATS

_NUM_DIGITS = 8
_MAX_STEM = 64  # ustar holds 100 bytes of file name, and 155 of folder
_MAX_FOLDER = 155
LABEL_BYTES = 2 * tarfile.BLOCKSIZE  # a header, and a block with the few digits of a label
_END = bytes(2 * tarfile.BLOCKSIZE)


def member_stem(number: int, class_name: str, path: str) -> str:
    """Return the name of an image's members up to the dot: webdataset takes the first dot for the end of the key."""
    folder, file = class_name.replace("/", "_"), os.path.basename(path)
    if len(os.fsencode(folder)) > _MAX_FOLDER:
        raise ValueError(f"the class name {folder} is longer than the {_MAX_FOLDER} bytes that a tar header has for it")
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", os.path.splitext(file)[0])[:_MAX_STEM]
    return f"{folder}/{number:0{_NUM_DIGITS}d}-{plain}"


def member_extension(path: str) -> str:
    """Return the field that webdataset is to show an image as: jpg for every name of JPEG, else the ending."""
    ending = os.path.splitext(path)[1].lower()
    return "jpg" if FORMATS.get(ending) == "JPEG" else ending[1:]


def packed_size(num_bytes: int) -> int:
    """Return how much a member of `num_bytes` takes in a tar file: a header block, and whole blocks of data."""
    return tarfile.BLOCKSIZE + _whole(num_bytes, tarfile.BLOCKSIZE)


@dataclass
class TarWriter:
    """Append members to a stream; the bytes depend on names and data only."""

    stream: BinaryIO
    position: int = 0

    def add(self, name: str, data: bytes) -> int:
        """Write one member and return where its data begins."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._write(member.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape"))
        offset = self.position
        self._write(data)
        self._write(bytes(_whole(len(data), tarfile.BLOCKSIZE) - len(data)))
        return offset

    def end(self) -> None:
        """Write the end mark, up to a whole record, as tar does."""
        self._write(_END)
        self._write(bytes(_whole(self.position, tarfile.RECORDSIZE) - self.position))

    def _write(self, data: bytes) -> None:
        self.position += self.stream.write(data)


def finished_size(position: int) -> int:
    """Return the bytes of a file whose last member ends at `position`, once its end is written."""
    return _whole(position + len(_END), tarfile.RECORDSIZE)


def _whole(num_bytes: int, unit: int) -> int:
    return -(-num_bytes // unit) * unit
