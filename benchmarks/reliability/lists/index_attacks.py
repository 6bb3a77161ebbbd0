"""Packed indexes and caches of folder lists, damaged in one bit, or crafted: whole by their checksums, and wrong.

None may be trained on, crash, or be called verified: each is one line that names the file, or, of a cache, a new scan.
"""

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

META = "meta.json"
Arrays = dict[str, np.ndarray]
Change = Callable[[dict[str, Any], Arrays], None]  # of what meta.json says, and of the arrays, in place


def flip_bits(folder: Path, num_flips: int, seed: int = 0) -> Iterator[str]:
    """Flip one bit of one file of a folder at a time, spread over all files; yield what is flipped, then mend it."""
    rng = np.random.default_rng(seed)
    files = sorted(folder.iterdir())
    for number in range(num_flips):
        file = files[number % len(files)]
        content = file.read_bytes()
        place, bit = int(rng.integers(len(content))), int(rng.integers(8))
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        yield f"{file.name}, byte {place}, bit {bit}"
        file.write_bytes(content)


def craft(folder: Path, target: Path, change: Change) -> Path:
    """Copy a folder of arrays with a change and right checksums."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    contents = json.loads((folder / META).read_bytes())["contents"]
    arrays = {name: np.load(folder / f"{name}.npy") for name in contents["arrays"]}
    change(contents, arrays)
    for name, array in arrays.items():
        np.save(target / f"{name}.npy", array)
        facts = {"dtype": np.lib.format.dtype_to_descr(array.dtype), "shape": array.shape}
        contents["arrays"][name] = facts | {"crc32": zlib.crc32(array.tobytes())}
    write_meta(target, contents)
    return target


def write_meta(folder: Path, contents: Any) -> None:
    """Write meta.json with the checksum of what it says."""
    checksum = zlib.crc32(json.dumps(contents).encode())
    (folder / META).write_text(json.dumps({"crc32": checksum, "contents": contents}, indent=1))


def _set(column: str, field: str | None, row: int, value: int) -> Change:
    def change(contents: dict[str, Any], arrays: Arrays) -> None:
        place = arrays[column] if field is None else arrays[column][field]
        place[row] = value

    return change


def _meta(key: str, value: Any) -> Change:
    return lambda contents, arrays: contents["meta"].update({key: value})


def _array(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda contents, arrays: arrays.update({name: make(arrays[name])})


def packed_index_attacks() -> dict[str, Change]:
    """Return name -> change of the index of a packed split."""
    return {
        "a label beyond the classes": _set("labels", None, 0, 10**9),
        "a negative label": _set("labels", None, 0, -1),
        "fewer labels than images": _array("labels", lambda labels: labels[:-1]),
        "labels of 32 bits": _array("labels", lambda labels: labels.astype(np.int32)),
        "labels of floats": _array("labels", lambda labels: labels * 1.0),
        "labels in two dimensions": _array("labels", lambda labels: labels[None]),
        "an image beyond its shard": _set("images", "offset", 0, 2**63),
        "an image longer than its shard": _set("images", "size", 0, 2**32 - 1),
        "offset and size that overflow": _set("images", "offset", 0, 2**64 - 1),
        "a shard that is not listed": _set("images", "shard", 0, 2**32 - 1),
        "a name beyond the names": _set("images", "name_offset", 0, 2**63),
        "a name longer than the names": _set("images", "name_size", -1, 2**16 - 1),
        "names cut": _array("names", lambda names: names[:-1]),
        "images of another layout": _array("images", lambda images: np.zeros(len(images), [("offset", "<u8")])),
        "no images": _array("images", lambda images: images[:0]),
        "classes as a number": _meta("classes", 7),
        "classes as numbers": _meta("classes", [1, 2, 3]),
        "a class twice": lambda contents, arrays: contents["meta"]["classes"].append(contents["meta"]["classes"][0]),
        "no classes": _meta("classes", []),
        "classes of nothing": _meta("classes", None),
        "shards as a text": _meta("shards", "train-000000.tar"),
        "shards without sizes": _meta("shards", [["train-000000.tar"]]),
        "a shard of a negative size": _meta("shards", [["train-000000.tar", -1]]),
        "a shard of a huge size": _meta("shards", [["train-000000.tar", 10**40]]),
        "a shard with a zero byte": _meta("shards", [["train\0.tar", 10]]),
        "no recipe": lambda contents, arrays: contents["meta"].pop("recipe"),
        "a recipe of nothing": _meta("recipe", {}),
        "a recipe of texts": _meta("recipe", {"options": "none", "source": []}),
        "options of nothing": _meta("recipe", {"options": {}, "source": {"images": 1, "bytes": 1}}),
        "another kind": lambda contents, arrays: contents.update(kind="\x1b[31mother"),
        "another version": lambda contents, arrays: contents.update(version=[[]]),
        "facts that are none": lambda contents, arrays: contents.update(meta=[]),
        "an array outside": lambda contents, arrays: arrays.update({"../outside": arrays["labels"]}),
        "an array too many": lambda contents, arrays: arrays.update(more=arrays["labels"]),
    }


def wrong_but_possible_attacks() -> dict[str, Change]:
    """Return changes of a packed index that only a look into its tars can tell: what --verify is for."""

    def swap(column: str) -> Change:
        def change(contents: dict[str, Any], arrays: Arrays) -> None:
            rows = arrays["images"][column]
            rows[0], rows[-1] = rows[-1].copy(), rows[0].copy()

        return change

    return {
        "another label": lambda contents, arrays: arrays["labels"].__setitem__(0, arrays["labels"].max()),
        "two classes change places": lambda contents, arrays: contents["meta"]["classes"].reverse(),
        "a letter of a name": _set("names", None, -5, ord("Z")),
        "another width": _set("images", "width", 0, 12345),
        "another checksum": _set("images", "crc32", 0, 1),
        "another offset": swap("offset"),
        "an image too few": lambda contents, arrays: arrays.update(_without_last(arrays)),
    }


def _without_last(arrays: Arrays) -> Arrays:
    images = arrays["images"][:-1]
    return {
        "images": images,
        "labels": arrays["labels"][:-1],
        "names": arrays["names"][: int(images["name_size"].sum())],
    }


def folder_cache_attacks() -> dict[str, Change]:
    """Return name -> change of the cached list of a folder tree."""
    return {
        "a label beyond the classes": _set("labels", None, 0, 10**9),
        "a negative label": _set("labels", None, 0, -1),
        "labels in another order": _array("labels", lambda labels: labels[::-1].copy()),
        "labels of the next class": _array("labels", lambda labels: np.minimum(labels + 1, labels.max())),
        "fewer labels": _array("labels", lambda labels: labels[:-1]),
        "paths cut": _array("paths", lambda paths: paths[:-3]),
        "offsets that go back": _set("paths_offsets", None, 1, 10**6),
        "offsets below zero": _set("paths_offsets", None, 1, -5),
        "no offsets": _array("paths_offsets", lambda offsets: offsets[:0]),
        "times of one folder": _array("mtimes", lambda times: times[:1]),
        "classes as numbers": _meta("classes", [1, 2]),
        "classes in another order": lambda contents, arrays: contents["meta"]["classes"].reverse(),
        "a class more": lambda contents, arrays: contents["meta"]["classes"].insert(0, "0"),
        "no endings": lambda contents, arrays: contents["meta"].pop("endings"),
        "reasons as a text": _meta("left_out", "none"),
        "reasons that are not there": _meta("left_out", {".txt": 5}),
        "offsets of floats": _array("paths_offsets", lambda offsets: offsets * 1.0),
    }
