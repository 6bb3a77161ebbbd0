"""Values and files that nobody should be able to stop a machine with, or learn a password from: data, no program.

`key_attacks()` yields (KEY, text) for all keys; each either works or is refused by one line that names the key.
"""

import gzip
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pycls.core.config.defaults import declared_keys
from pycls.core.config.key import Key

_ODD = (
    "",
    " ",
    "-0",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1e999",
    "0x10",
    "1_000",
    "1e3",
    "None",
    "[]",
    "{}",
    "()",
    "True",
)
_WHOLE = (
    "-1",
    "0",
    "1",
    "999999",
    "1000000",
    "100000000",
    "1000000000000",
    str(2**63 - 1),
    str(2**63),
    "10**10",
    "9" * 400,
    "9" * 5000,
    "0x" + "f" * 20_000,
    "1.5",
)
_REAL = ("-1", "0", "1", "1e-300", "5e-324", "0.999999999", "1e30", "1e300", "1e308", "9" * 400, "9" * 5000, "1.5")
_TEXTS = (
    "x" * 100_000,
    "../../../../etc/passwd",
    "/dev/zero",
    "/dev/full",
    "/proc/self/mem",
    "a\nb",
    "a\x1b[31mb",
    "a\0b",
    "%s%n{0}$HOME",
    "~nobody_like_this/x",
    "RandAugment_N999999_M9",
    "RandAugment_N2_M999999999999",
    f"RandAugment_N{'9' * 5000}_M9",
    "d1e999_w1",
    "d" * 10_000,
    "http://user:secret@127.0.0.1:9/x.pyth",
    "http://[::1/x.pyth",
    "cuda:999999999",
    "((((((" * 2000,
    "-" * 20_000 + "1",
    "9" * 5000,
)
_LISTS = (
    "[]",
    "[-1]",
    "[0]",
    "[1000000]",
    "[1000000, 1000000, 1000000, 1000000]",
    "[1000, 1000, 1000, 1000]",
    "[1e999]",
    "[nan]",
    "[inf, inf]",
    "[0x" + "f" * 10_000 + "]",
    "[" + "9" * 5000 + "]",
    "[" + "9" * 400 + "]",
    "[" + "1," * 50_000 + "1]",
    "[" * 500 + "]" * 500,
    "[" * 50_000,
    "[[1, 1000000], [1000000, 1000000]]",
    "[[0, 64], [1, 64], [2, 999999]]",
    "[True, False]",
    "['" + "x" * 50_000 + "']",
)


def values_for(row: Key) -> tuple[str, ...]:
    """Return extreme texts for a key, by the type of its default."""
    own = {bool: (), int: _WHOLE, float: _REAL, str: _TEXTS, list: _LISTS}[type(row.default)]
    pairs = ("[999999, 1]", "[1, 16384]", "[-1, -1]", "[1, 2, 3]") if row.may_be_pair else ()
    bounds = (row.at_least, row.above, row.at_most, row.below)
    ends = tuple(str(bound) for bound in bounds if bound is not None and not isinstance(row.default, list))
    return (*_ODD, *own, *pairs, *ends)


def key_attacks() -> Iterator[tuple[str, str]]:
    """Yield (KEY, text) for every key and each of its extreme values."""
    for key, row in declared_keys(outside=False).items():
        for text in dict.fromkeys(values_for(row)):
            yield key, text


# ---- whole commands


@dataclass(frozen=True)
class Attack:
    """A command that would take all memory or time, or show what is secret; it has to end in one line, exit code 2."""

    name: str
    kind: str
    tool: str  # a file of tools/
    make: Callable[[Path], list[str]]  # writes what it needs into an empty folder, and returns the words
    says: str  # a pattern of the line


def _yaml(name: str, text: str | bytes, says: str, kind: str = "YAML") -> Attack:
    def make(folder: Path) -> list[str]:
        file = folder / "bomb.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return ["--cfg", str(file)]

    return Attack(name, kind, "train_net.py", make, says)


def _words(name: str, kind: str, words: str, says: str, tool: str = "train_net.py") -> Attack:
    def make(folder: Path) -> list[str]:
        return [*["--cfg", _DIGITS], "OUT_DIR", str(folder / "run"), *words.split()]

    return Attack(name, kind, tool, make, says)


