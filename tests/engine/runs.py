"""Small runs for the engine's tests."""

from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import load_cfg

DIGITS = str(Path(__file__).parents[2] / "configs/quickstart/digits.yaml")


def overrides(keys: dict[str, Any]) -> list[str]:
    """Return {"SECTION.KEY": value} as KEY VALUE words."""
    return [str(word) for pair in keys.items() for word in pair]


# Digits with a network of a few thousand parameters: an epoch takes a second.
TINY = {
    "MODEL.TYPE": "anynet",
    "ANYNET.STEM_TYPE": "res_stem_cifar",
    "ANYNET.STEM_W": 8,
    "ANYNET.BLOCK_TYPE": "res_basic_block",
    "ANYNET.DEPTHS": [1, 1],
    "ANYNET.WIDTHS": [8, 16],
    "ANYNET.STRIDES": [1, 2],
    "BN.NUM_SAMPLES_PRECISE": 128,
    "OPTIM.MAX_EPOCH": 2,
    "OPTIM.WARMUP_EPOCHS": 0,
    "OPTIM.EMA_UPDATE_PERIOD": 4,
    "OPTIM.EMA_ALPHA": 1e-3,
    "TRAIN.BATCH_SIZE": 96,
    "TEST.BATCH_SIZE": 96,
    "TRAIN.IM_SIZE": 8,
    "TEST.IM_SIZE": 8,
    "LOG.TENSORBOARD": "off",
    "LOG_PERIOD": 5,
    "DEVICE": "cpu",
}


def tiny_words(out_dir: Path, **keys: Any) -> list[str]:
    """Return the overrides of a tiny digits run; `SECTION__KEY=value` changes a key."""
    changed = {name.replace("__", "."): value for name, value in keys.items()}
    return overrides(TINY | {"OUT_DIR": out_dir} | changed)


def tiny_cfg(out_dir: Path, **keys: Any) -> CfgNode:
    """Return the config of a tiny digits run."""
    return load_cfg(DIGITS, tiny_words(out_dir, **keys))
