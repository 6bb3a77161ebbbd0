"""The C extension reads what Python reads, names what it reads on the board, and leaves the rest to Python."""

import os
import threading
import zlib

import numpy as np
import pytest

from pycls.datasets.decoders.encoded import read_encoded
from pycls.datasets.heartbeat import NOTHING, Heartbeat
from pycls.datasets.readers import native
from pycls.datasets.readers.subset import Subset
from tests.helpers import jpegs
from tests.helpers.backends import make_view
from tests.helpers.hanging import make_hang, release, wait_until_opened
from tests.helpers.photographs import write_files

pytestmark = jpegs.needs_extension
SIZES = [0, 1, 8, 15, 16, 17, 4096, 100_003]


def _cell() -> Heartbeat:
    return Heartbeat(np.array([NOTHING, 0]))


def _random(size: int) -> bytes:
    return np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_whole_files_are_read_and_each_is_noted(tmp_path):
    paths = [tmp_path / str(size) for size in SIZES]
    for path, size in zip(paths, SIZES, strict=True):
        path.write_bytes(_random(size))
    cell, indices = _cell(), np.arange(40, 40 + len(SIZES))
    assert native.read_files([os.fsencode(path) for path in paths], indices, cell) == [_random(size) for size in SIZES]
    assert cell.row.tolist() == [indices[-1], 2 * len(SIZES)]  # opened, then read


def test_what_cannot_be_read_is_left_and_nothing_stays_open(tmp_path):
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    names = ["missing", "good", "folder", "dangling"]
    before = _open_files()
    read = native.read_files([os.fsencode(tmp_path / name) for name in names], np.arange(4), _cell())
    assert read == [None, b"good", None, None]
    assert _open_files() == before


def test_one_file_that_hangs_is_on_the_board(tmp_path):
    (tmp_path / "slow").write_bytes(b"slow")
    make_hang(tmp_path / "slow")
    cell = _cell()
    paths = [os.fsencode(tmp_path / name) for name in ("missing", "slow")]
    thread = threading.Thread(target=native.read_files, args=(paths, np.array([3, 8]), cell))
    thread.start()
    wait_until_opened(tmp_path / "slow")
    noted = cell.row[0]
    release(tmp_path / "slow")
    thread.join()
    assert noted == 8


def test_pieces_are_read_if_their_checksum_is_right(tmp_path):
    everything = b"".join(_random(size) for size in SIZES)
    (tmp_path / "shard").write_bytes(everything)
    offsets = np.cumsum([0, *SIZES[:-1]])
    file = os.open(tmp_path / "shard", os.O_RDONLY)
    pieces = np.array([[file, at, size, zlib.crc32(_random(size))] for at, size in zip(offsets, SIZES, strict=True)])
    assert native.read_pieces(pieces, np.arange(len(SIZES)), _cell()) == [_random(size) for size in SIZES]
    pieces[3, 3] ^= 1  # another checksum
    pieces[6, 1] = len(everything) - 4095  # past the end
    pieces[7, 0] = -1  # not open
    read = native.read_pieces(pieces, np.arange(len(SIZES)), _cell())
    assert [data is None for data in read] == [False, False, False, True, False, False, True, True]
    os.close(file)


def test_wrong_arguments_are_errors():
    row = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="a call needs"):
        native.extension().read_files([b"a", b"b"], np.arange(1), row)
    with pytest.raises(TypeError, match="bytes"):
        native.extension().read_files(["text"], np.arange(1), row)
    with pytest.raises(ValueError, match="null byte"):
        native.extension().read_files([b"a\0b"], np.arange(1), row)
    with pytest.raises(ValueError, match="offset and a size"):
        native.extension().read_pieces(np.array([[0, 0, -1, 0]]), np.arange(1), row)


def test_a_chunk_is_the_same_without_the_extension(tmp_path, monkeypatch):
    samples = write_files(tmp_path, {f"{name}.JPEG": data for name, data in list(jpegs.layouts().items())[:4]})
    order = np.array([2, 0, 3, 1])
    fast = read_encoded(samples, make_view(), 5, order, _cell())
    monkeypatch.setattr(native, "extension", lambda: "the C extension is not built")
    slow = read_encoded(samples, make_view(), 5, order, _cell())
    assert fast.data == slow.data and (fast.boxes == slow.boxes).all() and not fast.errors


def test_a_part_of_a_set_is_read_like_the_set_and_noted_by_its_own_numbers(tmp_path):
    samples = write_files(tmp_path, {f"{number}.JPEG": bytes([number]) for number in range(4)})
    part, cell = Subset(samples, np.array([3, 3, 1])), _cell()
    indices = np.array([2, 0])
    assert part.read_many(indices, indices, cell) == [bytes([1]), bytes([3])]
    assert cell.row[0] == 0
    assert part.read(2) == bytes([1])
