"""What an unfinished packing leaves beside its shards, so that the same command goes on where it was stopped."""

import json
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.atomic_io import write_durably
from pycls.core.locks import locked
from pycls.dataset_tools.packing.options import check_recipe
from pycls.dataset_tools.packing.tar_writer import LABEL_BYTES, finished_size, packed_size
from pycls.datasets.readers.tar_index import IMAGE, index_file, load_index

# Of one packed image, in the order of its shard: which sample it is, and its entry in the index.
RECORD = np.dtype([("number", "<i8"), ("image", IMAGE)])
_CHECKSUM_BYTES = 4  # behind the record


@dataclass(frozen=True)
class Work:
    """The folder .packing-<split>: what is being packed, and the records of the finished shards."""

    target: Path
    split: str

    @property
    def folder(self) -> Path:
        """Return the folder itself."""
        return self.target / f".packing-{self.split}"

    @property
    def unfinished(self) -> Path:
        """Return the file that the next shard is written to."""
        return self.folder / "unfinished"

    @property
    def unfinished_index(self) -> Path:
        """Return the folder that the index is written to."""
        return self.folder / "index"

    def shard(self, number: int) -> Path:
        """Return the file of a finished shard."""
        return self.target / f"{self.split}-{number:06d}.tar"

    def finished_records(self) -> list[np.ndarray]:
        """Return the records of the shards that are complete, each RECORD (n,)."""
        records: list[np.ndarray] = []
        while (file := self._record(len(records))).is_file():
            record, shard = _read_record(file), self.shard(len(records))
            if record is None or not shard.is_file() or shard.stat().st_size != _shard_size(record):
                break
            records.append(record)
        return records

    def save_record(self, number: int, record: np.ndarray) -> None:
        """Write the record of a shard, which comes before the shard has its name."""
        data = record.tobytes()
        write_durably(self._record(number), data + _checksum(data))

    def _record(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def _read_record(file: Path) -> np.ndarray | None:
    """Return a record, None for one that is damaged: its shard is then written again."""
    content = file.read_bytes()
    data = content[:-_CHECKSUM_BYTES]
    if not data or len(data) % RECORD.itemsize or content[-_CHECKSUM_BYTES:] != _checksum(data):
        return None
    return np.frombuffer(data, RECORD)


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "little")


def _shard_size(record: np.ndarray) -> int:
    """Return the bytes of a finished shard: its last image and label, and what ends the file."""
    last = record["image"][-1]
    header = packed_size(0)  # the offset is behind it
    return finished_size(int(last["offset"]) - header + packed_size(int(last["size"])) + LABEL_BYTES)


@contextmanager
def working(target: Path, split: str, recipe: dict[str, Any]) -> Iterator[Work]:
    """Hold the working folder of a packing; it is removed at the end, and left for the next run after an error.

    Raise ValueError when another process holds it, or when the split was packed, or begun, by another recipe.
    """
    work = Work(target, split)
    index, begun = index_file(target, split), work.folder / "recipe.json"
    if index.exists():
        check_recipe(index, load_index(index).recipe, recipe)
    elif not begun.is_file():
        _check_no_shards(target, split)
    work.folder.mkdir(parents=True, exist_ok=True)

    def busy(holder: str) -> str:
        return f"{target}: another process is packing '{split}' there ({holder})"

    with locked(work.folder / "lock", 0, busy):
        if begun.is_file():
            check_recipe(work.folder, _read_recipe(begun), recipe)
        else:
            write_durably(begun, json.dumps(recipe).encode())
        yield work
        shutil.rmtree(work.folder, ignore_errors=True)


def _read_recipe(file: Path) -> dict[str, Any]:
    try:
        recipe = json.loads(file.read_bytes())
        recipe["options"].keys(), recipe["source"]["images"], recipe["source"]["bytes"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{file} is damaged: remove {file.parent}, and pack again from the beginning") from None
    return recipe


def _check_no_shards(target: Path, split: str) -> None:
    """Raise ValueError for shards that nothing is known about."""
    pattern = re.compile(re.escape(split) + r"-\d{6}\.tar")
    known = [file.name for file in target.iterdir() if pattern.fullmatch(file.name)] if target.is_dir() else []
    if known:
        raise ValueError(f"{target} holds {min(known)} but no {split}.index: remove the shards, or use another folder")
