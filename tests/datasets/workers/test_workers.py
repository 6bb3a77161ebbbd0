"""The workers of the custom backend: torch's threads in the pool; child processes that live and die as they should."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.core.stop_signals import STOP_SIGNALS
from pycls.datasets.readers.samples import FileSamples, Names, pack_names
from pycls.datasets.workers import InlineWorkers, ThreadWorkers, choose_mode, limit_torch_threads
from pycls.datasets.workers.processes import ProcessWorkers
from tests.helpers.backends import draw, make_backend, make_view, torch_workers
from tests.helpers.paths import ROOT
from tests.helpers.photographs import encode, write_files
from tests.helpers.tasks import answer

REPOSITORY = ROOT


@pytest.fixture(scope="module")
def processes():
    """Two child processes."""
    workers = ProcessWorkers(answer, 2)
    yield workers
    workers.close()


def test_torch_uses_one_core_in_pool_threads_and_as_many_as_before_elsewhere():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    pool = ThreadPoolExecutor(2)
    limit_torch_threads(pool, 2)
    assert torch.get_num_threads() == 3
    assert [pool.submit(torch.get_num_threads).result() for _ in range(4)] == [1] * 4
    with ThreadPoolExecutor(1) as later:  # autograd and others start threads of their own later
        assert later.submit(torch.get_num_threads).result() == 3
    pool.shutdown()
    torch.set_num_threads(before)


@pytest.mark.parametrize("build", [lambda: InlineWorkers(answer), lambda: ThreadWorkers(answer, 2)])
def test_tasks_run_and_errors_stay_in_their_future(build, tmp_path):
    workers = build()
    good, bad = workers.submit(str(tmp_path / "good")), workers.submit("bad")
    good.result()
    with pytest.raises(ValueError, match="bad task"):
        bad.result()
    workers.close()


def test_processes_run_tasks_and_hand_errors_back(processes, tmp_path):
    bad = processes.submit("bad")
    for future in [processes.submit(str(tmp_path / str(number))) for number in range(6)]:
        future.result(timeout=60)
    with pytest.raises(ValueError, match="bad task"):
        bad.result(timeout=60)
    numbers, threads = zip(*((path.read_text().split()) for path in tmp_path.iterdir()), strict=True)
    assert str(os.getpid()) not in numbers
    assert set(threads) == {"1"}


def test_processes_ignore_the_signals_that_stop_a_run(processes, tmp_path):
    processes.submit(str(tmp_path / "first")).result(timeout=60)
    child = int((tmp_path / "first").read_text().split()[0])
    for number in 2 * STOP_SIGNALS:
        os.kill(child, number)
    for future in [processes.submit(str(tmp_path / str(number))) for number in range(4)]:
        future.result(timeout=60)


def test_a_killed_process_fails_the_open_tasks(tmp_path):
    workers = ProcessWorkers(answer, 1)
    workers.submit(str(tmp_path / "child")).result(timeout=60)
    open_task = workers.submit("slow")
    os.kill(int((tmp_path / "child").read_text().split()[0]), signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="process died"):
        open_task.result(timeout=60)
    with pytest.raises(ChildProcessError, match="process died"):
        workers.submit("any").result(timeout=60)
    workers.close()


PARENT = """
import sys, time
from pycls.datasets.workers.processes import ProcessWorkers
from tests.helpers.tasks import answer
if __name__ == "__main__":
    workers = ProcessWorkers(answer, 1)
    workers.submit(sys.argv[1]).result()
    print("ready", flush=True)
    {then}
"""


def _start_parent(folder: Path, then: str) -> subprocess.Popen:
    """Start a program with one child process, which notes its number in `folder`/child, and wait until it is ready."""
    (folder / "parent.py").write_text(PARENT.format(then=then))
    temporary = folder / ("temporary" * 12)  # longer than the name of a socket may be
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary)}
    command = [sys.executable, str(folder / "parent.py"), str(folder / "child")]
    parent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n", parent.communicate()[1].decode()
    return parent


def test_processes_end_when_their_parent_is_killed(tmp_path):
    with _start_parent(tmp_path, "time.sleep(60)") as parent:
        child = int((tmp_path / "child").read_text().split()[0])
        assert not _named_files(parent.pid) | _named_files(child), "nothing could stay there"
        parent.kill()
    assert _ends(child, within_sec=20)
    assert not list((tmp_path / ("temporary" * 12)).iterdir())


def _named_files(process: int) -> set[str]:
    """Return the files in shared memory that a process uses and that have a name: multiprocessing's semaphores, say."""
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    return {line.split(None, 5)[5] for line in lines if "/dev/shm/" in line and not line.endswith("(deleted)")}


