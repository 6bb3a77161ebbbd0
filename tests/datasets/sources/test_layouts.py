"""The same images in every layout are the same samples: classes, labels and bytes, for training and evaluation."""

import pickle
from collections import Counter

import pytest

from pycls.core.config import load_cfg
from pycls.dataset_tools import validation
from pycls.datasets import build_samples
from pycls.loader_benchmark.sources import find_sources, load_samples
from tests.helpers.layouts import CLASSES, LAYOUTS, images, layout_words, write_tars
from tests.helpers.runs import run_tool_here
from tests.helpers.threads import ThreadWorkers


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(validation, "ProcessWorkers", ThreadWorkers)  # spares seconds


def shown(samples) -> Counter:
    return Counter((samples.classes[samples.labels[i]], samples.read(i)) for i in range(len(samples)))


def truth(split: str) -> Counter:
    return Counter((label, data) for label, _, data in images()[split])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_images(layout, tmp_path):
    cfg = load_cfg(None, layout_words(layout, tmp_path / "data"))
    for phase, split in (("train", "train"), ("test", "val")):
        samples = build_samples(cfg, phase)
        assert samples.classes == CLASSES
        assert shown(samples) == truth(split)
        assert shown(pickle.loads(pickle.dumps(samples))) == truth(split)  # as workers get it
        kept = samples.select(samples.labels != 1)
        assert shown(kept) == Counter({one: n for one, n in truth(split).items() if one[0] != "bee"})
        assert len({samples.key(i) for i in range(len(samples))}) == len(samples)
        assert samples.key(0).startswith(f"{samples.split}/")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_check_data_and_compare_loaders_read_every_layout(layout, tmp_path):
    words = layout_words(layout, tmp_path / "data")
    done = run_tool_here("check_data.py", words[1], "--out", tmp_path / "checked")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Images: 18 in " in done.stdout and ", 6 in " in done.stdout
    cfg = load_cfg(None, words)
    (source,) = find_sources(cfg, [words[1]])
    assert not source.flat
    samples = load_samples(load_cfg(None, [*source.overrides(), "MODEL.NUM_CLASSES", "3"]), source.flat)
    assert Counter(samples.read(i) for i in range(len(samples))) == Counter(d for _, _, d in images()["train"])


def test_check_data_reads_tars_of_any_name(tmp_path):
    """They are no split by their name alone, but by TRAIN.SPLIT; training reads them so, too."""
    write_tars(tmp_path / "data")
    for number in range(2):
        (tmp_path / f"data/train-{number:06d}.tar").rename(tmp_path / f"data/herbs-{number:06d}.tar")
        (tmp_path / f"data/val-{number:06d}.tar").unlink()
    words = [tmp_path / "data", "TRAIN.SPLIT", "herbs", "TEST.SPLIT", "none"]
    done = run_tool_here("check_data.py", *words, "--out", tmp_path / "checked")
    assert done.returncode == 0 and "Images: 18 in herbs\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("layout", ["Train and VALID", "one list", "two lists"])
def test_pack_data_packs_files_of_every_layout(layout, tmp_path):
    words = layout_words(layout, tmp_path / "data")
    done = run_tool_here("pack_data.py", words[1], tmp_path / "packed", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    cfg = load_cfg(None, ["DATA_DIR", str(tmp_path / "packed"), *words[2:]])
    for phase, split in (("train", "train"), ("test", "val")):
        assert shown(build_samples(cfg, phase)) == truth(split)


def test_tars_are_not_packed_again(tmp_path):
    words = layout_words("tars with names", tmp_path / "data")
    done = run_tool_here("pack_data.py", words[1], tmp_path / "packed")
    assert done.returncode == 2 and "is packed in tars already" in done.stderr and not (tmp_path / "packed").exists()
