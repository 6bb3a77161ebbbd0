"""The command line of a training that takes a second: a network of some thousand parameters on 160 digits."""

from pathlib import Path
from typing import Any

# A network with everything that a checkpoint holds: batch norm, momentum, EMA; random in training by its crops.
TINY: dict[str, Any] = {
    "MODEL.TYPE": "anynet",
    "MODEL.NUM_CLASSES": 10,
    "ANYNET.STEM_TYPE": "res_stem_cifar",
    "ANYNET.STEM_W": 8,
    "ANYNET.BLOCK_TYPE": "res_basic_block",
    "ANYNET.DEPTHS": "[1, 1]",
    "ANYNET.WIDTHS": "[8, 16]",
    "ANYNET.STRIDES": "[1, 2]",
    "BN.NUM_SAMPLES_PRECISE": 64,
    "OPTIM.BASE_LR": 0.2,
    "OPTIM.MAX_EPOCH": 2,
    "OPTIM.EMA_UPDATE_PERIOD": 4,
    "OPTIM.EMA_ALPHA": 1e-3,
    "TRAIN.DATASET": "imagenet",
    "TRAIN.BATCH_SIZE": 16,
    "TRAIN.IM_SIZE": 8,
    "TRAIN.PCA_STD": 0,
    "TRAIN.CHECKPOINT_MINUTES": 1e-9,  # after every step
    "TEST.DATASET": "imagenet",
    "TEST.BATCH_SIZE": 16,
    "TEST.IM_SIZE": 8,
    "DATA_LOADER.NUM_WORKERS": 2,
    "LOG.TENSORBOARD": "off",
    "LOG_PERIOD": 2,
    "DEVICE": "cpu",
}
# What only a training reads.
_OF_TRAINING = ("OPTIM.", "BN.NUM", "TRAIN.CHECKPOINT", "TRAIN.BATCH", "TRAIN.PCA", "LOG")


def words(out_dir: Path | str, data: Path | str = "{data}", **changed: Any) -> list[Any]:
    """Return the KEY VALUE words of a tiny training; `SECTION__KEY=value` changes a key, None leaves it out."""
    keys = TINY | {"DATA_DIR": data, "OUT_DIR": out_dir}
    keys |= {name.replace("__", "."): value for name, value in changed.items()}
    return [word for key, value in keys.items() if value is not None for word in (key, value)]


def test_words(out_dir: Path | str, data: Path | str = "{data}", **changed: Any) -> list[Any]:
    """Return those of an evaluation."""
    left_out = {key.replace(".", "__"): None for key in TINY if key.startswith(_OF_TRAINING)}
    return words(out_dir, data, **left_out | changed)
