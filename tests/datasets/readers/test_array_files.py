"""Mapped arrays: what was written comes back, travels as a name, and takes memory once for all processes."""

import multiprocessing
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from pycls.datasets.readers.array_files import MAGIC, map_arrays, write_arrays

PAIR = np.dtype([("big", "<u8"), ("small", "<u2")])


@pytest.fixture
def file(tmp_path):
    arrays = {
        "numbers": np.arange(1000) * 3,
        "pairs": np.array([(2**40, 7), (1, 2)], PAIR),
        "none": np.empty(0, np.uint8),
        "table": np.arange(6, dtype=np.float32).reshape(2, 3),
    }
    write_arrays(tmp_path / "x.map", "thing", 3, {"names": ["a", "not\udcffunicode"]}, arrays)
    return tmp_path / "x.map"


def test_arrays_and_facts_come_back(file):
    mapped = map_arrays(file, "thing", 3)
    assert mapped.meta == {"names": ["a", "not\udcffunicode"]}
    assert mapped.arrays["numbers"].tolist() == [3 * i for i in range(1000)]
    assert mapped.arrays["pairs"]["big"].tolist() == [2**40, 1] and mapped.arrays["pairs"][1].item() == (1, 2)
    assert len(mapped.arrays["none"]) == 0 and mapped.arrays["table"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="read-only"):
        mapped.arrays["numbers"][0] = 1


def test_the_layout_is_the_documented_one(file):
    data = file.read_bytes()
    layout, length, _, zero = struct.unpack_from("<IIII", data, 8)
    assert data[:8] == MAGIC == b"PYCLSMAP" and layout == 1 and zero == 0 and len(data) % 64 == 0
    first = -(-(24 + length) // 64) * 64
    assert np.frombuffer(data, "<i8", 1000, first).tolist() == [3 * i for i in range(1000)]


def test_a_whole_array_is_pickled_as_a_name_and_a_part_as_its_numbers(file):
    numbers = map_arrays(file, "thing", 3).arrays["numbers"]
    assert len(pickle.dumps(numbers)) < 400
    for part in (numbers, numbers[10:20], numbers[[5, 3]], numbers + 1):
        again = pickle.loads(pickle.dumps(part))
        assert again.dtype == np.int64 and again.tolist() == part.tolist()


def test_a_file_that_was_replaced_is_not_mistaken_for_the_old_one(file):
    pickled = pickle.dumps(map_arrays(file, "thing", 3).arrays["numbers"])
    file.unlink()
    write_arrays(file, "thing", 3, {}, {"numbers": np.arange(1000)})
    with pytest.raises(ValueError, match=r"x\.map was replaced"):
        pickle.loads(pickled)


DAMAGE = {
    "empty": (lambda data: b"", "is not a thing"),
    "something else": (lambda data: b"PK\x03\x04" * 100, "is not a thing"),
    "cut inside the header": (lambda data: data[:60], "damaged"),
    "a bit flipped in the header": (lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], "damaged"),
    "cut inside the arrays": (lambda data: data[:-64], "cut short"),
    "something appended": (lambda data: data + b"x", "bytes instead of"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(file, damage):
    change, message = DAMAGE[damage]
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        map_arrays(file, "thing", 3)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind, version", [("thing", 4), ("other", 3)])
def test_another_kind_or_version_is_named(file, kind, version):
    with pytest.raises(ValueError, match=rf"thing of version 1\.3; this program reads {kind} 1\.{version}"):
        map_arrays(file, kind, version)


def _touch(array, ready, done):
    array.sum()
    ready.release()
    done.wait()


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's /proc")
def test_two_processes_share_one_copy(tmp_path):
    file = tmp_path / "large.map"
    write_arrays(file, "thing", 1, {}, {"numbers": np.zeros(3_000_000)})
    numbers = map_arrays(file, "thing", 1).arrays["numbers"]
    context = multiprocessing.get_context("spawn")
    ready, done = context.Semaphore(0), context.Event()
    processes = [context.Process(target=_touch, args=(numbers, ready, done)) for _ in range(2)]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=60)
    found = [_memory(process.pid, file) for process in processes]
    done.set()
    for process in processes:
        process.join()
    assert all(rss == pytest.approx(24e6, rel=0.02) for rss, _, _ in found)  # each sees all of it
    assert sum(pss for _, pss, _ in found) < 24.5e6  # together they take it once
    assert all(private == 0 for _, _, private in found)


def _memory(process: int, file: Path) -> tuple[float, float, float]:
    """Return resident, proportional and privately written bytes of what a process maps of a file."""
    totals, inside = {"Rss:": 0, "Pss:": 0, "Private_Dirty:": 0}, False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inside = words[-1] == str(file)
        elif inside and words[0] in totals:
            totals[words[0]] += 1024 * int(words[1])
    return tuple(totals.values())
