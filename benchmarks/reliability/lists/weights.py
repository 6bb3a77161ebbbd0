"""Files that are no weights, or those of another network."""

import io
import pickle
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save as save_safetensors

from benchmarks.reliability.lists.bad import Bad
from benchmarks.reliability.tiny import test_words, words

if TYPE_CHECKING:
    from benchmarks.reliability.case import Room


def _saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


class _Code:
    def __reduce__(self) -> tuple:
        return print, ("code of a file has run",)


# What stands in w.pyth, whatever it is called.
_FILES: dict[str, bytes] = {
    "nothing": b"",
    "text": b"no weights\n",
    "HTML": b"<html>404</html>",
    "zeros": bytes(5000),
    "a zip of nothing": _zip(),
    "a zip of others": _zip(a=b"x"),
    "half a zip": _saved({"model_state": {}})[:100],
    "a pickle": pickle.dumps({"a": 1}),
    "code": pickle.dumps(_Code()),
    "code in a zip": _saved({"model_state": _Code()}),
    "a number": _saved(3),
    "a list": _saved([1, 2]),
    "a tensor": _saved(torch.zeros(3)),
    "an empty dict": _saved({}),
    "an empty state": _saved({"model_state": {}}),
    "a state of words": _saved({"model_state": {"a": "b"}}),
    "a state that is a list": _saved({"model_state": [torch.zeros(3)]}),
    "numbers for names": _saved({"model_state": {1: torch.zeros(3)}}),
    "others": _saved({"model_state": {"a": torch.zeros(3)}}),
    "no convolutions": _saved({"state_dict": {"fc.weight": torch.zeros(10, 3), "fc.bias": torch.zeros(10)}}),
}
_SAFETENSORS: dict[str, bytes] = {
    "nothing": b"",
    "a length of 2^63": (2**63 - 1).to_bytes(8, "little") + b"{}",
    "no JSON": (2).to_bytes(8, "little") + b"[[",
    "others": save_safetensors({"a": torch.zeros(3)}),
    "half": save_safetensors({"a": torch.zeros(300)})[:-100],
}
_EVALUATION = test_words("{here}/out")
_TRAINING = words("{here}/out")


def _line(command: str, given: list[Any], *more: str) -> str:
    return " ".join([command, *(f"'{word}'" for word in (*given, *more))])


def _changed(change: Callable[[dict[str, Any]], Any]) -> Callable[["Room"], None]:
    """Return what writes the weights of the run, changed, to w.pyth."""

    def make(room: "Room") -> None:
        saved = torch.load(room.fixtures["run"] / "checkpoints/best.pyth", weights_only=True)
        change(saved)
        torch.save(saved, room.folder / "w.pyth")

    return make


def _spoil(saved: dict[str, Any], value: float) -> None:
    for state in (saved["model_state"], saved["ema_state"]):
        state["head.fc.weight"][0, 0] = value


def _without(saved: dict[str, Any], word: str) -> None:
    for part in ("model_state", "ema_state"):
        saved[part] = {name: tensor for name, tensor in saved[part].items() if word not in name}


def _renamed(saved: dict[str, Any]) -> None:
    for part in ("model_state", "ema_state"):
        saved[part] = {name.replace("s1", "stage_one"): tensor for name, tensor in saved[part].items()}


def _wider(saved: dict[str, Any]) -> None:
    for part in ("model_state", "ema_state"):
        saved[part] = {
            name: torch.cat([tensor, tensor]) if tensor.dim() else tensor for name, tensor in saved[part].items()
        }


def _more(saved: dict[str, Any]) -> None:
    for part in ("model_state", "ema_state"):
        saved[part] = saved[part] | {f"s9.conv{number}.weight": torch.zeros(8, 8, 3, 3) for number in range(5)}


def _class_renamed(saved: dict[str, Any]) -> None:
    saved["classes"] = ["zero", *saved["classes"][1:]]


