"""Mapped arrays: what was written comes back, travels as a name, and takes memory once for all processes."""

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from pycls.datasets.readers import array_files
from pycls.datasets.readers.array_files import META, map_arrays, write_arrays

PAIR = np.dtype([("big", "<u8"), ("small", "<u2")])


@pytest.fixture
def folder(tmp_path):
    arrays = {
        "numbers": np.arange(1000) * 3,
        "pairs": np.array([(2**40, 7), (1, 2)], PAIR),
        "none": np.empty(0, np.uint8),
        "table": np.arange(6, dtype=np.float32).reshape(2, 3),
    }
    write_arrays(tmp_path / "x", "thing", 3, {"names": ["a", "not\udcffunicode"]}, arrays)
    return tmp_path / "x"


def test_arrays_and_facts_come_back(folder):
    mapped = map_arrays(folder, "thing", 3)
    assert mapped.meta == {"names": ["a", "not\udcffunicode"]}
    assert mapped.arrays["numbers"].tolist() == [3 * i for i in range(1000)]
    assert mapped.arrays["pairs"]["big"].tolist() == [2**40, 1] and mapped.arrays["pairs"][1].item() == (1, 2)
    assert len(mapped.arrays["none"]) == 0 and mapped.arrays["table"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="read-only"):
        mapped.arrays["numbers"][0] = 1


def test_numpy_and_json_alone_read_it(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        META,
        *(f"{n}.npy" for n in ("none", "numbers", "pairs", "table")),
    ]
    assert np.load(folder / "pairs.npy").tolist() == [(2**40, 7), (1, 2)]
    contents = json.loads((folder / META).read_text())["contents"]
    assert contents["kind"] == "thing" and contents["arrays"]["table"]["shape"] == [2, 3]


def test_a_whole_array_is_pickled_as_a_name_and_a_part_as_its_numbers(folder):
    numbers = map_arrays(folder, "thing", 3).arrays["numbers"]
    assert len(pickle.dumps(numbers)) < 400
    for part in (numbers, numbers[10:20], numbers[[5, 3]], numbers + 1):
        again = pickle.loads(pickle.dumps(part))
        assert again.dtype == np.int64 and again.tolist() == part.tolist()


@pytest.mark.parametrize("other", ["meta", "numbers", "dtype"])
def test_what_was_replaced_is_not_mistaken_for_the_old_one(folder, other):
    pickled = pickle.dumps(map_arrays(folder, "thing", 3).arrays["numbers"])
    meta = {} if other == "meta" else {"names": ["a", "not\udcffunicode"]}
    numbers = {"meta": np.arange(1000) * 3, "numbers": np.arange(1000), "dtype": np.arange(1000) * 3.0}[other]
    write_arrays(folder, "thing", 3, meta, {"numbers": numbers})
    assert map_arrays(folder, "thing", 3).arrays["numbers"].tolist() == numbers.tolist()
    with pytest.raises(ValueError, match="x was replaced"):
        pickle.loads(pickled)


def test_the_same_contents_are_not_written_again(folder):
    """Each process of a training may do so while the workers of another map it."""
    before = (folder / "numbers.npy").stat()
    mapped = map_arrays(folder, "thing", 3)
    write_arrays(folder, "thing", 3, mapped.meta, mapped.arrays)
    assert (folder / "numbers.npy").stat().st_ino == before.st_ino
    (folder / "numbers.npy").write_bytes(b"")
    write_arrays(folder, "thing", 3, mapped.meta, {**mapped.arrays, "numbers": np.arange(1000) * 3})
    assert map_arrays(folder, "thing", 3).arrays["numbers"][-1] == 2997, "unless they are damaged"
    assert [path.name for path in folder.parent.iterdir()] == ["x"], "nothing is left beside it"


def test_arrays_of_two_versions_are_never_mixed(folder, monkeypatch):
    """Another process replaces the folder after its facts have been read: dtypes and shapes are the same."""
    before = map_arrays(folder, "thing", 3)
    map_one = array_files._map

    def replace_first(*words):
        monkeypatch.setattr(array_files, "_map", map_one)
        write_arrays(folder, "thing", 3, before.meta, {**before.arrays, "numbers": np.arange(1000) * 4})
        return map_one(*words)

    monkeypatch.setattr(array_files, "_map", replace_first)
    with pytest.raises(ValueError, match="x was replaced while"):
        map_arrays(folder, "thing", 3)
    assert map_arrays(folder, "thing", 3).arrays["numbers"][-1] == 999 * 4


def test_a_mapped_array_outlives_its_folder(folder):
    numbers = map_arrays(folder, "thing", 3).arrays["numbers"]
    write_arrays(folder, "thing", 3, {}, {"numbers": np.zeros(1000)})
    shutil.rmtree(folder)
    assert numbers.tolist() == [3 * i for i in range(1000)]


def _flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


DAMAGE = {
    "no facts": (META, lambda data: b"", r"meta\.json of a thing is damaged"),
    "other facts": (META, lambda data: b"[1]", "is damaged"),
    "facts cut": (META, lambda data: data[:60], "is damaged"),
    "a letter of a name": (META, lambda data: data.replace(b'"a"', b'"b"'), "its checksum is wrong"),
    "empty": ("numbers.npy", lambda data: b"", "is damaged"),
    "something else": ("numbers.npy", lambda data: b"PK\x03\x04" * 100, "is damaged"),
    "cut": ("numbers.npy", lambda data: data[:-64], "is damaged"),
    "something appended": ("numbers.npy", lambda data: data + b"x", "is damaged"),
    "another shape": ("numbers.npy", lambda data: data.replace(b"(1000,)", b"(1001,)"), "is damaged"),
    "another dtype": ("numbers.npy", lambda data: data.replace(b"<i8", b"<f8"), "is damaged"),
    "a bit of the magic": ("numbers.npy", lambda data: _flip(data, 0), "is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused_in_one_line(folder, damage):
    name, change, message = DAMAGE[damage]
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        map_arrays(folder, "thing", 3)
    assert str(folder / name) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind, version", [("thing", 4), ("other", 3)])
def test_another_kind_or_version_is_named(folder, kind, version):
    with pytest.raises(ValueError, match=rf"thing of version 3; this program reads {kind} {version}: make it again"):
        map_arrays(folder, kind, version)


def _touch(array, ready, done):
    array.sum()
    ready.release()
    done.wait()


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's /proc")
def test_two_processes_share_one_copy(tmp_path):
    write_arrays(tmp_path / "large", "thing", 1, {}, {"numbers": np.zeros(3_000_000)})
    numbers = map_arrays(tmp_path / "large", "thing", 1).arrays["numbers"]
    context = multiprocessing.get_context("spawn")
    ready, done = context.Semaphore(0), context.Event()
    processes = [context.Process(target=_touch, args=(numbers, ready, done)) for _ in range(2)]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=60)
    found = [_memory(process.pid, tmp_path / "large" / "numbers.npy") for process in processes]
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
