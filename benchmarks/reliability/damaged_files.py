"""Damaged files: a run goes on from the checkpoint before or the same bits; figures are the same, or there are none."""

import functools
import importlib
import io
import json
import os
import random
import shutil
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability import kills
from benchmarks.reliability.case import Case, Room, copy
from benchmarks.reliability.damage import damage
from benchmarks.reliability.moments import count_calls, later
from benchmarks.reliability.processes.command import Ended, Limits
from benchmarks.reliability.tiny import test_words, words
from benchmarks.reliability.verdicts import check, check_done, check_refused, check_same_run, check_same_state, state

NUM_CHECKPOINTS, NUM_SWAPPED, NUM_SAFETENSORS, NUM_TEXTS = 800, 40, 60, 60
NUM_INDEXES, NUM_SHARDS, NUM_CACHES, DAMAGES_A_CACHE = 120, 40, 4, 15
_LIMITS = Limits(60, extra_mb=3000)
_EVERY_TO_THE_END = 20  # of so many resumed runs one goes on to its end
_FIGURES = ("top1_err", "top5_err", "loss", "count")
_REFERENCE = kills.reference_name("custom", 1)
_OLD_TEXTS = ("config.yaml", "metrics.jsonl", "stdout.log")


def damaged_file_cases() -> Iterator[Case]:
    """Yield the cases of all kinds of files."""
    needs = ("stopped", _REFERENCE)
    for kind, count, judge, needed in (
        ("checkpoints", NUM_CHECKPOINTS, functools.partial(judge_checkpoint, _damage), needs),
        ("checkpoints, records exchanged", NUM_SWAPPED, functools.partial(judge_checkpoint, _exchange_records), needs),
        ("safetensors", NUM_SAFETENSORS, judge_safetensors, ("stopped",)),
        ("config.yaml, metrics.jsonl, stdout.log", NUM_TEXTS, judge_text, needs),
        ("indexes of packed data", NUM_INDEXES, functools.partial(judge_packed, "*.index/*"), ("run", "packed")),
        ("shards of packed data", NUM_SHARDS, functools.partial(judge_packed, "*.tar"), ("run", "packed")),
        ("caches of scans", NUM_CACHES, judge_caches, ("run",)),
    ):
        for number in range(count):
            yield Case(f"damaged: {kind}", f"{kind} #{number}", functools.partial(judge, number), ("data", *needed))


# ---- checkpoints


def judge_checkpoint(spoil: Callable[[bytes, random.Random], tuple[str, bytes]], number: int, room: Room) -> None:
    """Damage last.pyth, resume from it and evaluate it."""
    run = copy(room.fixtures["stopped"], room.folder / "run")
    last = run / "checkpoints/last.pyth"
    before = [state(path) for path in (last, run / "checkpoints/model_epoch_0002.pyth")]
    kind, damaged = spoil(last.read_bytes(), room.random)
    last.unlink()
    last.write_bytes(damaged)
    _check_evaluation(room, last, json.loads((run / "figures.json").read_text()), kind)
    to_the_end = number % _EVERY_TO_THE_END == 0
    dump = room.folder / "resumed.pyth"
    prepare = (lambda: None) if to_the_end else functools.partial(_stop_when_resumed, dump)
    ended = room.run(*kills.run_words("custom", run), limits=_LIMITS, prepare=prepare)
    check(ended.code == 0, f"{kind}: not resumed: {ended.told()}")
    check_done(ended)
    if to_the_end:
        check_same_run(run, room.fixtures[_REFERENCE])
        return
    resumed = state(dump)
    if resumed["position"] == before[1]["position"]:
        check("last.pyth" in ended.out + ended.err, f"{kind}: nothing is said of last.pyth")
        check_same_state(resumed, before[1], f"{kind}: the checkpoint before")
    else:
        check_same_state(resumed, before[0], f"{kind}: last.pyth")


