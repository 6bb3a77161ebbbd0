"""Folders of runs in which something is odd; what was saved must stay as it is."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.reliability.case import copy
from benchmarks.reliability.lists.bad import Bad
from benchmarks.reliability.tiny import test_words, words

if TYPE_CHECKING:
    from benchmarks.reliability.case import Room

Change = Callable[[Path], Any]


def _line(command: str, given: list[Any]) -> str:
    return " ".join([command, *(f"'{word}'" for word in given)])


def _each_state(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return what changes every checkpoint of a run, so that there is none to fall back to."""

    def act(run: Path) -> None:
        for path in list((run / "checkpoints").iterdir()):
            saved = torch.load(path, weights_only=True)
            change(saved)
            path.unlink()
            torch.save(saved, path)

    return act


def _lacking(part: str) -> Change:
    return _each_state(lambda saved: saved.pop(part))


def _having(**parts: Any) -> Change:
    return _each_state(lambda saved: saved.update(parts))


def _reshape_momentum(saved: dict[str, Any]) -> None:
    entries = saved["optimizer_state"]["state"]
    saved["optimizer_state"]["state"] = {
        number: {
            name: torch.zeros(3) if torch.is_tensor(value) and value.dim() else value for name, value in entry.items()
        }
        for number, entry in entries.items()
    }


def _other_dtype(saved: dict[str, Any]) -> None:
    for entry in saved["optimizer_state"]["state"].values():
        for name, value in entry.items():
            if torch.is_tensor(value) and value.dim():
                entry[name] = torch.zeros(value.shape, dtype=torch.int64)


def _one_group_more(saved: dict[str, Any]) -> None:
    groups = saved["optimizer_state"]["param_groups"]
    groups.append(dict(groups[0]))


def _all_checkpoints(act: Callable[[Path], Any]) -> Change:
    return lambda run: [act(path) for path in list((run / "checkpoints").iterdir())]


