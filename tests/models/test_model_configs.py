"""Every shipped config loads, builds, and is what its header says."""

import re

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.models.complexity import complexity
from tests.helpers.model_records import load_record, load_zoo
from tests.helpers.paths import CONFIGS

FILES = sorted(CONFIGS.rglob("*.yaml"))
NAMES = [str(path.relative_to(CONFIGS)) for path in FILES]
BASELINES = sorted((CONFIGS / "baselines").glob("*.yaml"))

COUNTS = load_zoo("zoo_counts.json")  # MODEL_ZOO.md's
MODELS = load_record("pycls_models.json")
PUBLISHED = {
    name.split("/")[-1].replace("-1x64d", "").split("_dds")[0]: r for name, r in MODELS.items() if "dds_" in name
}
PUBLISHED |= {f"R-{depth}-cifar": MODELS[f"archive/cifar/resnet/R-{depth}_nds_1gpu.yaml"] for depth in (56, 110)}


def count(cfg):
    """Return the complexity of a config's network."""
    with torch.device("meta"):
        return complexity(build_model(cfg), cfg.TRAIN.IM_SIZE)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_config_builds_and_is_short(path):
    lines = path.read_text().splitlines()
    of_pycls = str(path.relative_to(CONFIGS)) in MODELS  # these are built by test_model_parity.py
    assert len(lines) <= (64 if of_pycls else 45) and max(map(len, lines)) <= 120
    assert f"--cfg {path.relative_to(CONFIGS.parent)}" in "\n".join(lines), "the header gives the command"
    words = ["MODEL.NUM_CLASSES", "1000"] if "  NUM_CLASSES: 0" in lines else []  # left to the data
    counts = MODELS[str(path.relative_to(CONFIGS))]["complexity"] if of_pycls else count(load_cfg(str(path), words))
    assert counts == COUNTS[str(path.relative_to(CONFIGS.parent))]["macs"], "run python tools/model_zoo.py"


@pytest.mark.parametrize("path", [*BASELINES, *sorted((CONFIGS / "cifar").glob("*.yaml"))], ids=lambda path: path.stem)
def test_network_is_the_published_one(path):
    record = PUBLISHED[path.stem + ("-cifar" if path.parent.name == "cifar" else "")]
    cfg = load_cfg(str(path))
    im_size = cfg.TRAIN.IM_SIZE
    assert im_size == record["im_size"]
    assert count(cfg) == record["complexity"]


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_recipe_is_the_published_one(path):
    cfg, header = load_cfg(str(path)), path.read_text().split("MODEL:")[0]
    assert f"{PUBLISHED[path.stem]['published_top1_err']} % top-1 error" in header and "arXiv" in header
    reference_lr, decay = (0.2, 1e-5) if cfg.MODEL.TYPE == "effnet" else (0.1, 5e-5)
    base_lr, weight_decay = cfg.OPTIM.BASE_LR, cfg.OPTIM.WEIGHT_DECAY
    assert base_lr == pytest.approx(reference_lr * cfg.TRAIN.BATCH_SIZE / 128)
    assert weight_decay == decay
    assert (cfg.OPTIM.LR_POLICY, cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.WARMUP_EPOCHS) == ("cos", 100, 5)
    flops = float(re.search(r"([\d.]+) B multiply-adds", " ".join(header.replace("#", " ").split())).group(1))
    assert flops == round(PUBLISHED[path.stem]["complexity"]["flops"] / 1e9, 1)
