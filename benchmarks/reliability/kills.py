"""The kill campaign: a training is killed or asked to stop; the same command must end as if undisturbed."""

import atexit
import functools
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability import tiny
from benchmarks.reliability.case import Case, Failed, Room
from benchmarks.reliability.moments import PHASES, count_calls, count_file_operations, later
from benchmarks.reliability.processes.command import Command, Ended, Limits
from benchmarks.reliability.verdicts import INTERRUPTED, STOPPED, check, check_done, check_same_run

LOADERS = {
    "custom": {"DATA_LOADER__BACKEND": "custom"},
    "custom in processes": {"DATA_LOADER__BACKEND": "custom", "DATA_LOADER__WORKER_MODE": "processes"},
    "torch": {"DATA_LOADER__BACKEND": "torch"},
    "dali_cpu": {"DATA_LOADER__BACKEND": "dali_cpu"},
}
_IN_PROCESSES = ("custom in processes", "torch")
_MOMENTS = {
    "any": "at any moment",
    "file": "before an operation on a file",
    "train": "while it trains",
    "evaluate": "while it evaluates",
    "save": "while it saves",
}
_EPOCHS = 3
_TRIES = 6  # a moment that came too late is drawn again
_HANDLERS_SEC = 20.0  # Python and torch are imported by then
_LIMITS = Limits(seconds=150)


@dataclass(frozen=True)
class Kill:
    """What is done to a run."""

    loader: str
    signal: signal.Signals
    moment: str  # any, file (before a random operation on a file of the run), train, evaluate, save
    processes: int = 1
    start: str = "fork"  # fork; cold: a Python of its own; spawn: NUM_GPUS 2
    victims: str = "all"  # all; one: a random one of two processes
    number: int = 0

    @property
    def name(self) -> str:
        """Name the case."""
        how = f"{self.start} " if self.start != "fork" else ""
        whom = "one of " if self.victims == "one" else ""
        return f"{self.signal.name} {self.moment} {self.loader} {how}{whom}{self.processes} #{self.number}"

    @property
    def kind(self) -> str:
        """Name its row in the table."""
        killed = self.signal == signal.SIGKILL
        what = "kill -9" if killed else "asked to stop"
        if self.start != "fork":
            return f"{what}, Python started anew"
        if self.victims == "one":
            return f"{what}, one of 2 processes"
        number = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return f"{what}, {number}: {_MOMENTS[self.moment] if killed else self.signal.name}"

    @property
    def reference(self) -> str:
        """Name the undisturbed run that it must equal."""
        return reference_name(self.loader, 2 if self.start == "spawn" else self.processes)


def reference_name(loader: str, processes: int) -> str:
    """Return the name of the fixture that a run must equal."""
    return f"undisturbed_{loader.replace(' ', '_')}_{processes}"


def kill_cases() -> Iterator[Case]:
    """Yield the campaign: every loader, 1 and 2 processes, every signal, every moment."""
    for kill in _kills():
        judge, forks = functools.partial(judge_kill, kill), kill.start == "fork" and kill.loader in _IN_PROCESSES
        yield Case(kill.kind, kill.name, judge, ("data", kill.reference), forks)


