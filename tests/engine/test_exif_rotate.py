"""DATA_LOADER.EXIF_ROTATE from the command line: folders, packed data, prediction, what a checkpoint keeps."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pycls.core.config import load_cfg
from pycls.engine.checks import check_dataset
from tests.helpers.photographs import load
from tests.helpers.runs import run_tool_here
from tests.helpers.tree_runs import losses, place_of, train_words

# Orientation -> how a camera that was held so stores the picture: the inverse of what turns it upright.
STORED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}
ON = {"DATA_LOADER__EXIF_ROTATE": True}


def _write(folder: Path, turned: bool) -> None:
    photo = load("astronaut.png")
    for number in range(48):
        left, top = 50 * (number % 8), 50 * (number // 8)
        image, orientation = photo.crop((left, top, left + 44, top + 30)), 1 + number % 8 if turned else 1
        exif = Image.Exif()
        exif[0x0112] = orientation
        STORED[orientation](image).save(place_of(folder, number, "png"), exif=exif)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the same photographs `upright` and `turned`, and a finished run on the upright ones."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("upright", "turned"):
        _write(folder / name, name == "turned")
    assert run_tool_here("train_net.py", *train_words(folder / "upright", folder / "run")).returncode == 0
    return folder


def test_a_run_on_turned_photographs_is_that_on_upright_ones(folder, tmp_path):
    done = run_tool_here("train_net.py", *train_words(folder / "turned", tmp_path / "run", **ON))
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run") == losses(folder / "run") != []
    assert run_tool_here("pack_data.py", folder / "turned", tmp_path / "packed").returncode == 0
    done = run_tool_here("train_net.py", *train_words(tmp_path / "packed", tmp_path / "run_packed", **ON))
    assert losses(tmp_path / "run_packed") == losses(folder / "run"), done.stderr
    # Without it the photographs lie on their sides.
    run_tool_here("train_net.py", *train_words(folder / "turned", tmp_path / "off"))
    assert losses(tmp_path / "off") != losses(folder / "run")


def test_the_checkpoint_says_it_and_prediction_does_it(folder, tmp_path):
    run_tool_here("train_net.py", *train_words(folder / "turned", tmp_path / "run", **ON))
    weights, found = tmp_path / "run/checkpoints/last.pyth", {}
    for name in ("upright", "turned"):
        file = tmp_path / f"{name}.jsonl"
        done = run_tool_here("predict.py", folder / name / "val", "--weights", weights, "--jsonl", file)
        assert done.returncode == 0, done.stderr
        found[name] = [json.loads(line)["top"] for line in file.read_text().splitlines()]
    assert found["upright"] == found["turned"]
    words = train_words(folder / "turned", tmp_path / "test", TEST__WEIGHTS=weights)
    done = run_tool_here("test_net.py", *words)
    assert "was made with exif_rotate True, now it is False" in done.stdout + done.stderr
    assert "exif_rotate" not in run_tool_here("test_net.py", *words, "DATA_LOADER.EXIF_ROTATE", "True").stdout


def test_packing_smaller_keeps_the_orientation(folder, tmp_path):
    done = run_tool_here("pack_data.py", folder / "turned", tmp_path / "packed", "--max-side", "24")
    assert done.returncode == 0, done.stderr
    for name in ("upright", "turned"):
        run_tool_here("pack_data.py", folder / name, tmp_path / name, "--max-side", "24", "--quality", "100")
        run_tool_here("train_net.py", *train_words(tmp_path / name, tmp_path / f"run_{name}", **ON))
    assert np.allclose(losses(tmp_path / "run_upright"), losses(tmp_path / "run_turned"), atol=0.02)


def test_array_data_refuse_it():
    words = ["TRAIN.DATASET", "cifar10", "TRAIN.IM_SIZE", "32", "DATA_LOADER.EXIF_ROTATE", "True"]
    with pytest.raises(ValueError, match=r"DATA_LOADER\.EXIF_ROTATE True: cifar10 is array data"):
        check_dataset(load_cfg(None, words), "TRAIN")
