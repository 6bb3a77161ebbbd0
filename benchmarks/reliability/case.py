"""A case of the harness: something is done to the program, and it is judged what becomes of it."""

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reliability.fixtures import Fixtures
from benchmarks.reliability.processes.command import Command, Ended
from benchmarks.reliability.processes.linux import SHARED_MEMORY, descendants, unmount

# After a kill the loader's processes see that their parent is gone; until then they may finish what they do.
_GRACE_SEC = 15.0


class Failed(Exception):
    """The program did not do what it promises."""


class Skipped(Exception):
    """This machine cannot run the case, and why."""


@dataclass(frozen=True)
class Case:
    """One attempt; `kind` is its row in the table, `name` finds it again (`--only NAME`)."""

    kind: str
    name: str
    judge: Callable[["Room"], None]  # raises Failed or Skipped
    needs: tuple[str, ...] = ()  # names of fixtures
    loader_processes: bool = False  # its commands start some: they are forked from a server that serves all cases

    def random(self, seed: int) -> random.Random:
        """Return the case's own stream of random numbers: the same whatever else runs."""
        return random.Random(f"{seed} {self.kind} {self.name}")


@dataclass(frozen=True)
class Result:
    """What became of a case."""

    kind: str
    name: str
    verdict: str  # survived, failed, skipped
    words: str
    seconds: float
    tried: int = 1  # attempts in it
    notes: dict[str, int] = field(default_factory=dict)  # what was counted on the way


@dataclass
class Room:
    """Where a case runs: an empty folder, what all cases share and must leave as it is, and random numbers."""

    folder: Path
    fixtures: Fixtures
    random: random.Random
    no_mounts: str = ""  # why nothing can be mounted here; empty: it can
    lasting: frozenset[int] = frozenset()  # pids of what serves all cases
    tried: int = 1  # a case of several attempts counts them here
    notes: dict[str, int] = field(default_factory=dict)
    mounted: list[Path] = field(default_factory=list)

    def start(self, *words: Any, **options: Any) -> Command:
        """Start `pycls WORDS` in the folder; options of Command."""
        return Command(
            [self.fixtures.fill(str(word), self.folder) for word in words], **{"folder": self.folder} | options
        )

    def run(self, *words: Any, **options: Any) -> Ended:
        """Run it to its end."""
        return self.start(*words, **options).wait()

    def count(self, what: str) -> None:
        """Count something that the table tells of."""
        self.notes[what] = self.notes.get(what, 0) + 1

    def check_nothing_left(self) -> None:
        """Raise Failed if a process of a command that has ended lives on, or holds shared memory."""
        end = time.monotonic() + _GRACE_SEC
        while (left := self._processes()) and time.monotonic() < end:
            _reap()
            time.sleep(0.01)
        _reap()
        if left:
            raise Failed(f"{len(left)} processes live on after {_GRACE_SEC:.0f} s: {list(left.values())[:3]}")
        if not self.no_mounts and (names := os.listdir(SHARED_MEMORY)):
            raise Failed(f"{len(names)} files are left in {SHARED_MEMORY}: {names[:5]}")

    def check_fixtures(self) -> None:
        """Raise Failed if the files that all cases share are not as they were."""
        changed = self.fixtures.changed()
        if changed:
            raise Failed(f"changed files that were there: {changed[:5]}")

    def clean_up(self) -> None:
        """End what still runs, and put back what was changed, for the next case."""
        for pid in self._processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for folder in self.mounted:
            unmount(folder)
        self.fixtures.restore()
        if not self.no_mounts:
            for name in os.listdir(SHARED_MEMORY):
                (SHARED_MEMORY / name).unlink(missing_ok=True)
        _reap()

    def _processes(self) -> dict[int, str]:
        return {pid: command for pid, command in descendants(os.getpid()).items() if pid not in self.lasting}


def _reap() -> None:
    """Wait for the orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def tree(folder: Path) -> dict[str, str]:
    """Return {path: digest} of everything below a folder, folders too; links as what they name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[name] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


def copy(source: Path, target: Path) -> Path:
    """Copy a folder or a file and return where it is."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
    return target
