"""Commands of pycls run in a forked child, which has everything imported already: 50 ms instead of five seconds."""

import atexit
import contextlib
import importlib
import io
import multiprocessing.util
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import IO, Any, NoReturn

from benchmarks.reliability.processes.linux import address_space_mb, die_with_parent, own_memory_mb
from benchmarks.report import ROOT
from pycls import commands

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
# What commands import when they act, besides their own modules.
_LATE = ("pycls.engine", "pycls.inference.predict", "pycls.inference.export", "pycls.datasets.backends.custom")
_LATE += ("pycls.datasets.backends.torch_dataloader", "pycls.datasets.backends.dali", "pycls.core.weights.sources")
_LATE += ("pycls.dataset_tools.packing.writer", "pycls.dataset_tools.validation", "pycls.run_comparison.page")
_LATE += ("matplotlib.pyplot", "torchvision", "cv2", "jinja2", "PIL.Image", "yaml")


def preload() -> None:
    """Import what commands need, and keep torch to one thread: a process with threads must not be forked."""
    import torch

    torch.set_num_threads(1)
    for name in [*(f"pycls.commands.{name.replace('-', '_')}" for name in commands.COMMANDS), *_LATE]:
        with contextlib.suppress(ModuleNotFoundError):  # an optional package: its commands say so
            importlib.import_module(name)


def start_fork_server() -> None:
    """Start the server that loader workers are forked from, for all commands of this process."""
    forkserver.set_forkserver_preload(["pycls.datasets.backends.torch_dataloader"])
    forkserver.ensure_running()


@dataclass(frozen=True)
class Limits:
    """What a command may use; past it, it is killed or its allocations fail."""

    seconds: float = 120.0
    extra_mb: int = 0  # of address space above what it begins with; 0: no limit
    file_mb: float = 0.0  # of one file that it writes; 0: no limit


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    words: tuple[str, ...]
    code: int  # -9: killed by signal 9
    out: str
    err: str
    seconds: float
    extra_mb: int  # of memory at its peak, above what it began with; libraries that it uses count
    late: bool  # it had to be killed for its time

    def told(self) -> str:
        """Return all it said, shortened, for a report."""
        return f"exit code {self.code}; {(self.err or self.out).strip()[-600:]!r}"


@dataclass
class Command:
    """A command that runs: `pycls WORDS` in a fork of this process, or a real process of Python if `cold`."""

    words: Sequence[Any]
    folder: Path
    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = lambda: None  # called in the child first
    cold: bool = False

    def __post_init__(self) -> None:
        self.words = [str(word) for word in self.words]
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 (closed by wait)
        self.began = time.monotonic()
        self.pid = self._start_cold() if self.cold else os.fork()
        if self.pid == 0:
            self._run()

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for its end; kill it when its time is over."""
        late = False
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if not late and time.monotonic() - self.began > self.limits.seconds:
                late = True
                self.signal(signal.SIGKILL)
            time.sleep(0.002)
        seconds = time.monotonic() - self.began
        texts = [_read_and_close(file) for file in (self._out, self._err)]
        code = os.waitstatus_to_exitcode(status)
        return Ended(tuple(self.words), code, *texts, seconds, max(0, (usage.ru_maxrss >> 10) - own_memory_mb()), late)

    def _start_cold(self) -> int:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | self.environment
        command = [sys.executable, "-m", "pycls", *self.words]
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": self._out, "stderr": self._err}
        process = subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True, **streams)
        process.returncode = 0  # waited for here
        return process.pid

    def _run(self) -> NoReturn:
        """Be the command (in the child)."""
        code = 70
        try:
            self._settle()
            self.prepare()
            sys.argv = ["pycls", *self.words]
            code = _exit_code(commands.main)
            code = max(code, _exit_code(threading._shutdown), _exit_code(atexit._run_exitfuncs))
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _settle(self) -> None:
        os.setsid()
        die_with_parent()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for descriptor, source in (
            (0, os.open(os.devnull, os.O_RDONLY)),
            (1, self._out.fileno()),
            (2, self._err.fileno()),
        ):
            os.dup2(source, descriptor)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", line_buffering=True)
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", line_buffering=True
        )
        os.environ.update(self.environment)
        os.chdir(self.folder)
        multiprocessing.util._finalizer_registry.clear()
        multiprocessing.util._run_after_forkers()
        tracker = resource_tracker._resource_tracker
        tracker._fd = tracker._pid = None  # its own, which cleans up after it alone
        server = forkserver._forkserver
        if server._forkserver_pid is not None:
            server.ensure_running = resource_tracker.ensure_running  # the server is its parent's child, not its own
        limits = self.limits
        if limits.extra_mb:
            bytes_ = (address_space_mb() + limits.extra_mb) << 20
            resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))
        if limits.file_mb:
            bytes_ = int(limits.file_mb * 2**20)
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _exit_code(act: Callable[[], Any]) -> int:
    """Call a function and return what Python would end with."""
    try:
        code = act()
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except KeyboardInterrupt:
        traceback.print_exc()
        code = 130
    except BaseException:
        traceback.print_exc()
        code = 1
    return int(code or 0)


def _read_and_close(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode(errors="backslashreplace")