def _to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# What is done to a run of one epoch that is to go on to a third, and what the line must name.
_RESUMED: tuple[tuple[str, Change, str], ...] = (
    ("all cut", _all_checkpoints(lambda path: path.write_bytes(path.read_bytes()[:1000])), "checkpoints"),
    ("all empty", _all_checkpoints(lambda path: path.write_bytes(b"")), "checkpoints"),
    ("all text", _all_checkpoints(lambda path: path.write_text("x" * 1000)), "checkpoints"),
    ("all folders", _all_checkpoints(_to_folder), "checkpoints"),
    (
        "all links to nothing",
        _all_checkpoints(lambda path: path.unlink() or path.symlink_to("none")),
        "checkpoints|pyth",
    ),
    (
        "all links to themselves",
        _all_checkpoints(lambda path: path.unlink() or path.symlink_to(path)),
        "checkpoints|pyth",
    ),
    ("all pipes", _all_checkpoints(lambda path: path.unlink() or os.mkfifo(path)), "checkpoints|pyth"),
    (
        "checkpoints is a file",
        lambda run: shutil.rmtree(run / "checkpoints") or (run / "checkpoints").write_text("x"),
        "checkpoints",
    ),
    *(
        (f"no {part}", _lacking(part), rf"pyth.*{part}|checkpoints")
        for part in (
            "model_state",
            "ema_state",
            "optimizer_state",
            "scaler_state",
            "position",
            "meter",
            "cfg",
            "classes",
            "pixels",
            "best_err",
        )
    ),
    *(
        (f"{part} a word", _having(**{part: "x"}), rf"pyth.*{part}|checkpoints")
        for part in (
            "model_state",
            "ema_state",
            "optimizer_state",
            "position",
            "meter",
            "classes",
            "pixels",
            "best_err",
            "data",
        )
    ),
    ("position of words", _having(position={"epoch": "one", "step": "two"}), "position"),
    ("position behind the end", _having(position={"epoch": 0, "step": 9999}), "position|step"),
    ("negative position", _having(position={"epoch": -1, "step": -5}), "position|epoch|step"),
    ("position of fractions", _having(position={"epoch": 0.5, "step": 0.5}), "position"),
    ("a huge position", _having(position={"epoch": 10**30, "step": 0}), "position|epoch"),
    ("cfg of nonsense", _having(cfg="]["), "cfg|config|YAML|pyth"),
    ("cfg of a list", _having(cfg="[1, 2]"), "cfg|config|pyth"),
    ("momentum of another shape", _each_state(_reshape_momentum), "optimizer"),
    ("momentum of another type", _each_state(_other_dtype), "optimizer"),
    ("one more group", _each_state(_one_group_more), "optimizer"),
    ("no groups", _each_state(lambda saved: saved["optimizer_state"].update(param_groups=[])), "optimizer"),
    (
        "weights of another shape",
        _each_state(lambda saved: saved["model_state"].update({"head.fc.weight": torch.zeros(3, 3)})),
        "head.fc.weight|model_state",
    ),
    (
        "EMA of another shape",
        _each_state(lambda saved: saved["ema_state"].update({"head.fc.weight": torch.zeros(3, 3)})),
        "head.fc.weight|ema_state",
    ),
    (
        "weights lacking",
        _each_state(lambda saved: saved["model_state"].pop("head.fc.weight")),
        "head.fc.weight|model_state",
    ),
    ("other classes", _having(classes=[f"c{n}" for n in range(10)]), "c0|class"),
    ("log a folder", lambda run: _to_folder(run / "stdout.log"), r"stdout\.log"),
    ("lock a folder", lambda run: _to_folder(run / ".lock"), r"\.lock"),
)
# Other settings than the run in OUT_DIR had.
_OTHER: tuple[tuple[dict[str, Any], str], ...] = (
    ({"ANYNET__STEM_W": 16}, r"ANYNET\.STEM_W"),
    ({"ANYNET__WIDTHS": "[8, 24]"}, r"ANYNET\.WIDTHS"),
    ({"BN__EPS": 1e-3}, r"BN\.EPS"),
    ({"RNG_SEED": 7}, "RNG_SEED"),
    ({"TRAIN__BATCH_SIZE": 32}, r"TRAIN\.BATCH_SIZE"),
    ({"TRAIN__IM_SIZE": 16}, r"TRAIN\.IM_SIZE"),
    ({"OPTIM__OPTIMIZER": "adam"}, r"OPTIM\.OPTIMIZER"),
    ({"TRAIN__AUTO_RESUME": False}, "already holds a run"),
    ({"OPTIM__MAX_EPOCH": 1}, r"OPTIM\.MAX_EPOCH"),
    ({"OPTIM__BASE_LR": 0.9, "OPTIM__MAX_EPOCH": 2}, r"OPTIM\.BASE_LR"),
    ({"OPTIM__EMA_UPDATE_PERIOD": 4, "MODEL__HEAD": "introspective", "OPTIM__MAX_EPOCH": 3}, r"MODEL\.HEAD"),
)
# Folders that cannot be written to; {here} is the case's folder.
_OUT_DIRS: tuple[tuple[str, Change | None, str], ...] = (
    ("{here}/file", lambda here: (here / "file").write_text("x"), "OUT_DIR"),
    ("{here}/file/below", lambda here: (here / "file").write_text("x"), "OUT_DIR"),
    ("{here}/loop", lambda here: (here / "loop").symlink_to("loop"), "OUT_DIR"),
    ("{here}/nowhere", lambda here: (here / "nowhere").symlink_to("none/none"), "OUT_DIR"),
    ("{here}/" + "x" * 300, None, "OUT_DIR"),
    ("{here}/" + "x/" * 2500, None, "OUT_DIR"),
    ("/proc/nothing", None, "OUT_DIR"),
    ("/sys/nothing", None, "OUT_DIR"),
    ("/dev/null", None, "OUT_DIR"),
    ("$NO_SUCH_VARIABLE", None, "OUT_DIR"),
    ("~no_such_user/x", None, "OUT_DIR|no_such_user"),
)


def _resumed(change: Change) -> Callable[["Room"], None]:
    return lambda room: change(copy(room.fixtures["run"], room.folder / "run"))


BAD = (
    *(
        Bad(
            _line("train", words("{here}/run", OPTIM__MAX_EPOCH=3)),
            says,
            make=_resumed(change),
            needs=("run",),
            name=f"resume: {name}",
        )
        for name, change, says in _RESUMED
    ),
    *(
        Bad(
            _line("train", words("{here}/run", **keys)),
            says,
            make=_resumed(lambda run: None),
            needs=("run",),
            name=f"other settings: {keys}",
        )
        for keys, says in _OTHER
    ),
    *(
        Bad(
            _line(command, given),
            says,
            make=(lambda room, change=change: change(room.folder)) if change else None,
            needs=("run",),
            name=f"{command}: OUT_DIR {out_dir[:40]}",
        )
        for out_dir, change, says in _OUT_DIRS
        for command, given in (("train", words(out_dir)), ("test", [*test_words(out_dir), "TEST.WEIGHTS", "{run}"]))
    ),
    Bad(
        _line("test", test_words("{here}/run")),
        "best|checkpoint",
        make=_resumed(lambda run: [p.write_bytes(b"x") for p in (run / "checkpoints").iterdir()]),
        needs=("run",),
        name="test: all checkpoints damaged",
    ),
    Bad(
        _line("test", [*test_words("{here}/run"), "TEST.WEIGHTS", "{run}"]),
        "OUT_DIR",
        make=_resumed(lambda run: None),
        needs=("run",),
        name="test: OUT_DIR of another run",
    ),
)