def _kills() -> Iterator[Kill]:
    kill, gentle = signal.SIGKILL, (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
    for number, loader in enumerate(("custom", "torch", "dali_cpu")):  # first: they take longest
        yield Kill(loader, kill, "any", start="cold")
        yield Kill(loader, gentle[number], "any", start="cold")
    yield Kill("custom", signal.SIGTERM, "any", start="spawn")
    yield Kill("custom", kill, "any", start="spawn")
    for loader in LOADERS:
        for moment in _MOMENTS:
            for number in range(3 if moment == "file" else 2):
                yield Kill(loader, kill, moment, number=number)
        for number, term in enumerate(gentle):
            yield Kill(loader, term, ("any", "train", "evaluate", "save")[number])
            yield Kill(loader, term, ("file", "any", "file", "any")[number], number=1)
    for loader in ("custom", "torch", "dali_cpu"):
        for moment in _MOMENTS:
            yield Kill(loader, kill, moment, 2)
        yield Kill(loader, kill, "any", 2, victims="one")
        for term in gentle:
            yield Kill(loader, term, "any", 2)


# ---- a run


def run_words(loader: str, out_dir: Path | str, processes: int = 1) -> list[Any]:
    """Return the command line of a run of the campaign."""
    words = tiny.words(out_dir, OPTIM__MAX_EPOCH=_EPOCHS, **LOADERS[loader])
    return ["train", *words, *(["NUM_GPUS", processes] if processes > 1 else [])]


def start_run(room: Room, kill: Kill, prepare: Callable[[], None] = lambda: None) -> list[Command]:
    """Start a run: one command, or one for each rank as torchrun starts them."""
    out_dir = room.folder / "run"
    if kill.start == "spawn":
        return [room.start(*run_words(kill.loader, out_dir, 2), cold=True, limits=_LIMITS)]
    words = run_words(kill.loader, out_dir)
    if kill.processes == 1:
        return [room.start(*words, cold=kill.start == "cold", limits=_LIMITS, prepare=prepare)]
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    return [
        room.start(
            *words,
            environment=group | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            limits=_LIMITS,
            prepare=prepare if rank == 0 else lambda: None,
        )
        for rank in range(2)
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- the case


def judge_kill(kill: Kill, room: Room) -> None:
    """Kill a run, perhaps twice, and let the same command finish it."""
    facts = json.loads((room.fixtures[kill.reference] / "facts.json").read_text())
    for attempt in range(_TRIES):
        ended = _disturbed(room, kill, facts, share=1 - attempt / _TRIES)
        if any(one.code != 0 for one in ended):
            break
    else:
        raise Failed(f"the run ended before its moment came, {_TRIES} times")
    _check_end(kill, ended)
    room.check_nothing_left()
    if room.random.random() < 0.25:  # what goes on is killed again
        room.count("killed twice")
        _disturbed(room, kill, facts, share=0.6, anew=False)
        room.check_nothing_left()
    for one in [command.wait() for command in start_run(room, kill)]:
        check_done(one)
    check_same_run(room.folder / "run", room.fixtures[kill.reference])


def _disturbed(room: Room, kill: Kill, facts: dict[str, Any], share: float, anew: bool = True) -> list[Ended]:
    """Start a run, kill it at a moment within a share of its length, and return how its processes ended."""
    if anew:
        shutil.rmtree(room.folder / "run", ignore_errors=True)
    if kill.moment == "any":
        commands = start_run(room, kill)
        if kill.signal != signal.SIGKILL:
            _wait_for_handlers(commands)
        time.sleep(room.random.uniform(0, share * facts["seconds"] * (3 if kill.start != "fork" else 1)))
        _send(room, kill, commands)
    else:
        number = room.random.randint(1, max(1, round(share * facts[kill.moment])))
        delay = room.random.uniform(0, 0.03)
        prepare = functools.partial(_prepare, kill.moment, number, delay, kill.signal, room.folder / "run")
        commands = start_run(room, kill, prepare)
        if len(commands) > 1:  # the first one shoots itself; then the other is ended, as torchrun does
            first = commands[0].wait()
            commands[1].signal(kill.signal)
            return [first, commands[1].wait()]
    return [command.wait() for command in commands]


def _wait_for_handlers(commands: Sequence[Command]) -> None:
    """Wait until each command has begun to catch signals: before that there is no program of ours."""
    end, bit = time.monotonic() + _HANDLERS_SEC, 1 << (signal.SIGTERM - 1)
    for command in commands:
        status = Path("/proc", str(command.pid), "status")
        while time.monotonic() < end and not int(_caught(status), 16) & bit:
            time.sleep(0.002)


def _caught(status: Path) -> str:
    """Return the signals that a process catches, as bits in hexadecimal."""
    return next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt"))


def _send(room: Room, kill: Kill, commands: Sequence[Command]) -> None:
    chosen = [room.random.choice(commands)] if kill.victims == "one" else commands
    for command in chosen:
        command.signal(kill.signal)


def _prepare(moment: str, number: int, delay: float, signal_number: int, out_dir: Path) -> None:
    """Have this process kill itself (in the child): at the n-th operation on a file, or within the n-th phase."""
    shoot = functools.partial(os.kill, os.getpid(), signal_number)
    if moment == "file":
        count_file_operations(out_dir, lambda count: shoot() if count == number else None)
    else:
        count_calls(moment, lambda count: later(delay, shoot) if count == number else None)


def _check_end(kill: Kill, ended: Sequence[Ended]) -> None:
    """Raise Failed unless every process ended as it should after its signal."""
    for one in ended:
        check(not one.late, f"hangs after {kill.signal.name}: {one.told()}")
        check("Traceback" not in one.out + one.err, f"a traceback after {kill.signal.name}: {one.told()}")
        if kill.victims == "one":
            if one.code not in (0, -kill.signal):
                own = [line for line in one.err.splitlines() if line.startswith("pycls ")]
                check(len(own) == 1, f"expected one line, beside those of torch's store, which died, too: {one.told()}")
        elif kill.signal != signal.SIGKILL:
            allowed = {0, STOPPED, *({INTERRUPTED} if kill.signal == signal.SIGINT else ())}
            words = f"expected exit code {sorted(allowed)} after {kill.signal.name}, got {one.told()}"
            check(one.code in allowed, words)


# ---- the runs that they must equal


def build_undisturbed(loader: str, processes: int, room: Room, target: Path) -> None:
    """Train undisturbed; write how long it takes and how often each moment comes into facts.json."""
    counts = room.folder / "counts"
    kill = Kill(loader, signal.SIGKILL, "", processes)
    began = time.monotonic()
    commands = start_run(room, kill, functools.partial(_record, room.folder / "run", counts))
    for ended in [command.wait() for command in commands]:
        check_done(ended)
    seconds = time.monotonic() - began
    (room.folder / "run").rename(target)
    facts = {"seconds": seconds, **json.loads(counts.read_text())}
    (target / "facts.json").write_text(json.dumps(facts))


def _record(out_dir: Path, counts: Path) -> None:
    """Count what happens in this process, until it ends (in the child)."""
    seen: dict[str, int] = {}
    count_file_operations(out_dir, lambda count: seen.update(file=count))
    for phase in PHASES:
        count_calls(phase, lambda count, phase=phase: seen.update({phase: count}))
    atexit.register(lambda: counts.write_text(json.dumps(seen)))


UNDISTURBED = {
    reference_name(loader, processes): functools.partial(build_undisturbed, loader, processes)
    for loader in LOADERS
    for processes in (1, 2)
}
