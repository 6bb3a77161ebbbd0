"""Files that unpack, repeat or nest to more than a machine has; each is small and is made in a folder."""

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability.tiny import test_words, words

_ZEROS = bytes(1 << 20)


@dataclass(frozen=True)
class Bomb:
    """A command and what makes its files."""

    title: str
    words: str
    says: str  # pattern of the line
    make: Callable[[Path], Any]
    needs: tuple[str, ...] = ()


def _write(name: str, data: str | bytes) -> Callable[[Path], Any]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)

    return make


# ---- YAML: a.yaml


def _laughs(levels: int, kind: str) -> str:
    """Return aliases that multiply by nine on each level."""
    lines = ["a0: &a0 [x]" if kind == "list" else "a0: &a0 {x: 1}"]
    for level in range(1, levels):
        names = (
            ", ".join([f"*a{level - 1}"] * 9) if kind == "list" else ", ".join(f"k{n}: *a{level - 1}" for n in range(9))
        )
        lines.append(f"a{level}: &a{level} " + (f"[{names}]" if kind == "list" else f"{{{names}}}"))
    return "\n".join([*lines, f"DESC: *a{levels - 1}\n"])


_YAMLS = {
    "laughs in lists": _laughs(12, "list"),
    "laughs in mappings": _laughs(12, "mapping"),
    "laughs in merges": "".join(
        f"M{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9) if n else ''}]}}\n" for n in range(12)
    ),
    "laughs in a value": "OPTIM:\n  STEPS: [&a [x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a], [*b,*b,*b,*b,*b]]\n",
    "an alias of itself": "DESC: &a [*a]\n",
    "a mapping of itself": "MODEL: &a\n  TYPE: *a\n",
    "itself as a key": "? &a [*a]\n: 1\n",
    "3,000 lists deep": "DESC: " + "[" * 3000 + "]" * 3000,
    "3,000 mappings deep": "DESC: " + "{a: " * 3000 + "1" + "}" * 3000,
    "3,000 indents deep": "".join(f"{' ' * n}a:\n" for n in range(3000)),
    "100,000 lists deep": "DESC: " + "[" * 100_000,
    "a million keys": "".join(f"K{n}: 1\n" for n in range(200_000)),
    "a number of a million digits": "OPTIM: {MAX_EPOCH: " + "9" * 1_000_000 + "}\n",
    "a text of 50 MB": "DEVICE: '" + "x" * 50_000_000 + "'\n",
    "documents without end": "---\n" * 300_000,
    "a base of itself": "_BASE_: a.yaml\n",
    "bases in a circle": "_BASE_: [b.yaml, b.yaml]\n",
}


def _bases(folder: Path) -> None:
    """Write files that each build twice on the next: 2^25 readings."""
    for number in range(25):
        (folder / f"c{number}.yaml").write_text(f"_BASE_: [c{number + 1}.yaml, c{number + 1}.yaml]\n")
    (folder / "c25.yaml").write_text("DESC: x\nNO_SUCH_KEY: 1\n")


# ---- weights: w.pyth


