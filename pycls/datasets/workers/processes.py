"""Worker processes for the loaders: how they start, what they are asked to do, how they end."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Any

import cv2
import torch
import torch.multiprocessing

from pycls.core.plugins import import_plugins, imported_plugins
from pycls.core.processes.starting import die_with_parent, let_signals_in, no_guard
from pycls.core.stop_signals import STOP_SIGNALS
from pycls.datasets.workers.fork_server import worker_context

_SECONDS_TO_END = 5.0
_SECONDS_TO_TELL = 0.2  # for the fork server, how a dead process ended
_AT_EXIT = 20  # a priority: before what multiprocessing does there


class ProcessWorkers:
    """Processes that share one queue of tasks; each answers through its own pipe, which ends when it dies."""

    def __init__(self, work: Callable[..., Any], num_workers: int):
        context = worker_context(work.__module__)
        self._tasks = context.Queue()
        self._open: dict[int, Future] = {}
        self._num_submitted = 0
        self._death: Exception | None = None
        self._lock = threading.Lock()  # guards _open and _death
        pairs = [_start(context, work, self._tasks) for _ in range(num_workers)]
        self._processes = [process for process, _ in pairs]
        answers = [pipe for _, pipe in pairs]
        self._collector = threading.Thread(target=self._collect, args=(answers,), daemon=True)
        self._collector.start()
        # A program that fails never calls close(), and multiprocessing would then wait for the children at exit.
        self._end_children = Finalize(self, _end, (self._tasks, self._processes), exitpriority=_AT_EXIT)

    def submit(self, *task: Any) -> Future:
        """Queue the task, which cannot be cancelled then; ChildProcessError in the future when a process has died."""
        future: Future = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._death is not None:
                future.set_exception(self._death)
                return future
            self._num_submitted += 1
            self._open[self._num_submitted] = future
        self._tasks.put((self._num_submitted, task))
        return future

    def close(self) -> None:
        """End the processes after the tasks that they run."""
        self._end_children()
        self._collector.join()

    def _collect(self, answers: list[Connection]) -> None:
        """Hand each answer to its future, until the pipes end (thread)."""
        while answers:
            for pipe in wait(answers):
                assert isinstance(pipe, Connection)
                try:
                    number, result, error = pipe.recv()
                except (EOFError, OSError):
                    answers.remove(pipe)
                    self._fail_open()
                    continue
                with self._lock:
                    future = self._open.pop(number, None)
                if future is not None:
                    _finish(future, result, error)

    def _fail_open(self) -> None:
        with self._lock:
            self._death = self._death or death_of(self._processes)
            lost = list(self._open.values())
            self._open.clear()
        for future in lost:
            future.set_exception(self._death)


def _end(tasks: Any, processes: list[Any]) -> None:
    """Ask all processes to end, and kill those that do not."""
    for _ in processes:
        tasks.put(None)
    for process in processes:
        process.join(_SECONDS_TO_END)
        if process.is_alive():  # stuck, perhaps because another one died while it held the queue
            process.kill()
            process.join(_SECONDS_TO_END)  # one that waits for a dead network disk cannot even be killed
    tasks.close()


def _finish(future: Future, result: Any, error: Exception | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _start(context: Any, work: Callable[..., Any], tasks: Any) -> tuple[Any, Connection]:
    """Start one process; return it and the reading end of its answers."""
    answers, childs_end = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(work, tasks, childs_end, imported_plugins()), daemon=True)
    process.start()
    childs_end.close()  # the child then has the only writing end, so that its death ends the pipe
    return process, answers


def _serve(work: Callable[..., Any], tasks: Any, answers: Connection, plugins: Sequence[str]) -> None:
    """Do tasks until None comes (main function of a child)."""
    prepare_worker(plugins)
    while (numbered := tasks.get()) is not None:
        number, task = numbered
        try:
            answers.send((number, work(*task), None))
        except Exception as error:
            answers.send((number, None, error))


def prepare_worker(plugins: Sequence[str]) -> None:
    """Use one core, end with the parent, leave the signals that stop a run to it, and import its plugins.

    A terminal sends Ctrl-C, and a scheduler its warning, to every process of a job. Only the training process acts on
    them: it may still need batches to finish its step, and its loaders end with it.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    let_signals_in()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    die_with_parent()
    import_plugins(plugins)


def death_of(processes: Sequence[Any]) -> ChildProcessError | ValueError:
    """Return the error of a worker that died: the user's, if a script lacks its guard."""
    time.sleep(_SECONDS_TO_TELL)
    for process in processes:
        if words := no_guard(process.exitcode):
            return ValueError(words)
    return ChildProcessError("a data loader process died (killed, or out of memory?)")
