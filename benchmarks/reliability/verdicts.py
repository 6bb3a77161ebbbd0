"""What a program must do: refuse in one line, lose nothing, end with the same bits."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability.case import Failed
from benchmarks.reliability.processes.command import Ended

BAD_INPUT, STOPPED, INTERRUPTED = 2, 75, 130
# The parts of a checkpoint that must be the same, bit for bit; cfg names OUT_DIR.
_STATE = ("position", "epoch", "model_state", "ema_state", "optimizer_state", "scaler_state", "meter")
_STATE += ("test_err", "test_loss", "ema_err", "ema_loss", "best_err", "best_loss", "classes", "pixels")
# What records hold that depends on speed, or on where a run was cut.
_TIMED = {"time_avg", "time_diff", "time_epoch", "eta", "mem", "images_per_sec", "data_wait_pct"}
_SAID = re.compile(r"^Epoch (\d+/\d+): (train|test)\b", re.MULTILINE)


def check(right: bool, words: str) -> None:
    """Raise Failed unless something is so."""
    if not right:
        raise Failed(words)


def check_done(ended: Ended, code: int = 0) -> None:
    """Raise Failed unless a command ended with a code, in time and without a traceback."""
    check(not ended.late, f"had to be killed after {ended.seconds:.0f} s")
    check("Traceback" not in ended.err + ended.out, f"a traceback: {ended.told()}")
    check(ended.code == code, f"expected exit code {code}, got {ended.told()}")


def check_refused(ended: Ended, pattern: str) -> None:
    """Raise Failed unless a command ended as bad input must: exit code 2 and one line, which names what is wrong."""
    check_done(ended, BAD_INPUT)
    check_one_line(ended, pattern)


def check_one_line(ended: Ended, pattern: str) -> None:
    """Raise Failed unless all that stands in the standard error, besides warnings, is one line with a pattern."""
    lines = [line for line in ended.err.splitlines() if line.strip() and not is_remark(line)]
    check(len(lines) == 1, f"expected one line, got {len(lines)}: {ended.told()}")
    check("error: " in lines[0], f"no 'error:' in {lines[0][:300]!r}")
    check(re.search(pattern, lines[0]) is not None, f"expected {pattern!r} in {lines[0][:500]!r}")
    check(len(lines[0]) < 8000, f"a line of {len(lines[0])} characters")
    odd = sorted({character for character in lines[0] if not character.isprintable()})
    check(not odd, f"control characters in the line: {odd}")


def is_remark(line: str) -> bool:
    """Tell whether a line of the standard error is no error: a warning, or which shipped file is taken."""
    return line.startswith("warning: ") or "is not in this folder: the shipped" in line or "is taken, " in line


def difference(found: Any, expected: Any, place: str = "") -> str:
    """Return where nested tensors and plain values differ, bit for bit; "" if they do not."""
    if isinstance(expected, torch.Tensor):
        alike = isinstance(found, torch.Tensor) and found.dtype == expected.dtype and found.shape == expected.shape
        return "" if alike and _bytes(found) == _bytes(expected) else place
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        inner = (difference(found[key], expected[key], f"{place}/{key}") for key in expected)
        return next(filter(None, inner), "")
    if isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        return next(filter(None, (difference(*pair, f"{place}/{number}") for number, pair in pairs)), "")
    return "" if type(found) is type(expected) and repr(found) == repr(expected) else place or "/"


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


def state(path: Path) -> dict[str, Any]:
    """Return the parts of a checkpoint that must be the same, read by torch alone."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return {name: saved.get(name) for name in _STATE}


def check_same_state(found: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    """Raise Failed unless two states of a run have the same bits."""
    other = [place for name in expected if (place := difference(found.get(name), expected[name], name))]
    check(not other, f"{what}: other bits in {', '.join(other)}")


def records(out_dir: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl."""
    return [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]


def check_same_run(out_dir: Path, reference: Path) -> None:
    """Raise Failed unless a run ended as the undisturbed one did: weights, records and log."""
    last = Path("checkpoints/last.pyth")
    check_same_state(state(out_dir / last), state(reference / last), "last.pyth")
    check(not list(out_dir.glob("checkpoints/.*")), f"half-written files: {list(out_dir.glob('checkpoints/.*'))}")
    check(not (out_dir / "unfinished").exists(), "the run is done, and its folder says that it is not")
    found, expected = records(out_dir), records(reference)
    keys = Counter((record["_type"], record["epoch"], record.get("iter")) for record in found)
    twice = [key for key, count in keys.items() if count > 1]
    check(not twice, f"metrics.jsonl has records twice: {twice[:3]}")
    check(_figures(found) == _figures(expected), "metrics.jsonl has other records than the undisturbed run's")
    steps = {key for key in keys if key[0] == "train_iter"}
    lacking = [key for record in expected if (key := _last_window(record)) and key not in steps]
    check(not lacking, f"metrics.jsonl lacks {lacking[:3]}")
    said = Counter(_SAID.findall((out_dir / "stdout.log").read_text()))
    expected_said = Counter(_SAID.findall((reference / "stdout.log").read_text()))
    again = expected[-1]["epoch"], "test"  # a finished run that is started again says its figures once more
    said[again] = min(said[again], expected_said[again])
    check(said == expected_said, f"stdout.log says of epochs {dict(said - expected_said or expected_said - said)}")


def _figures(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of whole epochs without what depends on speed."""
    return [{k: v for k, v in line.items() if k not in _TIMED} for line in lines if line["_type"] != "train_iter"]


def _last_window(record: dict[str, Any]) -> tuple | None:
    """Return the key of a record of an epoch's last steps; others are cut where the run was."""
    if record["_type"] != "train_iter" or len(set(record["iter"].split("/"))) != 1:
        return None
    return record["_type"], record["epoch"], record["iter"]