# Changed weights of the run, which an evaluation must refuse.
_CHANGES: tuple[tuple[str, Callable[[dict[str, Any]], Any], str], ...] = (
    ("NaN", lambda saved: _spoil(saved, float("nan")), "NaN|finite|nan"),
    ("Inf", lambda saved: _spoil(saved, float("inf")), "Inf|finite|inf"),
    ("no stem", lambda saved: _without(saved, "stem"), "stem"),
    ("no head", lambda saved: _without(saved, "head"), "head"),
    ("no statistics", lambda saved: _without(saved, "running_mean"), "running_mean"),
    ("other names", _renamed, "s1|stage_one|tensors"),
    ("other shapes", _wider, "size|shape|tensors"),
    ("more layers", _more, "s9"),
    ("a class renamed", _class_renamed, "zero"),
    ("fewer classes", lambda saved: saved.update(classes=saved["classes"][:-1]), "class"),
    ("classes of numbers", lambda saved: saved.update(classes=[1, 2, 3]), "class"),
    ("classes of a word", lambda saved: saved.update(classes="abc"), "class"),
    ("pixels of a list", lambda saved: saved.update(pixels=[1]), "pixels"),
    ("a config of nonsense", lambda saved: saved.update(cfg="]["), "cfg|config|YAML"),
    ("a config of numbers", lambda saved: saved.update(cfg=3), "cfg|config"),
    (
        "another network's config",
        lambda saved: saved.update(cfg=saved["cfg"].replace("EPS: 1.0e-05", "EPS: 0.01", 1)),
        "BN.EPS",
    ),
    (
        "complex numbers",
        lambda saved: saved["model_state"].update({"head.fc.weight": torch.zeros(10, 16, dtype=torch.complex64)}),
        "head.fc.weight|complex|dtype",
    ),
    (
        "a sparse tensor",
        lambda saved: saved["model_state"].update({"head.fc.weight": torch.zeros(10, 16).to_sparse()}),
        "head.fc.weight|sparse|readable",
    ),
)
# Addresses and names that cannot be.
_NAMES = (
    ("NoSuchNet-1GF", "NoSuchNet-1GF"),
    ("RegNetX-401MF", "RegNetX-400MF"),
    ("http://", "http"),
    ("http://[::1/x.pyth", "http"),
    ("http://127.0.0.1:99999999/x.pyth", "99999999"),
    ("http://127.0.0.1:x/y.pyth", "127"),
    ("https://user:secret@/x.pyth", "(?!.*secret)http"),
    ("ftp://127.0.0.1/x.pyth", "ftp"),
    ("file:///etc/passwd", "passwd"),
    ("data:,x", "data"),
    ("{data}", "data"),
    ("{data}/val/0/16.png", r"16\.png"),
    ("/dev/null", "null"),
    ("/proc/self/mem", "mem"),
    ("x" * 5000, "x{20}"),
    ("a\x1b[31m.pyth", r"\.pyth"),
    ("$NO_SUCH_VARIABLE/x.pyth", "NO_SUCH_VARIABLE"),
    ("~no_such_user/x.pyth", "no_such_user"),
)

BAD = (
    *(
        Bad(_line("test", _EVALUATION, "TEST.WEIGHTS", "w.pyth"), r"w\.pyth", {"w.pyth": data}, name=f"test: {name}")
        for name, data in _FILES.items()
    ),
    *(
        Bad(_line("train", _TRAINING, "TRAIN.WEIGHTS", "w.pyth"), r"w\.pyth", {"w.pyth": data}, name=f"train: {name}")
        for name, data in _FILES.items()
    ),
    *(
        Bad("predict {data}/val/0/16.png --weights w.pyth", r"w\.pyth", {"w.pyth": data}, name=f"predict: {name}")
        for name, data in _FILES.items()
    ),
    *(
        Bad("convert w.pyth x.safetensors --to safetensors", r"w\.pyth", {"w.pyth": data}, name=f"convert: {name}")
        for name, data in list(_FILES.items())[:15]
    ),
    *(
        Bad(
            _line("test", _EVALUATION, "TEST.WEIGHTS", "w.safetensors"),
            r"w\.safetensors",
            {"w.safetensors": data},
            name=f"safetensors: {name}",
        )
        for name, data in _SAFETENSORS.items()
    ),
    *(
        Bad(
            _line("test", _EVALUATION, "TEST.WEIGHTS", "w.pyth"),
            says,
            make=_changed(change),
            needs=("run",),
            name=f"test: changed: {name}",
        )
        for name, change, says in _CHANGES
    ),
    *(
        Bad(_line("test", _EVALUATION, "TEST.WEIGHTS", name), says, name=f"test: weights {name[:60]!r}")
        for name, says in _NAMES
    ),
    *(
        Bad(_line("train", _TRAINING, "TRAIN.WEIGHTS", name), says, name=f"train: weights {name[:60]!r}")
        for name, says in _NAMES
    ),
)
