"""The CutMix line's recipes differ from their baselines in nothing but the mixing, and say what was published."""

import pytest

from pycls.core.config import flatten, load_cfg
from tests.helpers.paths import CONFIGS

# Error in percent, and the mixing: CutMix paper, arXiv 1905.04899; probability 0.5 on CIFAR, always on ImageNet.
CIFAR = {"TRAIN.CUTMIX_ALPHA": 1.0, "TRAIN.MIX_PROB": 0.5}
PUBLISHED = {
    "cutmix/R-50-cutmix": ("21.40", "5.92", {"TRAIN.CUTMIX_ALPHA": 1.0}),
    "cutmix/R-110-cifar100-cutmix": ("20.11", "4.43", CIFAR),
    "pyramidnet/PyramidNet-110-a64-cifar100-cutmix": ("17.97", "3.83", CIFAR),
    "pyramidnet/PyramidNet-200-a240-cifar10-cutmix": ("2.88", None, CIFAR),
    "pyramidnet/PyramidNet-200-a240-cifar100-cutmix": ("14.47", "2.97", CIFAR),
    "pyramidnet/PyramidNet-200-a240-cifar10-mixup": ("3.09", None, {"TRAIN.MIXUP_ALPHA": 1.0}),
    "pyramidnet/PyramidNet-200-a240-cifar100-mixup": ("15.63", "3.99", {"TRAIN.MIXUP_ALPHA": 1.0}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_is_its_baseline_and_the_mixing(name):
    ours, plain = (dict(flatten(load_cfg(str(CONFIGS / f"{stem}.yaml")))) for stem in (name, name.rsplit("-", 1)[0]))
    changed = {key: value for key, value in ours.items() if plain[key] != value and key != "OUT_DIR"}
    assert changed == PUBLISHED[name][2] and ours["OUT_DIR"] != plain["OUT_DIR"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_header_has_the_published_error(name):
    top1, top5, _ = PUBLISHED[name]
    header = " ".join((CONFIGS / f"{name}.yaml").read_text().split("MODEL:")[0].replace("#", " ").split())
    assert f"{top1} % top-1" in header and (top5 is None or f"{top5} % top-5 error" in header)


def test_the_imagenet_recipe_is_cutmix_s():
    cfg = load_cfg(str(CONFIGS / "cutmix/R-50-cutmix.yaml"))
    assert (cfg.OPTIM.STEPS, cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.LR_MULT) == ([0, 75, 150, 225], 300, 0.1)
    colors = cfg.TRAIN.COLOR_JITTER_STYLE, cfg.TRAIN.COLOR_JITTER, cfg.TRAIN.PCA_STD
    assert colors == ("cutmix", [0.4, 0.4, 0.4, 0.0], 0.1)
    assert (cfg.OPTIM.BASE_LR, cfg.OPTIM.WEIGHT_DECAY, cfg.OPTIM.NESTEROV, cfg.TRAIN.BATCH_SIZE) == (
        0.1,
        1e-4,
        True,
        256,
    )