def test_a_program_that_fails_without_closing_ends_and_so_do_its_processes(tmp_path):
    with _start_parent(tmp_path, "raise KeyError('trouble')") as parent:
        assert parent.wait(timeout=60) == 1
    assert _ends(int((tmp_path / "child").read_text().split()[0]), within_sec=20)


def _ends(process: int, within_sec: float) -> bool:
    deadline = time.monotonic() + within_sec
    while time.monotonic() < deadline:
        if not _is_alive(process):
            return True
        time.sleep(0.05)
    return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat")  # a zombie waits for its new parent to collect it
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_work_of_an_abandoned_epoch_does_not_reach_the_next_one(mode, tmp_path):
    large = encode(Image.effect_noise((1600, 1200), 60).convert("RGB"))
    small = encode(Image.new("RGB", (40, 40), (9, 9, 9)), "PNG")
    samples = write_files(tmp_path, {"large.JPEG": large, "small.png": small})
    backend = make_backend("custom", samples, make_view(size=32), worker_mode=mode)
    first, second = [np.array([1]), np.array([1]), np.array([0] * 6)], [np.array([1] * 6)] * 3
    next(backend.batches(0, first))  # one worker is left with the last batch, the other is free
    *_, last = backend.batches(1, second)
    backend.close()  # waits for whatever is still being written
    assert (last == 9).all()


def test_processes_show_the_same_pixels_as_threads_and_name_a_broken_file(photographs, tmp_path):
    view, batches = make_view(size=64), [range(0, 10), range(10, 21)]
    broken = write_files(tmp_path, {"text.JPEG": b"no image"})
    samples = FileSamples("/", *_joined(photographs, broken))
    results = []
    for mode in ("threads", "processes"):
        backend = make_backend("custom", samples, view, worker_mode=mode)
        results.append(draw(backend, 0, batches))
        with pytest.raises(ValueError, match=r"text\.JPEG: "):
            draw(backend, 1, [[0, 1], [2, len(photographs)], [3]])
        results.append(draw(backend, 1, batches))
        backend.close()
    assert (results[0] == results[2]).all() and (results[1] == results[3]).all()


def _joined(*parts: FileSamples) -> tuple[Names, np.ndarray, tuple[str, ...]]:
    names = [part.name(index)[1:] for part in parts for index in range(len(part))]
    return pack_names(names), np.zeros(len(names), np.int64), ("photo",)


def test_the_torch_workers_end_with_the_backend_even_while_an_error_is_handled(tmp_path):
    samples = write_files(tmp_path, {"text.JPEG": b"no image"})
    backend = make_backend("torch", samples, make_view(size=32), 2)
    with pytest.raises(ValueError, match=r"text\.JPEG") as error:
        draw(backend, 0, [[0]])
    pids = torch_workers(backend)
    backend.close()
    assert error.tb is not None, "the traceback holds torch's iterator"
    assert all(pids) and not any(Path(f"/proc/{pid}").exists() for pid in pids)


UNCLOSED = """
import sys
import numpy as np
from pathlib import Path
from pycls.datasets.readers.image_folder import load_folder
from tests.helpers.backends import make_backend, make_view, torch_workers
if __name__ == "__main__":
    backend = make_backend("torch", load_folder(Path(sys.argv[1]), "train"), make_view(size=32), 2)
    next(backend.batches(0, [np.array([0]), np.array([0])]))
    print(*torch_workers(backend), flush=True)
    {then}
"""


def _start_torch_program(folder: Path, then: str) -> subprocess.Popen:
    (folder / "train" / "a").mkdir(parents=True)
    (folder / "train" / "a" / "0.JPEG").write_bytes(encode(Image.new("RGB", (40, 40))))
    (folder / "program.py").write_text(UNCLOSED.format(then=then))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYCLS_CACHE_DIR": str(folder)}
    command = [sys.executable, str(folder / "program.py"), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("killed", [False, True])
def test_a_program_that_does_not_close_the_torch_backend_ends_and_so_do_its_workers(killed, tmp_path):
    with _start_torch_program(tmp_path, then="import time; time.sleep(60)" if killed else "") as program:
        workers = [int(pid) for pid in program.stdout.readline().split()]
        if killed:
            assert not set().union(*map(_named_files, (program.pid, *workers)))
            program.kill()
        assert program.wait(timeout=60) == (-signal.SIGKILL if killed else 0)
    assert len(workers) == 2 and all(_ends(pid, within_sec=20) for pid in workers)


@pytest.mark.parametrize(
    "mode, num_workers, chosen",
    [("auto", 0, "threads"), ("auto", 16, "threads"), ("auto", 17, "processes"), ("threads", 64, "threads")],
)
def test_many_workers_are_processes_unless_threads_are_asked_for(mode, num_workers, chosen):
    assert choose_mode(mode, num_workers) == chosen
