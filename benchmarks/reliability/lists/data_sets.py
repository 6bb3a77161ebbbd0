"""Data sets that are not what they should be: folders, lists, class files, tars, arrays."""

import gzip
import io
import os
import pickle
import shutil
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.reliability.lists.bad import Bad
from benchmarks.reliability.tiny import words

if TYPE_CHECKING:
    from benchmarks.reliability.case import Room

Change = Callable[[Path], object]


def _train(**keys: object) -> str:
    quoted = (f"'{word}'" for word in words("{here}/out", "{here}/d", **{**keys}))
    return f"train {' '.join(quoted)}"


# ---- folders: what is done to a copy of the data, called d
def _move(old: str, new: str) -> Change:
    return lambda d: (d / new).parent.mkdir(parents=True, exist_ok=True) or (d / old).rename(d / new)


def _remove(*names: str) -> Change:
    return lambda d: [shutil.rmtree(d / name) for name in names]


def _write(name: str, data: bytes) -> Change:
    return lambda d: (d / name).parent.mkdir(parents=True, exist_ok=True) or (d / name).write_bytes(data)


def _link(name: str, target: str) -> Change:
    return lambda d: (d / name).symlink_to(target)


def _for_each(pattern: str, act: Callable[[Path], object]) -> Change:
    return lambda d: [act(path) for path in list(d.glob(pattern))]


_FOLDERS: tuple[tuple[str, Change, str], ...] = (
    ("no folder", lambda d: shutil.rmtree(d), "DATA_DIR.*/d"),
    ("a file", lambda d: shutil.rmtree(d) or d.write_text("x"), "DATA_DIR.*/d"),
    ("empty", lambda d: shutil.rmtree(d) or d.mkdir(), "/d"),
    ("no validation", _remove("val"), "no split 'val'"),
    ("no training", _remove("train"), "no split 'train'"),
    ("a class missing in val", _remove("val/3"), "lacks 1 class.*3"),
    ("a class missing in train", _remove("train/3"), "lacks 1 class.*3"),
    ("a class renamed in val", _move("val/3", "val/three"), "three|3"),
    ("an empty class", lambda d: [(d / s / "x").mkdir() for s in ("train", "val")], "without images.*x"),
    ("a loose image", _move("train/3/00.png", "train/00.png"), r"00\.png"),
    (
        "a flat val",
        lambda d: [p.rename(d / "val" / f"{p.parent.name}_{p.name}") for p in list(d.glob("val/*/*"))],
        "val",
    ),
    ("no images at all", _for_each("*/*/*", lambda p: p.rename(p.with_suffix(".txt"))), "no images"),
    ("one class", lambda d: [shutil.rmtree(p) for p in d.glob("*/[1-9]")], "class|NUM_CLASSES"),
    ("another number of classes", _remove("train/3", "val/3"), "MODEL.NUM_CLASSES"),
    (
        "two validations",
        lambda d: shutil.copytree(d / "val", d / "valid") and (d / "val").rename(d / "validation"),
        "valid",
    ),
    (
        "spelled in two ways",
        lambda d: ((d / "val/3").rename(d / "val/e\u0301"), (d / "train/3").rename(d / "train/\u00e9")),
        "code points|lacks 1 class",
    ),
    ("a link to itself", lambda d: shutil.rmtree(d) or d.symlink_to(d), "/d"),
    (
        "a class that is a link to nothing",
        lambda d: shutil.rmtree(d / "val/3") or (d / "val/3").symlink_to("none"),
        "3",
    ),
    ("train is a file", lambda d: shutil.rmtree(d / "train") or (d / "train").write_text("x"), "train"),
    (
        "a name of bytes, one side only",
        lambda d: os.mkdir(os.fsencode(d / "train") + b"/\xff"),
        r"\\udcff|\\xff|without images",
    ),
    ("only links to nothing", _for_each("train/*/*", lambda p: p.unlink() or p.symlink_to("none")), r"\.png|train"),
)
_SPLIT = (
    ("too few for a batch", {"TRAIN__BATCH_SIZE": 1024}, "TRAIN.BATCH_SIZE"),
    ("a split that is not there", {"TRAIN__SPLIT": "foo"}, "TRAIN.SPLIT|foo"),
    ("a backend of arrays", {"DATA_LOADER__BACKEND": "memory"}, "DATA_LOADER.BACKEND|memory"),
    ("held out of what is divided already", {"DATA__VAL_FRACTION": 0.2}, "DATA.VAL_FRACTION|val"),
    ("no GPU", {"DATA_LOADER__BACKEND": "dali_gpu"}, "dali_gpu"),
    ("a skip list that is not there", {"DATA_LOADER__SKIP_LIST": "none.txt"}, "none.txt"),
    ("a skip list that is a folder", {"DATA_LOADER__SKIP_LIST": "{here}"}, "SKIP_LIST"),
    ("too many classes", {"MODEL__NUM_CLASSES": 11}, "MODEL.NUM_CLASSES"),
    ("a weight for each of other classes", {"TRAIN__CLASS_WEIGHTS": "[1, 2]"}, "TRAIN.CLASS_WEIGHTS"),
    ("classes not there", {"DATA__CLASSES": "none.txt"}, "none.txt"),
    ("precise statistics of more GPUs", {"NUM_GPUS": 3}, "BATCH_SIZE|NUM_GPUS"),
    ("weights not there", {"TRAIN__WEIGHTS": "none.pyth"}, "none.pyth"),
    ("frozen without weights", {"TRAIN__FROZEN": "[stem]"}, "TRAIN.(FROZEN|WEIGHTS)"),
    ("maps that vanish", {"ANYNET__STRIDES": "[64, 64]"}, "."),
)
# ---- what each image may be; all are refused when they are read, which names the file
_NO_IMAGES = {
    "empty": b"",
    "text": b"no image\n" * 20,
    "half a PNG header": b"\x89PNG\r\n\x1a\n",
    "a PNG without an end": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08\x08\x02\0\0\0",
    "half a JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01",
    "zeros": bytes(1000),
    "a page of an error": b"<html><body>404</body></html>",
}

