"""Workers, forked when everything is imported, that take cases one by one; each watches over what it starts."""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.reliability.case import Case, Failed, Result, Room, Skipped
from benchmarks.reliability.fixtures import Fixtures
from benchmarks.reliability.processes.command import start_fork_server
from benchmarks.reliability.processes.linux import (
    SHARED_MEMORY,
    adopt_orphans,
    descendants,
    die_with_parent,
    mount_memory,
    own_mounts,
)

_NUMBER_BYTES = 4


def run_cases(cases: Sequence[Case], fixtures: Fixtures, seed: int, jobs: int, scratch: Path) -> Iterator[Result]:
    """Yield the result of every case, as they end; the workers end with the generator."""
    tasks_read, tasks_write = os.pipe()
    results_read, results_write = os.pipe()
    sys.stdout.flush()
    workers = []
    for number in range(jobs):
        if not (pid := os.fork()):
            os.close(tasks_write)
            _work(cases, fixtures, seed, scratch / f"worker{number}", tasks_read, results_write)
        workers.append(pid)
    os.close(tasks_read)
    os.close(results_write)
    try:
        with os.fdopen(results_read) as results:
            _hand_out(tasks_write, len(cases))
            for line in results:
                yield Result(**json.loads(line))
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _hand_out(pipe: int, count: int) -> None:
    """Put the numbers of all cases into a pipe, from which the workers read; a pipe holds 16,000 of them."""
    with os.fdopen(pipe, "wb") as tasks:
        for number in range(count):
            tasks.write(number.to_bytes(_NUMBER_BYTES, "big"))


def _work(cases: Sequence[Case], fixtures: Fixtures, seed: int, scratch: Path, tasks: int, results: int) -> None:
    """Judge cases until there are no more (in a worker)."""
    try:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and with it this
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        adopt_orphans()
        worker = _Worker(fixtures, seed, scratch)
        while number := os.read(tasks, _NUMBER_BYTES):
            line = json.dumps(worker.judge(cases[int.from_bytes(number, "big")]).__dict__)
            os.write(results, f"{line}\n".encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


class _Worker:
    def __init__(self, fixtures: Fixtures, seed: int, scratch: Path):
        scratch.mkdir(parents=True)
        self._fixtures, self._seed, self._scratch = fixtures.copied_to(scratch / "fixtures"), seed, scratch
        self._no_mounts = ""
        try:
            own_mounts()
            mount_memory(SHARED_MEMORY, "size=2g")
        except OSError as error:
            self._no_mounts = str(error)
        self._lasting: frozenset[int] = frozenset()

    def judge(self, case: Case) -> Result:
        """Run a case in a folder of its own and return what became of it."""
        if case.loader_processes and not self._lasting:
            start_fork_server()
            self._lasting = frozenset(descendants(os.getpid()))
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        room = Room(folder, self._fixtures, case.random(self._seed), self._no_mounts, self._lasting)
        verdict, words = "survived", ""
        try:
            case.judge(room)
            room.check_fixtures()
            room.check_nothing_left()
        except Skipped as reason:
            verdict, words = "skipped", str(reason)
        except Failed as failure:
            verdict, words = "failed", str(failure)
        except Exception:
            verdict, words = "failed", f"the harness itself: {traceback.format_exc()[-900:]}"
        finally:
            room.clean_up()
            shutil.rmtree(folder, ignore_errors=True)
        return Result(
            case.kind, case.name, verdict, words[:1500], round(time.monotonic() - began, 2), room.tried, room.notes
        )
