"""Workers that hang or die end the epoch with the names of the files in flight, in every backend and worker mode."""

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image

from pycls.datasets.heartbeat import HeartbeatBoard
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.workers import processes, threads
from pycls.datasets.workers.threads import DaemonPool
from pycls.datasets.workers.watchdog import Watchdog
from tests.helpers.backends import draw, make_backend, make_view, torch_workers
from tests.helpers.hanging import make_hang, release, wait_until_opened
from tests.helpers.photographs import encode, write_files

HOW = [
    pytest.param("custom", 2, "threads", id="custom-threads"),
    pytest.param("custom", 2, "processes", id="custom-processes"),
    pytest.param("custom", 0, "auto", id="custom-itself"),
    pytest.param("torch", 2, "auto", id="torch"),
    pytest.param("torch", 0, "auto", id="torch-itself"),
    pytest.param("dali_cpu", 2, "auto", id="dali_cpu", marks=pytest.mark.dali),
]


@pytest.fixture(autouse=True)
def _end_soon(monkeypatch):
    for module in (threads, processes):
        monkeypatch.setattr(module, "_SECONDS_TO_END", 0.5)


@pytest.fixture
def files(tmp_path) -> FileSamples:
    """Eight images, of which the sixth never answers."""
    photo = encode(Image.effect_noise((90, 70), 60).convert("RGB"))
    samples = write_files(tmp_path, {f"{number}.JPEG": photo for number in range(8)})
    make_hang(samples.name(5))
    yield samples
    _release(samples)


def _release(samples: FileSamples) -> None:
    """Let a thread go that waits for the file."""
    with contextlib.suppress(KeyError):  # it has gone
        release(samples.name(5))


@pytest.mark.parametrize("name, num_workers, mode", HOW)
def test_a_hanging_worker_is_given_up_and_its_file_named(name, num_workers, mode, files):
    view = make_view(size=32)
    backend = make_backend(name, files, view, num_workers, worker_mode=mode, timeout_sec=1.5, skip_bad=True)
    batches = backend.batches(0, [np.arange(0, 4), np.arange(4, 8)])
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"TIMEOUT_SEC 1\.5: a loader worker hangs on \S*/5\.JPEG$"):
        for _ in batches:
            start = time.monotonic()
    assert time.monotonic() - start > 1.4
    backend.close()
    _release(files)


@pytest.mark.parametrize("name, num_workers, mode", HOW[:2] + HOW[3:4])
def test_an_epoch_left_early_is_not_waited_for_for_ever(name, num_workers, mode, files):
    backend = make_backend(name, files, make_view(size=32), num_workers, worker_mode=mode, timeout_sec=1.5)
    batches = backend.batches(0, [np.array([index]) for index in (0, 1, 5, 2)])
    next(batches), next(batches)
    wait_until_opened(files.name(5))  # a worker has begun the sixth: what has not begun is dropped
    with pytest.raises(TimeoutError, match=r"5\.JPEG"):
        next(backend.batches(1, [np.array([0]), np.array([1])]))
    backend.close()


@pytest.mark.parametrize("name, mode", [("custom", "processes"), ("torch", "auto")])
def test_a_dead_worker_is_noticed_and_the_files_in_flight_are_named(name, mode, files):
    backend = make_backend(name, files, make_view(size=32), 1, worker_mode=mode, timeout_sec=60)
    batches = backend.batches(0, [np.arange(0, 4), np.arange(4, 8)])
    next(batches)
    pids = [p.pid for p in backend._workers._processes] if name == "custom" else torch_workers(backend)

    def kill() -> None:
        """Kill it while it opens the sixth, which nobody writes to: once that is open it would go on."""
        end = time.monotonic() + 100
        while 5 not in backend._watchdog._board.read()[:, 0] and time.monotonic() < end:
            time.sleep(0.01)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ChildProcessError, match=r"process died .*; files in flight: \S*/5\.JPEG$"):
        next(batches)
    killer.join()
    backend.close()


def test_a_slow_batch_of_quick_images_is_no_hang(tmp_path, monkeypatch):
    photo = encode(Image.effect_noise((90, 70), 60).convert("RGB"))
    samples = write_files(tmp_path, {f"{number}.JPEG": photo for number in range(12)})
    read = FileSamples.read
    monkeypatch.setattr(FileSamples, "read", lambda self, index: [time.sleep(0.25), read(self, index)][1])
    backend = make_backend("custom", samples, make_view(size=32), 1, timeout_sec=1)
    assert len(draw(backend, 0, [range(12)])) == 12  # three seconds
    backend.close()


def test_time_in_which_nobody_watches_does_not_count():
    board = HeartbeatBoard(1, shared=False)
    board.heartbeat(0)(7)
    watchdog = Watchdog(None, board, timeout_sec=1)
    future: Future = Future()
    threading.Timer(0.5, future.set_result, [3]).start()
    time.sleep(1.2)  # asleep, stopped by a scheduler, computing
    assert watchdog.result(future) == 3 and not watchdog.gave_up


def test_a_wait_can_be_interrupted():
    def stop():
        raise KeyboardInterrupt

    watchdog = Watchdog(None, HeartbeatBoard(1, shared=False), timeout_sec=0, interrupt=stop)
    with pytest.raises(KeyboardInterrupt):
        watchdog.result(Future())
    assert watchdog.gave_up
    watchdog.settle([Future()])  # no more waiting


def test_a_pool_runs_calls_in_order_and_drops_those_that_have_not_begun(monkeypatch):
    monkeypatch.setattr(threads, "_SECONDS_TO_END", 60)
    workers, started, go_on, seen = DaemonPool(1, "test"), threading.Event(), threading.Event(), []
    running = workers.submit(lambda: [started.set(), go_on.wait(10), seen.append(1)])
    waiting = workers.submit(seen.append, 2)
    started.wait(10)
    threading.Timer(0.2, go_on.set).start()
    workers.shutdown()
    assert running.done() and waiting.cancelled() and seen == [1]