# ---- lists, called d.csv
_LISTS: tuple[tuple[str | bytes, str], ...] = (
    ("", r"d\.csv is empty"),
    ("path,label\n", r"d\.csv lists no images"),
    ("name,diagnosis\na.jpg,3\n", r"d\.csv:1: expected columns path, label"),
    ("path,label\na.jpg,cat\nb.jpg\n", r"d\.csv:3"),
    ("path,label\na, b.jpg,cat\n", r"d\.csv:2"),
    ("path,label\na.jpg,\n", r"d\.csv:2: the label is empty"),
    ("path,label\n ,cat\n", r"d\.csv:2: the path is empty"),
    ("path,label,split\na.jpg,cat,train\nb.jpg,cat,\n", r"d\.csv:3: the split is empty"),
    ("path,label,path\na.jpg,cat,b.jpg\n", r"d\.csv.*'path'"),
    ('path,label\n"a.jpg,cat\nb.jpg,dog\n', r"d\.csv:3"),
    ("path,label\na\0.jpg,cat\n", r"d\.csv:2"),
    ("path,label\nnone.png,cat\n", r"none\.png|VAL_FRACTION|split"),
    ("path,label,split\nnone.png,a,train\nnone2.png,a,val\n", r"none|classes"),
    ("path,label,split\n/dev/zero,a,train\n/dev/zero,b,val\n", r"zero|lacks|class"),
    ("path,label,split\nx.png,a,train\nx.png,b,train\n", r"val|x\.png"),
    ("path,label,split\nx.png,a,train\nx.png,b,val\n", r"lacks 1 class|x\.png|classes"),
    ("path,label\na.jpg,cat\n".encode("utf-16"), r"d\.csv is UTF-16"),
    ("path,label\na.jpg,cat\n".encode("utf-32"), r"d\.csv"),
    (b"PAR1" + bytes(100), r"d\.csv"),
    (b"\x1f\x8b\x08" + bytes(100), r"d\.csv"),
    ("a" * 200_000 + "\n", r"d\.csv"),
    ("path,label\n" + "a" * 200_000 + ",cat\n", r"d\.csv|a{20}|VAL_FRACTION"),
    ("," * 5000 + "\n", r"d\.csv"),
)
# ---- files of classes, called names.txt or names.json
_CLASSES = (
    ("names.txt", "\n \n", "names no classes"),
    ("names.txt", "0\n1\n0\n", "names a class twice|twice"),
    ("names.txt", "a\0b\n", "zero bytes"),
    ("names.txt", "a\nb\n", r"names\.txt"),
    ("names.txt", b"\xff\xfe\x00a", r"names\.txt"),
    ("names.json", "{", "not valid JSON"),
    ("names.json", "3", "expected a list"),
    ("names.json", "null", "expected a list"),
    ("names.json", "[1, 2]", "expected a list of names"),
    ("names.json", '{"0": "cat", "2": "dog"}', "expected a list of names"),
    ("names.json", '{"a": NaN}', r"names\.json"),
    ("names.json", '{"a": 1e999}', r"names\.json"),
    ("names.json", "[" * 5000, r"names\.json"),
    ("names.json", '["a", "a"]', "twice"),
    ("names.json", '{"a": 99999999999999999999999}', r"names\.json"),
)
# ---- skip lists, called skip.txt
_SKIPS = (
    ("nonsense\n", r"skip\.txt:1"),
    ("train/0/00.png\nother/0/00.png\n", r"skip\.txt:2"),
    ("".join(f"train/3/{n:02}.png\n" for n in range(16)), "leaves a class of train without images: 3"),
    (b"\xff\xfe\0\0train", r"skip\.txt"),
    ("\x1b[31mtrain/0/x.png\n", r"skip\.txt:1"),
    ("train\n", r"skip\.txt:1"),
)
# ---- tars of a folder d: members of train-0.tar
_TARS: tuple[tuple[tuple[tuple[str, bytes], ...], str], ...] = (
    ((("a.jpg", b"x"),), "sample a has no label"),
    ((("a.jpg", b"x"), ("a.cls", b" ")), "sample a has an empty label"),
    ((("a.jpg", b"x"), ("a.json", b"{")), "json is not valid"),
    ((("a.jpg", b"x"), ("a.json", b'"label"')), "sample a"),
    ((("a.jpg", b"x"), ("a.json", b"[" * 5000)), r"train-0\.tar"),
    ((("a.jpg", b"x"), ("a.json", b'{"label": 1e999}')), r"train-0\.tar|sample a"),
    ((("a.jpg", b"x"), ("a.json", b'{"label": [1]}')), "'label'"),
    ((("a.jpg", b"x"), ("a.png", b"y"), ("a.cls", b"1")), "2 images"),
    ((("a.txt", b"x"),), "no images"),
    ((("../a.jpg", b"x"), ("../a.cls", b"1")), "val|a"),
    ((("a\n.jpg", b"x"), ("a\n.cls", b"1")), "val|a"),
    ((("a.jpg", b"x"), ("a.cls", b"\xff\xfe")), r"val|train-0\.tar|a"),
    ((("a.jpg", b"x"), ("a.cls", b"1" * 5000)), r"val|train-0\.tar|a|label"),
)


