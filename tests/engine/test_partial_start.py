"""Weights that fit in part, or hold no numbers, in the commands that take weights."""

import pytest
import torch
from PIL import Image
from torchvision.models.resnet import BasicBlock, ResNet

from pycls.core.config import dump_cfg
from pycls.engine.setup import pixel_contract
from pycls.models import build_model
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    cfg = tiny_cfg("unused")
    state = build_model(cfg).state_dict()
    classes = [str(digit) for digit in range(10)]
    return {"model_state": state, "cfg": dump_cfg(cfg), "pixels": pixel_contract(cfg), "classes": classes}


def changed(network, path, change):
    tensors = {name: value.clone() for name, value in network["model_state"].items()}
    change(tensors)
    torch.save(network | {"model_state": tensors}, path)
    return path


def without_stem(tensors):
    del tensors["stem.conv.weight"]


def with_nan(tensors):
    tensors["s2.b1.f.b_bn.running_mean"][1] = float("nan")


def start(out_dir, weights, **keys):
    keys = {"OPTIM__MAX_EPOCH": 1, "TRAIN__WEIGHTS": weights, "TEST__SPLIT": "none"} | keys
    return run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(out_dir, **keys))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without_stem, "1 tensors missing (stem.conv.weight)"),
        (with_nan, "s2.b1.f.b_bn.running_mean has NaN"),
    ],
)
def test_a_training_does_not_start_from_a_part(network, tmp_path, change, named):
    done = start(tmp_path / "run", changed(network, tmp_path / "part.pyth", change))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    said = (named, "part.pyth: fits the network only in part", "TRAIN.WEIGHTS_PARTIAL True")
    assert all(words in done.stderr for words in said)
    assert not (tmp_path / "run").exists(), "nothing is written"


def test_but_it_does_when_told_to(network, tmp_path):
    weights = changed(network, tmp_path / "part.pyth", lambda tensors: (without_stem(tensors), with_nan(tensors)))
    done = start(tmp_path / "run", weights, TRAIN__WEIGHTS_PARTIAL=True, BN__USE_PRECISE_STATS=False)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "run/stdout.log").read_text()
    assert "In the network only, keeps its fresh values: stem.conv (1)" in log
    assert "Left out for its numbers: s2.b1.f.b_bn.running_mean has NaN or infinite numbers" in log


def test_frozen_parts_do_not_keep_random_weights(network, tmp_path):
    weights = changed(network, tmp_path / "part.pyth", without_stem)
    done = start(tmp_path / "run", weights, TRAIN__WEIGHTS_PARTIAL=True, TRAIN__FROZEN="['stem']")
    assert done.returncode == 2 and "TRAIN.FROZEN stem would keep random weights" in done.stderr
    assert "part.pyth has nothing for stem." in done.stderr


def test_the_key_needs_weights(tmp_path):
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "run", TRAIN__WEIGHTS_PARTIAL=True))
    assert done.returncode == 2 and "TRAIN.WEIGHTS_PARTIAL" in done.stderr and "TRAIN.WEIGHTS" in done.stderr


@pytest.mark.parametrize("change", [without_stem, with_nan])
@pytest.mark.parametrize("tool", ["test_net", "predict", "export", "convert_weights"])
def test_nothing_else_takes_such_weights(network, tmp_path, tool, change):
    weights, out = changed(network, tmp_path / "part.pyth", change), tmp_path / "out"
    words = {
        "test_net": ["--cfg", DIGITS, *tiny_words(out, TEST__WEIGHTS=weights)],
        "predict": [tmp_path, "--weights", weights],
        "export": [weights, out / "a.pt2", "--format", "torch"],
        "convert_weights": [weights, out / "a.safetensors", "--to", "safetensors"],
    }[tool]
    done = run_tool_here(f"{tool}.py", *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "part.pyth: not the weights of this network" in done.stderr, done.stderr
    assert not out.exists()


def test_what_a_file_leaves_open_is_told(tmp_path):
    """timm's resnetblur has the names of torchvision's ResNet, of which this is a small one."""
    net = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)
    weights = tmp_path / "a.pth"
    torch.save({name: torch.zeros_like(value) for name, value in net.state_dict().items()}, weights)
    keys = {"ANYNET__DEPTHS": [1] * 4, "ANYNET__WIDTHS": [64, 128, 256, 512], "ANYNET__STRIDES": [1, 2, 2, 2]}
    keys |= {"ANYNET__STEM_TYPE": "res_stem_in", "ANYNET__STEM_W": 64, "TRAIN__IM_SIZE": 32, "TEST__IM_SIZE": 32}
    words = ["--cfg", DIGITS, *tiny_words(tmp_path / "run", **keys)]
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    done = run_tool_here("predict.py", tmp_path / "image.png", "--weights", weights, *without_out_dir(words))
    assert done.returncode == 0 and "taken for a plain ResNet" in done.stderr, done.stderr
    done = run_tool_here("test_net.py", *words, "TEST.WEIGHTS", weights)
    assert done.returncode == 0 and "taken for a plain ResNet" in (tmp_path / "run/stdout.log").read_text()


def without_out_dir(words):
    place = words.index("OUT_DIR")
    return words[:place] + words[place + 2 :]
