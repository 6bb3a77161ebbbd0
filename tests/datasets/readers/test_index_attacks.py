"""Damaged and crafted packed indexes and caches of lists: no wrong label, no traceback, nothing called verified."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks.reliability.lists.index_attacks import (
    craft,
    flip_bits,
    folder_cache_attacks,
    packed_index_attacks,
    wrong_but_possible_attacks,
)
from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.verify import verify_packed
from pycls.dataset_tools.packing.writer import pack_split
from pycls.datasets.readers import folder_cache
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.tar import load_packed
from tests.helpers.runs import run_tool_here


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of three classes, packed, with a cached list."""
    top, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (top / "data/train" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 255, (9 + number, 11, 3), np.uint8)
            Image.fromarray(pixels).save(top / "data/train" / name / f"{number}.png")
    (top / "data/train/a/notes.txt").write_text("")
    for folder, _, _ in os.walk(top / "data"):
        os.utime(folder, (1e9, 1e9))
    samples = load_folder(top / "data", "train")
    (top / "packed").mkdir()
    pack_split(samples, top / "packed", "train", PackOptions(), 1)
    tree = folder_cache.load_tree(top / "data/train")
    folder_cache._save_cache(tree, (top / "cache",))
    assert folder_cache._load_cache(top / "cache").paths[11] == "c/3.png"
    return top


@pytest.fixture
def packed(made, tmp_path):
    return shutil.copytree(made / "packed", tmp_path / "packed") / "train.index"


def test_every_flipped_bit_of_an_index_is_seen(packed):
    for what in flip_bits(packed, 80):
        with pytest.raises(ValueError, match=r"train\.index") as caught:
            load_packed(packed)
            pytest.fail(what)
        assert "\n" not in str(caught.value)
    assert verify_packed(packed, 1) == []


@pytest.mark.parametrize("name", packed_index_attacks())
def test_a_crafted_index_is_refused_in_one_line(made, packed, name):
    craft(made / "packed/train.index", packed, packed_index_attacks()[name])
    with pytest.raises(ValueError, match=r"train\.index") as caught:
        load_packed(packed)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", wrong_but_possible_attacks())
def test_verifying_looks_into_the_tars(made, packed, name):
    craft(made / "packed/train.index", packed, wrong_but_possible_attacks()[name])
    load_packed(packed)
    done = run_tool_here("pack_data.py", packed.parent, "--verify")
    assert done.returncode == 1 and "1 problems" in done.stdout.replace("3 problems", "1 problems")


def test_a_flipped_bit_is_one_line_of_training_and_of_verifying(packed):
    (packed / "labels.npy").write_bytes((packed / "labels.npy").read_bytes()[:-8] + b"\1" + bytes(7))
    done = run_tool_here("pack_data.py", packed.parent, "--verify")
    assert done.returncode == 2 and "labels.npy is damaged: its checksum is wrong" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_cache_is_no_cache(made, tmp_path):
    cache = shutil.copytree(made / "cache", tmp_path / "cache")
    for what in flip_bits(cache, 120):
        assert folder_cache._load_cache(cache) is None, what
    assert folder_cache._load_cache(cache) is not None


@pytest.mark.parametrize("name", folder_cache_attacks())
def test_a_crafted_cache_is_no_cache(made, tmp_path, name):
    assert folder_cache._load_cache(craft(made / "cache", tmp_path / "cache", folder_cache_attacks()[name])) is None