def _array(name: str, content: object, says: str) -> tuple[str, str, bytes, str]:
    return "cifar10", name, content if isinstance(content, bytes) else pickle.dumps(content), says


def _idx(shape: tuple[int, ...], data: bytes) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + data


_META = pickle.dumps({"label_names": [f"c{number}" for number in range(10)]})
_IMAGES = "train-images-idx3-ubyte"
# A file of an array data set in d; the others of it are not there.
_ARRAYS = (
    _array("data_batch_1", b"", "data_batch_1|batches"),
    _array("data_batch_1", {}, "data_batch_1"),
    _array("data_batch_1", [1], "data_batch_1"),
    _array("data_batch_1", {"data": 1, "labels": 2}, "data_batch_1"),
    _array("data_batch_1", {"data": np.zeros((2, 5)), "labels": [0, 1]}, "data_batch_1"),
    _array("data_batch_1", {"data": np.zeros((2, 3072), np.uint8), "labels": ["x", None]}, "data_batch_1|label"),
    _array("data_batch_1", b"cos\nsystem\n(S'touch owned'\ntR.", "data_batch_1"),
    ("fashion_mnist", _IMAGES, b"", _IMAGES),
    ("fashion_mnist", _IMAGES, b"\0\0", _IMAGES),
    ("fashion_mnist", _IMAGES, _idx((2, 28, 28), b"x"), _IMAGES),
    ("fashion_mnist", _IMAGES, _idx((2**31, 2**31, 28), b"x"), _IMAGES),
    ("fashion_mnist", f"{_IMAGES}.gz", b"no gz", _IMAGES),
    ("fashion_mnist", f"{_IMAGES}.gz", gzip.compress(b"abc", mtime=0)[:-9], _IMAGES),
    ("fashion_mnist", f"{_IMAGES}.gz", gzip.compress(b"a", mtime=0), _IMAGES),
)


