"""Training on images of more than 8 bits: the same run as on the 8-bit files that they stand for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.core.config import load_cfg
from pycls.engine.checks import check_dataset
from tests.helpers.photographs import load
from tests.helpers.runs import run_tool_here
from tests.helpers.tree_runs import losses, place_of, train_words

# How a file keeps gray levels 0 .. 255.
KINDS = {
    "eight": lambda gray: gray,
    "float": lambda gray: gray.astype(np.float32) / 255,
    "sixteen": lambda gray: gray.astype(np.uint16) * 256 + 77,
    "dim": lambda gray: gray.astype(np.uint16) + 3,  # 8 bits of light in 16
    "dim_float": lambda gray: ((gray.astype(np.uint16) + 3) / 65_535).astype(np.float32),
}


def write_tree(folder: Path, kind: str, ending: str = "tif") -> None:
    """Write train/ and val/ of two classes, 12 gray images each, cut out of a photograph."""
    photo = np.asarray(load("camera.png").convert("L"))
    for number in range(48):
        top, left = 40 * (number // 8), 40 * (number % 8)
        Image.fromarray(KINDS[kind](photo[top : top + 24, left : left + 30])).save(place_of(folder, number, ending))


@pytest.mark.parametrize("kind", ["float", "sixteen"])
def test_a_run_on_deep_images_is_that_on_their_eight_bits(kind, tmp_path):
    for name in ("eight", kind):
        write_tree(tmp_path / name, name)
        done = run_tool_here("train_net.py", *train_words(tmp_path / name, tmp_path / f"run_{name}"))
        assert done.returncode == 0, done.stderr
    assert losses(tmp_path / f"run_{kind}") == losses(tmp_path / "run_eight") != []
    said = (tmp_path / f"run_{kind}/stdout.log").read_text().count("0 to 1 is shown as gray levels 0 to 255")
    assert said == (2 if kind == "float" else 0)  # once for each split


def test_floats_beyond_0_and_1_end_the_run_and_the_check_with_the_name_of_the_file(tmp_path):
    write_tree(tmp_path / "data", "float")
    odd = tmp_path / "data/train/a/odd.tif"
    Image.fromarray(np.full((24, 30), 255, np.float32)).save(odd)
    done = run_tool_here("train_net.py", *train_words(tmp_path / "data", tmp_path / "run"))
    assert done.returncode != 0 and str(odd) in done.stderr and "expected 0 to 1" in done.stderr
    done = run_tool_here("check_data.py", tmp_path / "data", "--out", tmp_path / "checked")
    assert done.returncode == 1 and "train/a/odd.tif" in done.stdout and "float" in done.stdout


def test_full_depth_sees_what_eight_bits_show_black(tmp_path):
    scale = {"DATA_LOADER__MEAN": [0.002] * 3, "DATA_LOADER__STD": [0.001] * 3}
    full = {"DATA_LOADER__DEPTH": "full"} | scale
    for kind in ("dim", "dim_float"):
        write_tree(tmp_path / kind, kind)
        done = run_tool_here("train_net.py", *train_words(tmp_path / kind, tmp_path / f"run_{kind}", **full))
        assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run_dim") == pytest.approx(losses(tmp_path / "run_dim_float"), abs=1e-5)
    weights = tmp_path / "run_dim/checkpoints/last.pyth"
    assert torch.load(weights)["pixels"]["depth"] == "full"
    seen = {}
    for depth in ("full", "uint8"):
        file = tmp_path / f"{depth}.jsonl"
        words = [tmp_path / "dim/val", "--weights", weights, "--jsonl", file, "DATA_LOADER.DEPTH", depth]
        assert run_tool_here("predict.py", *words).returncode == 0
        seen[depth] = {json.loads(line)["top"][0]["prob"] for line in file.read_text().splitlines()}
    assert len(seen["full"]) == 24 and len(seen["uint8"]) < 6
    done = run_tool_here("test_net.py", *train_words(tmp_path / "dim", tmp_path / "test", TEST__WEIGHTS=weights))
    assert "was made with depth full, now it is uint8" in done.stdout + done.stderr


def test_full_depth_of_array_data_is_refused():
    words = ["TRAIN.DATASET", "cifar10", "TRAIN.IM_SIZE", "32", "DATA_LOADER.DEPTH", "full"]
    with pytest.raises(ValueError, match=r"DATA_LOADER\.DEPTH full: cifar10 is array data"):
        check_dataset(load_cfg(None, words), "TRAIN")
