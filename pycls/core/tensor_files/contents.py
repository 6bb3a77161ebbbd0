"""A file of torch.save as a whole: every byte as it was written, and no more declared than there is."""

import io
from typing import BinaryIO

from pycls.core.tensor_files.archive import MAGIC
from pycls.core.tensor_files.pickled import Walk
from pycls.core.tensor_files.seal import check_seal

_MOST_PICKLE = 32 << 20  # bytes of names, shapes and plain values; those of large networks are a hundredth of this
_BEFORE_1_6 = (0x1950A86A20F9469CFC6C, 1001)  # how files begin that are no archives: a magic number, a version
_COUNT_BYTES = 8  # in front of the numbers of a storage there


def check_contents(file: BinaryIO) -> int:
    """Return the bytes of all tensors in a file of torch.save; ValueError, in a few words, for any other file.

    Nothing is allocated that the file does not hold. Files of torch < 1.6 have no checksums: theirs is the length.
    """
    start = file.read(len(MAGIC))
    if start == MAGIC:
        return _check_archive(file)
    if start.startswith(b"\x80\x02"):
        return _check_stream(file)
    raise ValueError("it is empty" if not start else "it is no file of torch.save")


def _check_archive(file: BinaryIO) -> int:
    records = check_seal(file).records
    pickle = records.get("data.pkl")
    if pickle is None:
        raise ValueError("it is an archive without tensors")
    if pickle.size > _MOST_PICKLE:
        raise ValueError(f"its pickle has {pickle.size / 1e6:,.0f} MB")
    file.seek(pickle.start)
    storages = Walk(io.BytesIO(file.read(pickle.size))).storages.values()
    for storage in storages:
        record = records.get(f"data/{storage.key}")
        if record is None or record.size != storage.num_bytes:
            there = "is not there" if record is None else f"has {record.size:,}"
            declared = f"{storage.num_bytes:,} bytes of record {storage.key!r:.20}"
            raise ValueError(f"its pickle declares {declared}, which {there}")
    return sum(storage.num_bytes for storage in storages)


def _check_stream(file: BinaryIO) -> int:
    """Check pickles with the numbers of storages behind them."""
    size = file.seek(0, 2)
    file.seek(0)
    pickles = io.BytesIO(file.read(_MOST_PICKLE))
    if tuple(Walk(pickles).value for _ in _BEFORE_1_6) != _BEFORE_1_6:
        raise ValueError("it is no file of torch.save")
    Walk(pickles)  # of the machine that wrote it
    storages = Walk(pickles).storages.values()
    Walk(pickles)  # the keys of the storages
    declared = sum(storage.num_bytes for storage in storages)
    there = size - pickles.tell() - _COUNT_BYTES * len(storages)
    if there != declared:
        raise ValueError(f"its pickle declares {declared:,} bytes of numbers, of which {max(0, there):,} are there")
    return declared