def _deflated(records: dict[str, tuple[bytes, int]]) -> bytes:
    """Return an archive whose records are a beginning and so many MB of zeros, compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (beginning, zeros_mb) in records.items():
            with archive.open(name, "w", force_zip64=True) as record:
                record.write(beginning)
                for _ in range(zeros_mb):
                    record.write(_ZEROS)
    return file.getvalue()


def _records(state: Any) -> dict[str, bytes]:
    file = io.BytesIO()
    torch.save(state, file)
    with zipfile.ZipFile(file) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def _unpacks_to(size_mb: int) -> Callable[[Path], Any]:
    """Return what writes weights whose one tensor is there in full, compressed."""

    def make(folder: Path) -> None:
        records = _records({"model_state": {"stem.conv.weight": torch.zeros(1, dtype=torch.float32)}})
        pickled = next(name for name in records if name.endswith("data.pkl"))
        data = next(name for name in records if "/data/" in name)
        numbers = size_mb << 18
        content = {name: (value, 0) for name, value in records.items()}
        # The pickle's sizes: one number becomes many, (1,) -> (numbers,).
        changed = records[pickled].replace(b"K\x01tq", b"J" + struct.pack("<i", numbers) + b"tq", 1)
        content[pickled], content[data] = (changed, 0), (b"", size_mb)
        (folder / "w.pyth").write_bytes(_deflated(content))

    return make


def _saved(state: Any) -> Callable[[Path], Any]:
    return lambda folder: torch.save(state() if callable(state) else state, folder / "w.pyth")


def _nested(levels: int) -> bytes:
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def _pickle_in_zip(data: bytes, zeros_mb: int = 0) -> Callable[[Path], Any]:
    return _later(
        lambda: _deflated({"w/data.pkl": (data, zeros_mb), "w/version": (b"3\n", 0), "w/byteorder": (b"little", 0)})
    )


def _later(content: Callable[[], bytes]) -> Callable[[Path], Any]:
    return lambda folder: (folder / "w.pyth").write_bytes(content())


_WEIGHTS: dict[str, Callable[[Path], Any]] = {
    "unpacks to 1.2 GB": _unpacks_to(1200),
    "a pickle that unpacks to 1.2 GB": _pickle_in_zip(b"\x80\x02", 1200),
    "an expanded tensor of 40 GB": _saved({"model_state": {"stem.conv.weight": torch.zeros(1).expand(10**10)}}),
    "expanded tensors": _saved({"model_state": {f"t{n}": torch.zeros(1).expand(10**9) for n in range(50)}}),
    "an expanded stem": _saved({"model_state": {"stem.conv.weight": torch.zeros(1).expand(10**6, 10**4)}}),
    "lists 100,000 deep": _pickle_in_zip(_nested(100_000)),
    "a list of itself": _pickle_in_zip(b"\x80\x02]q\x00h\x00a."),
    "a bare pickle, 100,000 deep": _later(lambda: _nested(100_000)),
    "a pickle of a long text": _later(lambda: b"\x80\x02X" + struct.pack("<I", 2**31 - 1) + b"x."),
    "a pickle that repeats": _later(lambda: b"\x80\x02" + b"]q\x00" + b"(h\x00h\x00h\x00h\x00h\x00le" * 20_000 + b"."),
    "300,000 names": _saved(lambda: {"model_state": {f"n{n}": 0 for n in range(300_000)}}),
    "20,000 empty tensors": _saved(
        lambda: {"model_state": dict.fromkeys((f"n{n}" for n in range(20_000)), torch.zeros(0))}
    ),
    "an archive of 60,000 records": _later(lambda: _deflated({f"w/{n}": (b"", 0) for n in range(60_000)})),
    "an old file that claims much": _later(
        lambda: (
            pickle.dumps(0x1950A86A20F9469CFC6C, 2)
            + pickle.dumps(1001, 2)
            + pickle.dumps({"x": 1}, 2)
            + _nested(20_000)
        )
    ),
}


def _safetensors(header: dict[str, Any] | bytes) -> Callable[[Path], Any]:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return _write("w.safetensors", struct.pack("<Q", len(text)) + text)


_SAFETENSORS = {
    "claims 8 TB": _safetensors({"a": {"dtype": "F32", "shape": [2**41], "data_offsets": [0, 2**43]}}),
    "a shape that overflows": _safetensors({"a": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 0]}}),
    "deep metadata": _safetensors(b'{"a":' * 20_000),
    "a header of 100 MB": _write("w.safetensors", struct.pack("<Q", 100_000_001) + b"{}"),
    "many names": _safetensors(
        {f"n{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
    ),
}

# ---- data sets


def _gz(size_mb: int) -> bytes:
    return gzip.compress(_ZEROS) * size_mb  # members one after the other are one file


def _fashion(folder: Path) -> None:
    (folder / "d").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"d/{name}-ubyte.gz").write_bytes(_gz(1500))


def _cifar(folder: Path) -> None:
    (folder / "d").mkdir()
    for name in ("batches.meta", *(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        (folder / "d" / name).write_bytes(_nested(200_000))


_ARRAYS = {"TRAIN__PCA_STD": None, "TEST__IM_SIZE": None, "DATA_LOADER__NUM_WORKERS": None}


def _array_words(dataset: str, im_size: int) -> str:
    given = words(
        "{here}/out", "{here}/d", TRAIN__DATASET=dataset, TEST__DATASET=dataset, TRAIN__IM_SIZE=im_size, **_ARRAYS
    )
    return " ".join(map(str, given)).replace("[1, 1]", "[1,1]").replace("[8, 16]", "[8,16]").replace("[1, 2]", "[1,2]")


def _tight(given: list[Any]) -> str:
    return " ".join(str(word).replace(", ", ",") for word in given)


# Values and sizes that no memory holds; refused before anything is allocated.
_SIZES: dict[str, tuple[dict[str, Any], str]] = {
    "a huge policy": ({"TRAIN__AUGMENT": "RandAugment_N999999_M9"}, "TRAIN.AUGMENT"),
    "a huge image": ({"TRAIN__IM_SIZE": 1_000_000}, "TRAIN.IM_SIZE"),
    "a huge test image": ({"TEST__IM_SIZE": 1_000_000}, "TEST.IM_SIZE"),
    "a huge prefetch": ({"DATA_LOADER__PREFETCH": 10**8}, "DATA_LOADER.PREFETCH"),
    "many workers": ({"DATA_LOADER__NUM_WORKERS": 10**6}, "DATA_LOADER.NUM_WORKERS"),
    "many processes": ({"NUM_GPUS": 10**6}, "NUM_GPUS"),
    "wide stages": ({"ANYNET__WIDTHS": "[1000000,1000000]"}, "."),
    "a wide stem": ({"ANYNET__STEM_W": 10**6, "ANYNET__WIDTHS": "[100000,100000]"}, "."),
    "deep stages": ({"ANYNET__DEPTHS": "[1000,1000]", "ANYNET__WIDTHS": "[20000,20000]"}, "."),
    "many classes": ({"MODEL__NUM_CLASSES": 10_000_000}, "MODEL.NUM_CLASSES"),
    "a huge batch": ({"TRAIN__BATCH_SIZE": 10_000_000}, "TRAIN.BATCH_SIZE"),
    "huge padding": ({"TRAIN__CROP_PADDING": 10**9}, "TRAIN.CROP_PADDING"),
    "a seed of a thousand digits": ({"RNG_SEED": "9" * 1000}, "RNG_SEED"),
    "many channels": ({"DATA_LOADER__CHANNELS": 10**6}, "DATA_LOADER.CHANNELS"),
}
_PLAIN = "train --cfg a.yaml OUT_DIR {here}/out"

BOMBS = (
    *(Bomb(f"YAML: {title}", _PLAIN, r"yaml", _write("a.yaml", text)) for title, text in _YAMLS.items()),
    Bomb("YAML: bases that multiply", "train --cfg c0.yaml OUT_DIR {here}/out", r"\.yaml", _bases),
    *(
        Bomb(f"test: {title}", f"test {_tight(test_words('{here}/out'))} TEST.WEIGHTS w.pyth", r"w\.pyth", make)
        for title, make in _WEIGHTS.items()
    ),
    *(
        Bomb(f"train: {title}", f"train {_tight(words('{here}/out'))} TRAIN.WEIGHTS w.pyth", r"w\.pyth", make)
        for title, make in _WEIGHTS.items()
    ),
    *(
        Bomb(
            f"safetensors: {title}",
            f"test {_tight(test_words('{here}/out'))} TEST.WEIGHTS w.safetensors",
            r"w\.safetensors",
            make,
        )
        for title, make in _SAFETENSORS.items()
    ),
    Bomb(
        "fashion_mnist: gz of zeros",
        f"train {_array_words('fashion_mnist', 28)} DATA_LOADER.CHANNELS 1",
        "idx",
        _fashion,
    ),
    Bomb("cifar10: deep pickles", f"train {_array_words('cifar10', 32)}", "batch", _cifar),
    *(
        Bomb(f"sizes: {title}", f"train {_tight(words('{here}/out', **keys))}", says, lambda folder: None)
        for title, (keys, says) in _SIZES.items()
    ),
    Bomb(
        "time: a batch that does not fit",
        f"time {_tight(test_words('{here}/out'))} TRAIN.BATCH_SIZE 10000000",
        "BATCH_SIZE",
        lambda folder: None,
    ),
)