def _data(name: str, dataset: str, write: Callable[[Path], Path], says: str) -> Attack:
    def make(folder: Path) -> list[str]:
        data = write(folder)
        words = {"MODEL.TYPE": "anynet", "MODEL.NUM_CLASSES": "0", "TRAIN.DATASET": dataset, "TEST.DATASET": dataset}
        words |= {"DATA_DIR": str(data), "TRAIN.IM_SIZE": _SIDES_PX[dataset], "OUT_DIR": str(folder / "run")}
        return [word for pair in (words | _ANYNET).items() for word in pair]

    return Attack(name, "data", "train_net.py", make, says)


_SIDES_PX = {"fashion_mnist": "28", "cifar10": "32", "imagenet": "32"}
_DIGITS = str(Path(__file__).parents[3] / "configs/quickstart/digits.yaml")
_ANYNET = {
    "ANYNET.STEM_TYPE": "res_stem_cifar",
    "ANYNET.BLOCK_TYPE": "res_basic_block",
    "ANYNET.DEPTHS": "[1, 1]",
    "ANYNET.WIDTHS": "[8, 16]",
    "ANYNET.STRIDES": "[1, 2]",
}
_NET = " ".join(f"{key} {value.replace(' ', '')}" for key, value in _ANYNET.items()) + " MODEL.TYPE anynet"


def _laughs(levels: int = 9, width: int = 9) -> str:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"OPTIM:\n  STEPS: *a{levels - 1}"])


def _laughing_sections() -> str:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    for n in range(1, 9):
        lines.append(f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}")
    return "\n".join(lines)


def _special(name: str, path: str, says: str) -> Attack:
    return Attack(name, "YAML", "train_net.py", lambda folder: ["--cfg", path], says)


