"""What compare_loaders measures with, against things that are known."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from pycls.core.config import load_cfg
from pycls.datasets.readers.subset import choose
from pycls.loader_benchmark.measure import page_cache, process_tree, runner
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.pytorch_cls_table import memory_copy
from pycls.loader_benchmark.report.pixel_differences import FACTOR, amplified
from pycls.loader_benchmark.sources import find_sources, load_samples
from tests.helpers.photographs import write_files

_BURN = "import time\nwhile time.process_time() < {}: pass\nprint('done', flush=True)\ntime.sleep(60)"
_HOLD = "data = bytearray({})\nprint('done', flush=True)\nimport time; time.sleep(60)"


def child(code):
    """Start a Python process and wait for its first word."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "done\n"
    return process


def test_processor_time_of_living_children_counts():
    before = process_tree.cpu_seconds(process_tree.tree())
    burner = child(_BURN.format(0.3))
    try:
        spent = process_tree.cpu_spent(before, process_tree.cpu_seconds(process_tree.tree()))
    finally:
        burner.kill()
        burner.wait()
    assert 0.28 <= spent < 5  # to 10 ms a process
    assert process_tree.cpu_spent({1: 5.0}, {1: 7.0, 2: 1.5}) == 3.5


def test_own_processor_time_agrees_with_the_library():
    mine = process_tree.cpu_seconds(process_tree.tree()[:1])[os.getpid()]
    assert mine == pytest.approx(time.process_time(), abs=0.05)


def test_peak_memory_sees_a_child():
    with process_tree.PeakMemory(0.01) as memory:
        memory.look()
        alone = memory.mb
        holder = child(_HOLD.format(200_000_000))
        memory.look()
        holder.kill()
        holder.wait()
    assert 200 <= memory.mb - alone < 260 and memory.kind in ("PSS", "RSS")


def test_a_process_that_has_ended_counts_no_more():
    burner = child(_BURN.format(0.0))
    processes = process_tree.tree()
    assert burner.pid in process_tree.cpu_seconds(processes)
    burner.kill()
    burner.wait()
    assert burner.pid not in process_tree.cpu_seconds(processes) and burner.pid not in process_tree.cpu_seconds(
        process_tree.tree()
    )
    assert process_tree.memory_mb(processes)[0] > 0


def test_where_shared_memory_is_not_told_it_counts_in_each(monkeypatch):
    def refuse(process):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    mb, kind = process_tree.memory_mb(process_tree.tree()[:1])
    assert kind == "RSS" and mb == pytest.approx(psutil.Process().memory_info().rss / 1e6, rel=0.1)


def test_the_machine_works_at_least_as_much_as_one_process():
    before, start = process_tree.busy_seconds(), time.process_time()
    while time.process_time() - start < 0.2:
        pass
    assert process_tree.busy_seconds() - before >= 0.1


def test_dropped_files_are_out_of_the_cache(tmp_path):
    file = tmp_path / "photo"
    file.write_bytes(os.urandom(300_000))
    if page_cache.cached_fraction([str(file)]) != 1.0:
        pytest.skip("this file system does not tell")
    if page_cache.cold_reason([str(file)]):
        pytest.skip("this file system keeps files in memory")
    assert page_cache.cached_fraction([str(file)]) < 0.05
    file.read_bytes()
    assert page_cache.cached_fraction([str(file)]) == 1.0


def test_an_image_in_an_archive_leads_to_the_archive(tmp_path):
    archive = tmp_path / "train-000001.tar"
    archive.write_bytes(b"x")
    assert page_cache.file_of(str(archive / "class" / "image.JPEG")) == str(archive)
    assert page_cache.file_of(str(archive)) == str(archive)


def test_subset_repeats_few_files(tmp_path):
    samples = write_files(tmp_path, {f"{i}.JPEG": bytes([i]) for i in range(9)})
    subset = choose(samples, 4, 10)
    read = [subset.read(i)[0] for i in range(10)]
    assert len(subset) == 10 and len(set(read)) == 4 and read[:4] == read[4:8]
    assert subset.name(0).endswith(f"{read[0]}.JPEG") and subset.labels.tolist() == [0] * 10


def tree_of(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("names", "flat", "root"),
    [
        (("cat/1.jpg", "dog/1.jpg"), True, ""),
        (("dog/1.jpg", "train/1.jpg"), True, ""),
        (("train/cat/1.jpg", "val/cat/1.jpg"), False, "train"),
        (("val/cat/1.jpg",), False, "val"),
        (("imagenet/train/cat/1.jpg",), False, "imagenet/train"),
    ],
)
def test_folders_with_and_without_splits(tmp_path, names, flat, root):
    folder = tree_of(tmp_path / "photos", *names)
    cfg = load_cfg(None, [])
    (source,) = find_sources(cfg, [str(folder)])
    samples = load_samples(load_cfg(None, source.overrides()), source.flat)
    assert source.flat == flat and samples.root == str(folder / root).rstrip("/") and samples.read(0) == b"x"


def test_bad_folders_are_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is not a folder"):
        find_sources(load_cfg(None, []), ["nowhere"])
    with pytest.raises(ValueError, match=r"cifar10 is array data"):
        find_sources(load_cfg(None, ["TRAIN.DATASET", "cifar10"]), [])
    (source,) = find_sources(load_cfg(None, []), [str(tmp_path)])
    with pytest.raises(ValueError, match="holds no images: expected <class>/<image>"):
        load_samples(load_cfg(None, source.overrides()), source.flat)


def test_memory_copy_is_a_copy_and_goes_away(tmp_path):
    folder = tree_of(tmp_path / "photos", "cat/1.jpg")
    (source,) = find_sources(load_cfg(None, []), [str(folder)])
    with memory_copy(load_samples(load_cfg(None, source.overrides()), source.flat)) as (copy, reason):
        if copy is None:
            pytest.skip(reason)
        assert (copy / "cat" / "1.jpg").read_bytes() == b"x" and "shm" in str(copy)
    assert not copy.exists()


def test_amplified_differences_are_dark():
    shades = amplified(np.array([0, 1, 3, 255], np.int16))
    assert shades.tolist() == [255, 255 - FACTOR, 255 - 3 * FACTOR, 0] and shades.dtype == np.uint8


def task(**changes):
    return Task(**{"kind": "loader", "cfg_file": "", "overrides": []} | changes)


def test_a_cell_that_fails_answers_with_its_error(monkeypatch):
    assert "no-such.yaml" in runner.run_task(task(cfg_file="no-such.yaml"))["error"]
    monkeypatch.setattr(runner, "_PROGRAM", "import os; os.kill(os.getpid(), 9)")
    assert runner.run_task(task())["error"] == f"killed by {signal.Signals.SIGKILL.name}"
    monkeypatch.setattr(runner, "_PROGRAM", "raise SystemExit('something odd')")
    assert runner.run_task(task())["error"] == "ended with exit code 1: something odd"
    monkeypatch.setattr(runner, "_PROGRAM", "import time; time.sleep(60)")
    assert runner.run_task(task(), timeout_sec=0.5)["error"].startswith("no result within")
