"""A network for images of 16 x 28 px from the command line: train, evaluate, predict, export, info, time, compare."""

import json

import pytest
import torch

from tests.helpers.photographs import load
from tests.helpers.runs import run_tool_here
from tests.helpers.tree_runs import info_words, losses, place_of, train_words

SIZE = {"TRAIN__IM_SIZE": [16, 28], "TEST__IM_SIZE": [18, 30]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with photographs, `data`, and a run on them, `run`."""
    folder = tmp_path_factory.mktemp("rectangles")
    photo = load("astronaut.png")
    for number in range(48):
        left, top = 50 * (number % 8), 50 * (number // 8)
        photo.crop((left, top, left + 44, top + 30)).save(place_of(folder / "data", number, "jpg"))
    done = run_tool_here("train_net.py", *train_words(folder / "data", folder / "run", **SIZE))
    assert done.returncode == 0, done.stderr
    return folder


def test_it_trains_evaluates_and_predicts(folder, tmp_path):
    weights = folder / "run/checkpoints/last.pyth"
    assert torch.load(weights)["pixels"]["train_im_size"] == [16, 28]
    words = train_words(folder / "data", tmp_path / "test", TEST__WEIGHTS=weights, **SIZE)
    done = run_tool_here("test_net.py", *words)
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "test/test.json").read_text())
    assert any(loss == pytest.approx(again["loss"]) for loss in losses(folder / "run"))
    done = run_tool_here("predict.py", folder / "data/val", "--weights", weights)
    assert done.returncode == 0 and done.stdout.count(".jpg: ") == 24


def test_it_is_exported_with_its_sides(folder, tmp_path):
    out = tmp_path / "net.pt2"
    done = run_tool_here("export.py", folder / "run/checkpoints/last.pyth", out, "--format", "torch")
    assert done.returncode == 0, done.stderr
    texts = {"pixels.txt": ""}
    assert torch.export.load(out, extra_files=texts).module()(torch.rand(2, 3, 16, 28)).shape == (2, 2)
    pixels = json.loads(texts["pixels.txt"])
    assert pixels["center_crop"] == [16, 28] and pixels["resize_to_cover"] == [18, 30]
    assert "(N, 3, 16, 28)" in pixels["input"]


def test_info_and_time(folder, tmp_path):
    done = run_tool_here("info_net.py", *info_words(train_words(folder / "data", tmp_path / "out", **SIZE)))
    assert done.returncode == 0 and "16 x 28 px" in done.stdout, done.stderr
    few = {"PREC_TIME__NUM_ITER": 1, "PREC_TIME__WARMUP_ITER": 1}
    done = run_tool_here("time_net.py", *train_words(folder / "data", tmp_path / "out", **SIZE | few))
    assert done.returncode == 0 and "16 x 28 px" in done.stdout + done.stderr, done.stderr


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"TRAIN__IM_SIZE_SCHEDULE": [[0, 32], [1, 64]]}, "TRAIN.IM_SIZE_SCHEDULE is for squares"),
        ({"TRAIN__CROP_STYLE": "pycls"}, "TRAIN.CROP_STYLE pycls crops for squares only"),
        ({"TEST__IM_SIZE": 20}, "TEST.IM_SIZE = 20 is smaller than TRAIN.IM_SIZE = [16, 28]"),
        ({"DATA_LOADER__JPEG": "c"}, "DATA_LOADER.JPEG: 'c' shows squares"),
    ],
)
def test_what_is_for_squares_says_so(keys, words, folder, tmp_path):
    done = run_tool_here("train_net.py", *train_words(folder / "data", tmp_path / "run", **SIZE | keys))
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
