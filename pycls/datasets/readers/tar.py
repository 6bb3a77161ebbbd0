"""Images in tar shards, read by random access through an index: few files on the cluster's disks, the same epochs."""

import functools
import os
import resource
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.bounds.regular_file import check_size
from pycls.core.logging import get_logger
from pycls.datasets.heartbeat import Heartbeat
from pycls.datasets.readers.folder_scan import NUM_THREADS
from pycls.datasets.readers.native import read_pieces
from pycls.datasets.readers.samples import EncodedSamples, LeftOut, pack_left_out
from pycls.datasets.readers.tar_index import Index, load_index

logger = get_logger(__name__)


class PackedSamples(EncodedSamples):
    """The images of one packed split, in the order of the folder that was packed; travels to workers as a path.

    `left_out` numbers images that are not samples.
    """

    classes: tuple[str, ...]

    def __init__(self, index_file: Path, left_out: Iterable[int] = (), trusted: bool = False):
        self._index = load_index(index_file, trusted)
        self._left_out = np.unique(np.fromiter(left_out, np.int64))
        # The k-th image that is left out has k before it: a sample's number plus those that it has passed is its image.
        self._gaps = self._left_out - np.arange(len(self._left_out))
        self.classes = self._index.classes
        self._open_shard = functools.lru_cache(_most_open_files())(self._open)

    def __reduce__(self) -> Any:
        return PackedSamples, (self._index.file, self._left_out, True)

    def __len__(self) -> int:
        return len(self._index.images) - len(self._left_out)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Return int64 (N,)."""
        return np.delete(self._index.labels, self._left_out) if len(self._left_out) else self._index.labels

    @property
    def split(self) -> str:
        """The name of the split, such as "train"."""
        return self._index.file.stem

    @property
    def left_out(self) -> LeftOut:
        """What the tars of others hold that is not among the images; packing leaves nothing out without a word."""
        return pack_left_out(map(tuple, self._index.recipe.get("left_out", [])))

    def key(self, index: int) -> str:
        """Return the name of one image in skip lists, <split>/<class>/<image>, as its folder gave it."""
        return f"{self.split}/{self._index.path(self._number(index))}"

    def select(self, keep: np.ndarray) -> "PackedSamples":
        """Return the samples where `keep`, bool (N,), is true; all classes stay."""
        left_out = [*self._left_out, *map(self._number, np.flatnonzero(~keep))]
        return PackedSamples(self._index.file, left_out, trusted=True)

    def name(self, index: int) -> str:
        """Return shard and original path of one image, such as "/data/train-000003.tar/n01440764/x.JPEG"."""
        number = self._number(index)
        return os.path.join(self._shard_file(self._index.images[number]["shard"]), self._index.path(number))

    def read(self, index: int) -> bytes:
        """Read one encoded image; ValueError when its checksum is wrong, or its shard missing or of another size."""
        image = self._index.images[self._number(index)]
        # A process opens shards of its own: an id is no longer the same file after a fork.
        check_size(int(image["size"]))
        shard = self._open_shard(os.getpid(), int(image["shard"]))
        data = shard.read(int(image["offset"]), int(image["size"]))
        if zlib.crc32(data) != image["crc32"]:
            raise ValueError("the checksum of the packed image is wrong: the shard was damaged after it was packed")
        return data

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Heartbeat) -> list[bytes | None]:
        """Read images in one call, without Python's lock; None: not done, `read` does it or says what is wrong.

        `numbers`, int64 (n,), are noted: the same as `indices`, unless these are part of a Subset.
        """
        images = self._index.images[self._number(indices)]
        try:
            shards = [self._noted_shard(note, *one) for one in zip(numbers, images["shard"].tolist(), strict=True)]
        except (OSError, ValueError):
            return [None] * len(indices)
        columns = [[shard.id for shard in shards], images["offset"], images["size"], images["crc32"]]
        return read_pieces(np.stack([np.asarray(column, np.int64) for column in columns], axis=1), numbers, note)

    def _noted_shard(self, note: Heartbeat, number: int, shard: int) -> "_Shard":
        note(number)  # the disk may hang
        return self._open_shard(os.getpid(), shard)

    def _number(self, index: Any) -> Any:
        """Return the image of a sample, or the images of an array of samples."""
        return index + np.searchsorted(self._gaps, index, side="right") if len(self._gaps) else index

    def _shard_file(self, shard: int) -> str:
        return os.path.normpath(os.path.join(self._index.file.parent, self._index.shards[shard][0]))

    def _open(self, process: int, shard: int) -> "_Shard":
        return _Shard(self._shard_file(shard), self._index.shards[shard][1])


class _Shard:
    """A file open for reading from any thread; closed when the last user lets go of it."""

    def __init__(self, file: str, size: int):
        _check_size(file, size, os.stat(file).st_size)  # first: opening a pipe would wait for its writer
        self.id = os.open(file, os.O_RDONLY)
        _check_size(file, size, os.fstat(self.id).st_size)

    def read(self, offset: int, size: int) -> bytes:
        data = os.pread(self.id, size, offset)
        while len(data) < size:  # a signal, or a network file system, may cut a read short
            more = os.pread(self.id, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def __del__(self) -> None:
        if hasattr(self, "id"):
            os.close(self.id)


def load_packed(index_file: Path) -> PackedSamples:
    """Return the samples of a packed split after a look at its shards; ValueError for one that is not as packed."""
    index = load_index(index_file)
    _check_shards(index)
    if index.changes():
        logger.info("%s: %s", index_file, index.changes())
    return PackedSamples(index_file, trusted=True)


def _check_shards(index: Index) -> None:
    folder = index.file.parent
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for (name, size), found in zip(
            index.shards, pool.map(lambda shard: _size(folder / shard[0]), index.shards), strict=True
        ):
            if found is None:
                raise ValueError(f"{folder / name} is missing, but {index.file.name} lists it ({size} bytes)")
            _check_size(str(folder / name), size, found)


def _check_size(file: str, size: int, found: int) -> None:
    if found != size:
        raise ValueError(f"{file} has {found} bytes, but the index says {size}: cut short, or not the shard packed")


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


def _most_open_files() -> int:
    """Return how many shards a process keeps open: half of what it may, the rest is for workers and others."""
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