def _damage(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    return damage(data, rng)


def _exchange_records(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Exchange two records of one size in an archive, their checksums with them; its comment stays."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        comment = archive.comment
        contents = {info.filename: archive.read(info) for info in archive.infolist()}
    names = [name for name in contents if "/data/" in name]
    pairs = [(a, b) for a in names for b in names if a < b and len(contents[a]) == len(contents[b])]
    first, second = rng.choice([(a, b) for a, b in pairs if contents[a] != contents[b]])
    contents[first], contents[second] = contents[second], contents[first]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.comment = comment
    return f"{first} and {second} exchanged", file.getvalue()


def _stop_when_resumed(dump: Path) -> None:
    """Have the training write its state and end where its first epoch would begin (in the child)."""
    train, packing = importlib.import_module("pycls.engine.train"), importlib.import_module("pycls.engine.state")
    setup = importlib.import_module("pycls.engine.setup")

    def stop(run: Any, batches: Any) -> bool:
        about = {"classes": list(run.train_loader.samples.classes), "pixels": setup.pixel_contract(run.cfg)}
        torch.save(packing.pack_state(run.state, run.cfg, run.meter.state(), **about), dump)
        raise SystemExit(0)

    train.train_epoch = stop  # type: ignore[attr-defined]


def _check_evaluation(room: Room, weights: Path, figures: dict[str, float], kind: str) -> None:
    """Raise Failed unless weights are refused by name, or give the same figures."""
    ended = room.run("test", *test_words("{here}/evaluated"), "TEST.WEIGHTS", weights, limits=_LIMITS)
    if ended.code != 0:
        check_refused(ended, weights.name)
        room.count("refused")
        return
    check_done(ended)
    found = _figures(room.folder / "evaluated/test.json")
    check(found == figures, f"{kind}: evaluated to {found} instead of {figures}")


def _figures(file: Path) -> dict[str, float]:
    record = json.loads(file.read_text())
    return {name: record[name] for name in _FIGURES}


def judge_safetensors(number: int, room: Room) -> None:
    """Damage the weights as a safetensors file and evaluate it."""
    file = room.folder / "w.safetensors"
    copy(room.fixtures["stopped"] / "w.safetensors", file)
    kind, damaged = damage(file.read_bytes(), room.random)
    file.write_bytes(damaged)
    figures = json.loads((room.fixtures["stopped"] / "converted.json").read_text())
    _check_evaluation(room, file, figures, kind)


# ---- texts of a run


def judge_text(number: int, room: Room) -> None:
    """Damage a text of a run; it goes on to the same end, or is refused by the file's name and goes on without it."""
    run = copy(room.fixtures["stopped"], room.folder / "run")
    file = run / _OLD_TEXTS[number % len(_OLD_TEXTS)]
    kind, damaged = damage(file.read_bytes(), room.random)
    file.unlink()
    if number % 10:
        file.write_bytes(damaged)
    else:
        kind = "a folder"
        file.mkdir()
    command = kills.run_words("custom", run)
    ended = room.run(*command, limits=_LIMITS)
    if ended.code == 2:
        check_refused(ended, file.name)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        ended = room.run(*command, limits=_LIMITS)
    check_done(ended)
    last = Path("checkpoints/last.pyth")
    check_same_state(state(run / last), state(room.fixtures[_REFERENCE] / last), f"{file.name}, {kind}: last.pyth")


# ---- packed data


def judge_packed(pattern: str, number: int, room: Room) -> None:
    """Damage a file of packed data; it is noticed when it is verified and read, or it makes no difference."""
    packed = copy(room.fixtures["packed"], room.folder / "p")
    file = room.random.choice(sorted(packed.glob(pattern)))
    kind, damaged = damage(file.read_bytes(), room.random)
    file.write_bytes(damaged)
    what = f"{file.relative_to(packed)}, {kind}"
    verified = room.run("pack", packed, "--verify", "--workers", 1, limits=_LIMITS)
    check(verified.code in (0, 1, 2), f"{what}: pack --verify: {verified.told()}")
    check_done(verified, verified.code)
    weights = ["TEST.WEIGHTS", "{run}"]
    splits = ("train", "val") if verified.code == 0 else (file.name.partition(".")[0].split("-")[0],)
    for split in [split for split in ("train", "val") if split in splits or file.parent.name.startswith(split)]:
        ended = room.run("test", *test_words("{here}/e", packed, TEST__SPLIT=split), *weights, limits=_LIMITS)
        if ended.code != 0:
            check_refused(ended, r"p/|TEST\.SPLIT")
            continue
        check_done(ended)
        expected = json.loads((room.fixtures["packed"] / f"figures-{split}.json").read_text())
        found = _figures(room.folder / "e/test.json")
        check(found == expected, f"{what}: {split} evaluated to {found} instead of {expected}")


# ---- caches of scans


def judge_caches(number: int, room: Room) -> None:
    """Damage what is kept of a scan, again and again; the images are the same each time."""
    data = copy(room.fixtures["data"], room.folder / "d")
    time.sleep(2.2)  # a folder that has just changed is not kept
    command = ["test", *test_words("{here}/e", data), "TEST.WEIGHTS", "{run}"]
    check_done(room.run(*command, limits=_LIMITS))
    expected = _figures(room.folder / "e/test.json")
    caches = sorted(path for path in data.glob(".pycls-index-*/*") if path.is_file())
    check(bool(caches), "the harness itself: there is no cache of the scan")
    room.tried = 0
    for _ in range(DAMAGES_A_CACHE):
        file = room.random.choice(caches)
        whole = file.read_bytes()
        kind, damaged = damage(whole, room.random)
        file.write_bytes(damaged)
        room.tried += 1
        ended = room.run(*command, limits=_LIMITS)
        check(ended.code == 0, f"{file.name}, {kind}: {ended.told()}")
        check_done(ended)
        found = _figures(room.folder / "e/test.json")
        check(found == expected, f"{file.name}, {kind}: {found} instead of {expected}")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(whole)


# ---- what they need


def build_stopped(room: Room, target: Path) -> None:
    """Stop a run of three epochs in its last one; evaluate its weights, and write them as safetensors, too."""
    _check_code(room.run(*kills.run_words("custom", target), prepare=functools.partial(_stop_in_epoch, 3)), 75)
    last = target / "checkpoints/last.pyth"
    assert state(last)["position"]["epoch"] == 2, state(last)["position"]
    _check_code(room.run("convert", last, target / "w.safetensors", "--to", "safetensors"))
    for weights, name in ((last, "figures.json"), (target / "w.safetensors", "converted.json")):
        _check_code(room.run("test", *test_words("{here}/e"), "TEST.WEIGHTS", weights))
        (target / name).write_text(json.dumps(_figures(room.folder / "e/test.json")))


def _stop_in_epoch(number: int) -> None:
    def see(count: int) -> None:
        if count == number:
            later(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM))

    count_calls("train", see)


def build_packed_figures(room: Room, target: Path) -> None:
    """Pack the data and evaluate a run on it."""
    _check_code(room.run("pack", "{data}", target, "--shard-mb", 1, "--workers", 1))
    _check_code(room.run("train", *words("{here}/run")))
    for split in ("train", "val"):
        given = test_words("{here}/e", target, TEST__SPLIT=split)
        _check_code(room.run("test", *given, "TEST.WEIGHTS", "{here}/run"))
        (target / f"figures-{split}.json").write_text(json.dumps(_figures(room.folder / "e/test.json")))


def _check_code(ended: Ended, code: int = 0) -> None:
    if ended.code != code:
        raise RuntimeError(f"{' '.join(ended.words)}: {ended.told()}")
