"""Networks of one and four channels from the command line: train, evaluate, finetune, predict, export, info."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.photographs import load
from tests.helpers.runs import run_tool_here
from tests.helpers.tree_runs import info_words, losses, place_of, train_words

GRAY, ALPHA = {"DATA_LOADER__CHANNELS": 1}, {"DATA_LOADER__CHANNELS": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with photographs that differ in alpha only, `alpha`, and gray ones, `gray`; both trained on."""
    folder = tmp_path_factory.mktemp("channels")
    photo = load("camera.png").convert("L")
    for number in range(48):
        gray = photo.crop((40 * (number % 8), 40 * (number // 8), 40 * (number % 8) + 30, 40 * (number // 8) + 24))
        gray.save(place_of(folder / "gray", number, "png"))
        color = Image.new("RGBA", (30, 24), (99, 9, 200, 255))
        color.putalpha(gray)
        color.save(place_of(folder / "alpha", number, "png"))
    for name, keys in (("gray", GRAY), ("alpha", ALPHA)):
        done = run_tool_here("train_net.py", *train_words(folder / name, folder / f"run_{name}", **keys))
        assert done.returncode == 0, done.stderr
    return folder


def _stem(path):
    return torch.load(path)["model_state"]["stem.conv.weight"]


@pytest.mark.parametrize("name, channels", [("gray", 1), ("alpha", 4)])
def test_a_checkpoint_knows_its_channels(name, channels, folder, tmp_path):
    weights = folder / f"run_{name}/checkpoints/last.pyth"
    assert _stem(weights).shape[1] == channels and torch.load(weights)["pixels"]["num_channels"] == channels
    words = train_words(folder / name, tmp_path / "test", TEST__WEIGHTS=weights)
    assert run_tool_here("test_net.py", *words, "DATA_LOADER.CHANNELS", channels).returncode == 0
    assert losses(folder / f"run_{name}")[-1] == pytest.approx(
        json.loads((tmp_path / "test/test.json").read_text())["loss"]
    )
    done = run_tool_here("test_net.py", *words)
    words = f"its network sees {channels} channels, DATA_LOADER.CHANNELS is 3: set it to {channels}"
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
    file = tmp_path / "a.jsonl"
    done = run_tool_here("predict.py", folder / name / "val", "--weights", weights, "--jsonl", file)
    assert (
        done.returncode == 0 and len({json.loads(line)["top"][0]["prob"] for line in file.read_text().splitlines()}) > 9
    )


def test_a_gray_run_is_the_same_in_every_backend(folder, tmp_path):
    for backend in ("torch", "dali_cpu"):
        if backend == "dali_cpu":
            pytest.importorskip("nvidia.dali")
        keys = GRAY | {"DATA_LOADER__BACKEND": backend, "OPTIM__BASE_LR": 0.01}
        done = run_tool_here("train_net.py", *train_words(folder / "gray", tmp_path / backend, **keys))
        assert done.returncode == 0, done.stderr
        assert np.allclose(losses(tmp_path / backend), losses(folder / "run_gray"), atol=0.2)


def test_finetuning_from_rgb_says_what_was_adapted(folder, tmp_path):
    still = {"OPTIM__BASE_LR": 1e-9, "OPTIM__WEIGHT_DECAY": 0.0, "OPTIM__EMA_ALPHA": 0.0}
    run_tool_here("train_net.py", *train_words(folder / "gray", tmp_path / "rgb", **still))
    start = {"TRAIN__WEIGHTS": tmp_path / "rgb/checkpoints/last.pyth"}
    done = run_tool_here("train_net.py", *train_words(folder / "gray", tmp_path / "run", **GRAY | still | start))
    assert "stem.conv.weight adapted from 3 input channels to 1 (summed over RGB)" in done.stdout + done.stderr
    wanted = _stem(tmp_path / "rgb/checkpoints/last.pyth").sum(1, keepdim=True)
    assert torch.allclose(_stem(tmp_path / "run/checkpoints/last.pyth"), wanted, atol=1e-5)


def test_export_has_the_channels(folder, tmp_path):
    weights, out = folder / "run_alpha/checkpoints/last.pyth", tmp_path / "net.pt2"
    done = run_tool_here("export.py", weights, out, "--format", "torch", "--images", folder / "alpha/val")
    assert done.returncode == 0, done.stderr
    texts = {"pixels.txt": ""}
    assert torch.export.load(out, extra_files=texts).module()(torch.rand(2, 4, 16, 16)).shape == (2, 2)
    assert json.loads(texts["pixels.txt"])["num_channels"] == 4


def test_info_and_time_take_them(folder, tmp_path):
    words = train_words(folder / "alpha", tmp_path / "info", **ALPHA)
    done = run_tool_here("info_net.py", *info_words(words))
    assert done.returncode == 0 and "8x16x16" in done.stdout, done.stderr
    few = {"PREC_TIME__NUM_ITER": 1, "PREC_TIME__WARMUP_ITER": 1}
    done = run_tool_here("time_net.py", *train_words(folder / "alpha", tmp_path / "time", **ALPHA | few))
    assert done.returncode == 0, done.stderr