def _fifo(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe.yaml")
    return ["--cfg", str(folder / "pipe.yaml")]


def _bases(folder: Path, depth: int, width: int) -> list[str]:
    for number in range(depth):
        bases = ", ".join([f"b{number + 1}.yaml"] * width)
        (folder / f"b{number}.yaml").write_text(f"_BASE_: [{bases}]\nRNG_SEED: 1\n")
    (folder / f"b{depth}.yaml").write_text("RNG_SEED: 2\n")
    return ["--cfg", str(folder / "b0.yaml")]


def _base_loop(folder: Path) -> list[str]:
    (folder / "a.yaml").write_text("_BASE_: b.yaml\n")
    (folder / "b.yaml").write_text("_BASE_: a.yaml\n")
    return ["--cfg", str(folder / "a.yaml")]


def _sparse(folder: Path, name: str, size: int, head: bytes = b"") -> Path:
    with (folder / name).open("wb") as file:
        file.write(head)
        file.truncate(size)
    return folder / name


def _huge_yaml(folder: Path) -> list[str]:
    return ["--cfg", str(_sparse(folder, "huge.yaml", 50 * 10**9))]


def _fashion(head: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        for prefix in ("train", "t10k"):
            body = gzip.compress(head) + gzip.compress(bytes(1 << 20)) * 2000  # two gigabytes of zeros
            (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(body)
            (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(body)
        return folder

    return write


def _cifar(pickled: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
            (folder / name).write_bytes(pickled)
        return folder

    return write


def _csv_line(folder: Path) -> Path:
    return _sparse(folder, "list.csv", 50 * 10**9, b"path,label,split\n")


def _csv_quote(folder: Path) -> Path:
    (folder / "list.csv").write_text('path,label,split\n"' + "x\n" * 3_000_000)
    return folder / "list.csv"


def _class_folders(folder: Path) -> Path:
    for split in ("train", "val"):
        for name in "ab":
            (folder / split / name).mkdir(parents=True)
            (folder / split / name / "x.png").write_bytes(b"x")
    return folder


def _classes(folder: Path, file: str) -> list[str]:
    base = _data("", "imagenet", _class_folders, "").make(folder)
    return [*base, "DATA.CLASSES", file]


def _pax_tar(folder: Path) -> Path:
    """Write a tar of 512 bytes and a hole, whose first header says that its attributes take 20 GB."""
    import tarfile

    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 20 * 10**9
    (folder / "train").mkdir()
    return _sparse(folder / "train", "x-0.tar", 20 * 10**9 + 2048, info.tobuf(tarfile.GNU_FORMAT)).parents[1]


def _sparse_tar(folder: Path) -> Path:
    """Write a tar of a few kilobytes with a member that is a hole of a terabyte."""
    import io
    import tarfile

    (folder / "train").mkdir()
    headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(10**12),
        "GNU.sparse.map": "0,1",
    }
    with tarfile.open(folder / "train" / "x-0.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.cls")
        info.size, info.pax_headers = 1, headers
        tar.addfile(info, io.BytesIO(b"1"))
    return folder


def _long_array(shape: int) -> bytes:
    number = b"\x8a\x08" + struct.pack("<q", shape)
    return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number + b"tU\x01btR."


ATTACKS = (
    _yaml("billion laughs", _laughs(), "more than 200,000 values"),
    _yaml("laughs in sections", _laughing_sections(), "more than 200,000 values"),
    _yaml("alias of itself", "OPTIM: &a\n  STEPS: *a\n", "an alias .* stands in"),
    _yaml("list in itself", "OPTIM:\n  STEPS: &a [*a]\n", "an alias .* stands in"),
    _yaml("3,000 lists deep", "OPTIM: {STEPS: " + "[" * 3000 + "]" * 3000 + "}", "levels deep"),
    _yaml("100,000 lists deep", "OPTIM: {STEPS: " + "[" * 100_000, "levels deep"),
    _yaml("3,000 sections deep", "{a: " * 3000 + "}" * 3000, "levels deep"),
    _yaml("chain of aliases", _laughs(2000, 1), "levels deep"),
    _yaml("a million values", "OPTIM: {STEPS: [" + "0, " * 600_000 + "0]}", "more than 200,000 values"),
    _yaml("a key of a megabyte", "x" * 1_000_000 + ": 1", "not valid YAML|unknown key"),
    _yaml("a value of a megabyte", "DESC: x\nMODEL:\n  TYPE: " + "x" * 1_000_000, "unknown choice"),
    _yaml("python object", "MODEL: {TYPE: !!python/object/apply:os.system [true]}", "YAML tag"),
    _yaml("python name", "MODEL: {TYPE: !!python/name:os.system }", "YAML tag"),
    _yaml("merge key", "A: &a {TYPE: resnet}\nMODEL:\n  <<: *a\n", "merge keys|unknown key"),
    _yaml("a key twice", "RNG_SEED: 1\nRNG_SEED: 2\n", "is set twice"),
    _yaml("a list as key", "? [MODEL, TYPE]\n: 1\n", "expected a key"),
    _yaml("a number of 5,000 digits", "RNG_SEED: " + "9" * 5000, "RNG_SEED"),
    _yaml("a number of 100,000 hexadecimals", "OPTIM: {STEPS: [0x" + "f" * 100_000 + "]}", "OPTIM.STEPS"),
    _yaml("bytes that are no text", b"\xff\xfe" * 1000, "not a text file in UTF-8"),
    _yaml("zeros", bytes(1000), "not valid YAML"),
    _yaml("parentheses", "OPTIM: {STEPS: '" + "(" * 100_000 + "'}", "OPTIM.STEPS"),
    _special("config is /dev/zero", "/dev/zero", "a device"),
    _special("config is a folder", "/", "is a folder"),
    _special("config is a terminal", "/dev/tty", "a device|no such config"),
    Attack("config is a pipe", "YAML", "train_net.py", _fifo, "a pipe"),
    Attack("config of 50 GB", "YAML", "train_net.py", _huge_yaml, "more than 2,000,000 bytes"),
    Attack("bases in a loop", "YAML", "train_net.py", _base_loop, "leads back"),
    Attack("bases that double 30 times", "YAML", "train_net.py", lambda f: _bases(f, 30, 2), "more than 100 files"),
    Attack("5,000 bases", "YAML", "train_net.py", lambda f: _bases(f, 5000, 1), "more than 100 files"),
    _data("gz of zeros", "fashion_mnist", _fashion(b""), "not a complete IDX file"),
    _data("gz that claims 10^6 images", "fashion_mnist", _fashion(b"\0\0\x08\3" + struct.pack(">3I", 10**6, 28, 28)),
          "claims to hold"),
    _data("gz of 255 dimensions", "fashion_mnist", _fashion(b"\0\0\x08\xff" + b"\xff" * 1020), "claims to hold"),
    _data("pickle that claims 10^12 bytes", "cifar10", _cifar(_long_array(10**12)), "data_batch_1|batches.meta"),
    _data("pickle with a memo of 2^31", "cifar10", _cifar(b"\x80\x02]r\xff\xff\xff\x7f."), "data_batch_1|batches.meta"),
    _data("pickle that runs code", "cifar10", _cifar(b"cposix\nsystem\n(U\x04truetR."), "refused"),
    _data("list with a line of 50 GB", "imagenet", _csv_line, "longer than 1,000,000"),
    _data("list with an open quote", "imagenet", _csv_quote, "field larger|longer than"),
    _data("tar with a header of 20 GB", "imagenet", _pax_tar, "a header of"),
    _data("tar with a hole of 1 TB", "imagenet", _sparse_tar, "sparse"),
    Attack("class file /dev/zero", "data", "train_net.py", lambda f: _classes(f, "/dev/zero"), "a device"),
    Attack("class file of 50 GB", "data", "train_net.py",
           lambda f: _classes(f, str(_sparse(f, "classes.txt", 50 * 10**9))), "more than 10,000,000 bytes"),
    _words("10^7 classes", "size", f"{_NET} ANYNET.HEAD_W 2048 MODEL.NUM_CLASSES 10000000", "GB of weights|classes"),
    _words("10^10 classes", "size", "MODEL.NUM_CLASSES 10000000000", "MODEL.NUM_CLASSES must be"),
    _words("widths of 10^6", "size", f"{_NET} ANYNET.WIDTHS [1000000,1000000]", "GB of weights"),
    _words("depths of 1,000", "size", f"{_NET} ANYNET.DEPTHS [1000,1000,1000,1000] ANYNET.WIDTHS [8,8,8,8] "
           "ANYNET.STRIDES [1,1,1,1]", "more than 10,000 tensors"),
    _words("a thousand stages", "size", f"{_NET} ANYNET.DEPTHS [{'1000,' * 999}1000] ANYNET.WIDTHS [{'8,' * 999}8] "
           f"ANYNET.STRIDES [{'1,' * 999}1]", "more than 10,000 tensors|ANYNET"),
    _words("depth of 9,998", "size", "MODEL.TYPE resnet MODEL.DEPTH 9998", "more than 10,000 tensors"),
    _words("wide transformer", "size", "MODEL.TYPE vit TRAIN.IM_SIZE 32 TEST.IM_SIZE 32 VIT.HIDDEN_DIM 999996 "
           "VIT.MLP_DIM 1000000", "GB of weights"),
    _words("wide head of IDML", "size", f"{_NET} MODEL.HEAD introspective IDML.WIDTH 65536 ANYNET.HEAD_W 1000000",
           "GB of weights"),
    _words("wide pyramid", "size", "MODEL.TYPE pyramidnet MODEL.DEPTH 110 PYRAMIDNET.ALPHA 1000000", "GB"),
    _words("squares of 1,000,000 px", "size", "TRAIN.IM_SIZE 1000000", "TRAIN.IM_SIZE must be"),
    _words("squares of 16,384 px", "size", f"{_NET} TRAIN.IM_SIZE 16384 TEST.IM_SIZE 16384", "GB"),
    _words("batches ahead: 10^8", "size", "DATA_LOADER.PREFETCH 100000000", "DATA_LOADER.PREFETCH must be"),
    _words("workers: 10^6", "size", "DATA_LOADER.NUM_WORKERS 1000000", "DATA_LOADER.NUM_WORKERS must be"),
    _words("a batch of 10^12", "size", "TRAIN.BATCH_SIZE 1000000000000", "TRAIN.BATCH_SIZE must be"),
    _words("10^18 epochs", "size", "OPTIM.MAX_EPOCH 1000000000000000000", "OPTIM.MAX_EPOCH must be"),
    _words("RandAugment_N999999", "size", "TRAIN.AUGMENT RandAugment_N999999_M9", "N in"),
    _words("RandAugment of 5,000 digits", "size", f"TRAIN.AUGMENT RandAugment_N{'9' * 5000}_M9", "N in"),
    _words("a log period of 0", "size", "LOG_PERIOD 0", "LOG_PERIOD must be"),
    _words("a seed of 2^63", "size", "RNG_SEED 9223372036854775808", "RNG_SEED must be"),
    _words("timing 10^7 images", "size", f"{_NET} TRAIN.BATCH_SIZE 10000000 TEST.BATCH_SIZE 10000000", "fit",
           tool="time_net.py"),
    _words("password in weights", "secret", "TRAIN.WEIGHTS http://user:se-cret@127.0.0.1:9/", r"http://\*\*\*@"),
    _words("token in weights", "secret", "TRAIN.WEIGHTS http://127.0.0.1:x9/a.pyth?token=se-cret", r"token=\*\*\*"),
    _words("password beside an odd host", "secret", "TRAIN.WEIGHTS http://user:se-cret@[::1/a.pyth", r"\*\*\*"),
    _words("password for another scheme", "secret", "TRAIN.WEIGHTS ftp://user:se-cret@host/a.pyth", r"\*\*\*"),
)  # fmt: skip
