"""Full disks: a run stops in one line, what was saved stays whole; with room again the same command ends the same."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability import kills
from benchmarks.reliability.case import Case, Failed, Room, Skipped, tree
from benchmarks.reliability.processes.command import Limits
from benchmarks.reliability.processes.linux import mount_memory
from benchmarks.reliability.verdicts import check, check_done, check_one_line, check_same_run, state

NUM_RUNS, NUM_CUT = 14, 6
_DISK_KB = 4096
_REFERENCE = kills.reference_name("custom", 1)
_FULL = "(?i)no space|could not be saved|cannot be written|disk|File too large"
# Commands that write, and what they write; a full disk leaves nothing of it.
_WRITERS = {
    "convert": ("convert {run}/checkpoints/best.pyth {here}/disk/w.pyth --to pycls", 20),
    "safetensors": ("convert {run}/checkpoints/best.pyth {here}/disk/w.safetensors --to safetensors", 8),
    "export": ("export {run}/checkpoints/best.pyth {here}/disk/w.pt2 --format torch", 8),
    "pack": ("pack {data} {here}/disk/p --workers 1", 20),
    "predict": ("predict {data}/val --weights {run} --csv {here}/disk/x.csv", 0),
    "check-data": ("check-data {data} --out {here}/disk/c", 0),
}


def full_disk_cases() -> Iterator[Case]:
    """Yield runs on disks of many sizes, runs whose files may not grow, and commands that write."""
    for number in range(NUM_RUNS):
        judge = functools.partial(judge_run, number)
        yield Case("full disk: trainings", f"training, full disk #{number}", judge, ("data", _REFERENCE))
    for number in range(NUM_CUT):
        yield Case("full disk: trainings, files cut", f"files cut #{number}", judge_cut, ("data", _REFERENCE))
    for name, (words, room_kb) in _WRITERS.items():
        judge = functools.partial(judge_writer, words, room_kb)
        yield Case("full disk: commands that write", f"{name}, full disk", judge, ("data", "run"))


def judge_run(number: int, room: Room) -> None:
    """Train on a disk that fills up at some point, make room, and go on."""
    disk = _disk(room)
    needed = sum(path.stat().st_size for path in room.fixtures[_REFERENCE].rglob("*") if path.is_file()) >> 10
    _fill(disk, free_kb=room.random.randint(0, min(needed, _DISK_KB)) if number else 0)
    words = kills.run_words("custom", disk / "run")
    ended = room.run(*words, limits=Limits(120))
    if ended.code == 0:
        room.count("fitted")
    else:
        check("Traceback" not in ended.out + ended.err, f"a traceback: {ended.told()}")
        check(ended.code in (1, 2), f"expected exit code 1: {ended.told()}")
        check_one_line(ended, _FULL)
    _check_checkpoints(disk / "run")
    (disk / "filler").unlink()
    check_done(room.run(*words, limits=Limits(120)))
    check_same_run(disk / "run", room.fixtures[_REFERENCE])


def judge_cut(room: Room) -> None:
    """Train where no file may have more than some KB, then without the limit."""
    words = kills.run_words("custom", room.folder / "run")
    ended = room.run(*words, limits=Limits(120, file_mb=room.random.uniform(0.001, 0.2)))
    if ended.code != 0:
        check("Traceback" not in ended.out + ended.err, f"a traceback: {ended.told()}")
        check_one_line(ended, _FULL)
    _check_checkpoints(room.folder / "run")
    check_done(room.run(*words, limits=Limits(120)))
    check_same_run(room.folder / "run", room.fixtures[_REFERENCE])


def judge_writer(words: str, room_kb: int, room: Room) -> None:
    """Run a command whose result does not fit: one line, nothing half-written, and it works when there is room."""
    disk = _disk(room)
    _fill(disk, room_kb)
    before = tree(disk)
    ended = room.run(*words.split(), limits=Limits(120))
    check("Traceback" not in ended.out + ended.err, f"a traceback: {ended.told()}")
    check(ended.code in (1, 2), f"expected exit code 1: {ended.told()}")
    check_one_line(ended, _FULL)
    left = [name for name in tree(disk).keys() - before.keys() if not (disk / name).is_dir() and "packing" not in name]
    check(not left, f"left on the full disk: {left[:5]}")
    (disk / "filler").unlink()
    check(room.run(*words.split(), limits=Limits(120)).code == 0, "with room again it does not work")


def _disk(room: Room) -> Path:
    if room.no_mounts:
        raise Skipped(f"no small disk can be mounted here ({room.no_mounts})")
    disk = room.folder / "disk"
    disk.mkdir()
    mount_memory(disk, f"size={_DISK_KB}k")
    room.mounted.append(disk)
    return disk


def _fill(disk: Path, free_kb: int) -> None:
    """Leave so much room on a disk."""
    status = os.statvfs(disk)
    size = max(0, status.f_bavail * status.f_frsize - (free_kb << 10))
    (disk / "filler").write_bytes(bytes(size))


def _check_checkpoints(run: Path) -> None:
    """Raise Failed if a checkpoint that has its name is not whole."""
    for path in (run / "checkpoints").glob("[!.]*"):
        try:
            state(path)
        except Exception as error:
            raise Failed(f"{path.name} is not whole after the disk was full: {error}") from error