def _copied(change: Change) -> Callable[["Room"], None]:
    def make(room: "Room") -> None:
        shutil.copytree(room.fixtures["data"], room.folder / "d", ignore=shutil.ignore_patterns(".pycls*"))
        change(room.folder / "d")

    return make


def _tar(members: tuple[tuple[str, bytes], ...]) -> Callable[["Room"], None]:
    def make(room: "Room") -> None:
        (room.folder / "d").mkdir()
        with tarfile.open(room.folder / "d/train-0.tar", "w") as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    return make


def _spoiled(data: bytes) -> Change:
    return _for_each("train/*/*", lambda path: path.write_bytes(data))


def _array_words(dataset: str) -> str:
    left_out = {"TRAIN__PCA_STD": None, "TEST__IM_SIZE": None, "DATA_LOADER__NUM_WORKERS": None}
    size = {"TRAIN__IM_SIZE": 32 if dataset == "cifar10" else 28}
    channels = {"DATA_LOADER__CHANNELS": 1} if dataset == "fashion_mnist" else {}
    return _train(TRAIN__DATASET=dataset, TEST__DATASET=dataset, **left_out, **size, **channels)


BAD = (
    *(Bad(_train(), says, make=_copied(change), name=f"folder: {name}") for name, change, says in _FOLDERS),
    *(
        Bad(f"check-data {{here}}/none{n} --out {{here}}/o", f"none{n}", name=f"check-data of nothing {n}")
        for n in range(2)
    ),
    *(Bad(_train(**keys), says, make=_copied(lambda d: None), name=f"settings: {name}") for name, keys, says in _SPLIT),
    *(
        Bad(
            _train(DATA_DIR="{here}/d.csv"),
            says,
            {"d.csv": text},
            name=f"list: {repr(text)[:60]}",
        )
        for text, says in _LISTS
    ),
    *(
        Bad(
            _train(DATA__CLASSES=f"{{here}}/{name}"),
            says,
            {name: text},
            make=_copied(lambda d: None),
            name=f"classes: {repr(text)[:60]}",
        )
        for name, text, says in _CLASSES
    ),
    *(
        Bad(
            _train(DATA_LOADER__SKIP_LIST="{here}/skip.txt"),
            says,
            {"skip.txt": text},
            make=_copied(lambda d: None),
            name=f"skip list: {repr(text)[:60]}",
        )
        for text, says in _SKIPS
    ),
    *(Bad(_train(), says, make=_tar(members), name=f"tar: {repr(members)[:60]}") for members, says in _TARS),
    *(
        Bad(
            _array_words(dataset),
            says,
            {f"d/{name}": data, "d/batches.meta": _META},
            name=f"{dataset}: {name} {len(data)} bytes, {repr(data)[:40]}",
        )
        for dataset, name, data, says in _ARRAYS
    ),
)
NO_IMAGES = tuple(
    Bad(
        _train(DATA_LOADER__BACKEND=backend),
        r"\d\d\.png",
        make=_copied(_spoiled(data)),
        begins=True,
        name=f"images: {name}, {backend}",
    )
    for name, data in _NO_IMAGES.items()
    for backend in ("custom", "torch", "dali_cpu")
)
