"""How worker processes start: as forks of a server, which lives through a run's signals and leaves nothing behind."""

import contextlib
import multiprocessing
import os
import shutil
import tempfile
from multiprocessing import forkserver, popen_forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from typing import Any

from pycls.core.processes.starting import check_script, signals_held_back
from pycls.datasets.workers.nameless import Flag, Queue

_server: Any = forkserver._forkserver  # type: ignore[attr-defined]


class WorkerPopen(popen_forkserver.Popen):
    """A started worker; it overlooks SIGTERM, which is the run's."""

    def terminate(self) -> None:
        """Kill it: what multiprocessing and torch do at last with a process that does not end when it is told to."""
        self.kill()


class WorkerProcess(ForkServerProcess):
    """A worker process."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> WorkerPopen:
        return WorkerPopen(process_obj)


class WorkerContext(ForkServerContext):
    """multiprocessing, as torch's DataLoader asks for it, with queues and flags that have no names."""

    Process = WorkerProcess  # type: ignore[assignment]

    def Queue(self, maxsize: int = 0) -> Any:
        """Return a queue."""
        return Queue(self)

    def Event(self) -> Any:
        """Return a flag."""
        return Flag()


def worker_context(module: str) -> WorkerContext:
    """Return how workers start: never as a fork of this process, whose threads (torch, DALI) may hold locks just then.

    A server, started here, imports `module`, and torch with it, once, and has no threads; forks of it start at once and
    share its memory. A script without a guard, which would start others as it is imported, ends here.
    """
    check_script()
    context = WorkerContext()
    context.set_forkserver_preload([module])
    with _nameless_server(), signals_held_back():  # a signal that reached the server would end it, and the workers
        _server.ensure_running()
    return context


@contextlib.contextmanager
def _nameless_server() -> Any:
    """Take the name of the server's socket away once it is there: a killed program would leave it, and its folder.

    It is still reached by the descriptor that this process holds of it. It is bound by way of its folder's descriptor,
    too: the name of a socket has at most 107 bytes, a TMPDIR may have more.
    """
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    before, folder = config.get("tempdir"), tempfile.mkdtemp(prefix="pycls-")
    has_descriptors = os.path.isdir("/proc/self/fd")
    held = os.open(folder, os.O_RDONLY)
    config["tempdir"] = f"/proc/self/fd/{held}" if has_descriptors else folder
    address = _server._forkserver_address
    try:
        yield
        started = _server._forkserver_address
        if started != address and has_descriptors:
            _server._forkserver_address = f"/proc/self/fd/{os.open(started, os.O_PATH)}"
            shutil.rmtree(folder)
    finally:
        config["tempdir"] = before
        os.close(held)
        with contextlib.suppress(OSError):  # nothing is in it, or it is in use
            os.rmdir(folder)
