"""Bad input of every kind: exit code 2, one line that names what is wrong, nothing written, nothing changed."""

import functools
import shlex
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.case import Case, Room, tree
from benchmarks.reliability.fixtures import CACHES
from benchmarks.reliability.lists import command_lines, data_sets, keys, run_folders, weights, yaml_files
from benchmarks.reliability.lists.bad import Bad
from benchmarks.reliability.processes.command import Limits
from benchmarks.reliability.verdicts import check, check_refused

LISTS = {
    "config keys and values": keys.BAD,
    "command lines": command_lines.BAD,
    "YAML files": yaml_files.BAD,
    "data sets": data_sets.BAD,
    "images": data_sets.NO_IMAGES,
    "weights": weights.BAD,
    "run folders": run_folders.BAD,
}

_LOG = "run/stdout.log"


def bad_input_cases() -> Iterator[Case]:
    """Yield a case for each row of the lists."""
    for kind, rows in LISTS.items():
        for row in rows:
            yield Case(
                f"bad input: {kind}",
                row.title,
                functools.partial(judge_bad_input, row),
                ("data", *row.needs),
                "torch" in row.title,
            )


def judge_bad_input(row: Bad, room: Room) -> None:
    """Write what the row asks for, run its command and compare the folder before and after."""
    for name, content in row.files.items():
        path = room.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = room.fixtures.fill(content, room.folder).encode() if isinstance(content, str) else content
        path.write_bytes(text)
    if row.make is not None:
        row.make(room)
    log = room.folder / _LOG
    said, before = log.read_bytes() if log.is_file() else b"", tree(room.folder)
    ended = room.run(*shlex.split(row.words), environment=dict(row.environment), limits=Limits(60, extra_mb=4000))
    check_refused(ended, row.says)
    after = tree(room.folder)
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    written = [name for name in changed if CACHES not in name and Path(name).name != ".lock"]  # who came last
    if said and log.read_bytes().startswith(said):
        written = [name for name in written if name != _LOG]  # the refusal is told in it
    if row.begins:
        written = [name for name in written if not name.startswith("out")]
    check(not written, f"a refused command wrote or changed {written[:5]}")
