"""`python -m benchmarks.reliability.run_attacks`: commands that should be refused, each in a process of its own.

Prints those that were not refused by one line within 10 s of processor time and 2 GB; exits with 1 if there are any.
"""

import contextlib
import os
import re
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.reliability.config_attacks import ATTACKS, Attack

MOST_SEC, MOST_WAIT_SEC, MOST_BYTES = 10.0, 120.0, 2 * 10**9  # of the processor, by the clock, of memory
_TOOLS = Path(__file__).parents[2] / "tools"


class Outcome(NamedTuple):
    """What became of an attack; `wrong` is empty where it was refused as it should be."""

    wrong: str
    line: str
    seconds: float  # of the processor
    gb: float


def run_attack(attack: Attack, folder: Path) -> Outcome:
    """Run an attack in a child of this process, which should have imported what commands need."""
    words, said = attack.make(folder), folder / "said.err"
    for file in (said, said.with_suffix(".out")):
        file.touch()
    child = os.fork()
    if child == 0:
        os.setsid()
        _run_tool(attack.tool, words, said)
    status, seconds, gb = _watch(child)
    text, shown = (file.read_text(errors="backslashreplace") for file in (said, said.with_suffix(".out")))
    lines = [line for line in text.splitlines() if not line.startswith("warning: ")]
    line = lines[-1] if lines else ""
    code = "killed" if status is None else os.waitstatus_to_exitcode(status)
    if code != 2:
        return Outcome(f"exit code {code}", line, seconds, gb)
    if len(lines) != 1 or not line.isprintable() or len(line) > 2000:
        return Outcome(f"{len(lines)} lines", line, seconds, gb)
    if "se-cret" in text + shown:
        return Outcome("a password is shown", line, seconds, gb)
    return Outcome("" if re.search(attack.says, line) else "the line does not say why", line, seconds, gb)


def _run_tool(tool: str, words: list[str], said: Path) -> None:
    """Become the tool; what it prints goes to a file."""
    for number, file in ((1, said.with_suffix(".out")), (2, said)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv, code = [str(_TOOLS / tool), *words], 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _watch(child: int) -> tuple[int | None, float, float]:
    """Wait for a child, or kill it for what it takes; return (status or None, seconds of the processor, GB)."""
    began, seconds, peak = time.monotonic(), 0.0, 0
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage.ru_utime + usage.ru_stime, max(peak, 1024 * usage.ru_maxrss) / 1e9
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(child)
            times, peak = process.cpu_times(), max(peak, process.memory_info().rss)
            seconds = times.user + times.system
        if seconds > MOST_SEC or peak > MOST_BYTES or time.monotonic() - began > MOST_WAIT_SEC:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, seconds, peak / 1e9
        time.sleep(0.01)


def main(words: list[str]) -> int:
    """Run all attacks, or those whose name has one of the words in it."""
    import pycls.engine  # noqa: F401 (children then need not import it)

    chosen = [attack for attack in ATTACKS if not words or any(word in attack.name for word in words)]
    num_wrong = 0
    for attack in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = run_attack(attack, Path(folder))
        num_wrong += bool(found.wrong)
        if found.wrong or words:
            mark = found.wrong or "refused"
            print(f"{attack.name}: {mark}, {found.seconds:.1f} s, {found.gb:.2f} GB: {found.line[:300]}", flush=True)
    print(f"{len(chosen)} attacks, {num_wrong} not refused as they should be")
    return int(num_wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
