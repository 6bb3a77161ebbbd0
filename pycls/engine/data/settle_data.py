"""What a config leaves to the data: MODEL.NUM_CLASSES 0 and TRAIN.BATCH_SIZE 0 become numbers before anything is built.

So the config that is written, checkpoints and a resumed run hold the numbers.
"""

from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.core.checkpoint import checkpoint_dir
from pycls.core.config import WITHOUT_PLUGINS, check_cfg, load_cfg_text, with_value
from pycls.core.distributed import requested_world_size
from pycls.core.registry import shown
from pycls.datasets import build_samples
from pycls.datasets.readers.samples import Samples
from pycls.datasets.sources.split_names import is_none
from pycls.engine.checks import check_dataset

_USUAL_BATCH = 16  # images; what finetuning on few of them likes


def settle_data(cfg: CfgNode, phases: Sequence[str] = ("train", "test")) -> CfgNode:
    """Return the config of a training with numbers in the place of both zeros; ValueError for data that gives none.

    `phases`: whose data is needed. What is wrong with it is then told before anything is written.
    """
    if cfg.MODEL.NUM_CLASSES and cfg.TRAIN.BATCH_SIZE:
        return cfg
    check_dataset(cfg, "TRAIN")
    samples, *_ = (build_samples(cfg, phase) for phase in phases if not is_none(cfg[phase.upper()].SPLIT))
    cfg = with_num_classes(cfg, samples)
    if cfg.TRAIN.BATCH_SIZE == 0:
        cfg = with_value(cfg, "TRAIN.BATCH_SIZE", _size_of_run(cfg, len(samples)) or _batch_size(cfg, len(samples)))
    check_cfg(cfg)
    return cfg


def settle_classes(cfg: CfgNode, phase: str = "") -> CfgNode:
    """Return a config with the number of classes of a phase's data ("": the phase that has a data set)."""
    if cfg.MODEL.NUM_CLASSES:
        return cfg
    phase = phase or ("train" if cfg.TRAIN.DATASET else "test")
    try:
        check_dataset(cfg, phase.upper())
        samples = build_samples(cfg, phase)
    except ValueError as error:
        raise ValueError(f"{error}; MODEL.NUM_CLASSES 0 asks the data, a number does not") from None
    cfg = with_num_classes(cfg, samples)
    check_cfg(cfg)
    return cfg


def with_num_classes(cfg: CfgNode, samples: Samples) -> CfgNode:
    """Return a config with the number of classes of these images in the place of 0; ValueError for one class."""
    if cfg.MODEL.NUM_CLASSES:
        return cfg
    if len(samples.classes) == 1:
        raise ValueError(
            f"DATA_DIR {shown(cfg.DATA_DIR)} holds one class, {shown(samples.classes[0])}: expected a folder for each "
            "of at least two"
        )
    return with_value(cfg, "MODEL.NUM_CLASSES", len(samples.classes))


def _batch_size(cfg: CfgNode, num_images: int) -> int:
    """Return the global batch near 16 by whose steps an epoch leaves the fewest images out."""
    parts = requested_world_size(cfg.NUM_GPUS) * cfg.OPTIM.ACCUM_STEPS
    size = num_images // max(1, round(num_images / _USUAL_BATCH)) // parts * parts
    if size == 0:
        raise ValueError(
            f"TRAIN.BATCH_SIZE 0: {num_images} training images are too few for {parts} shares "
            f"(NUM_GPUS {cfg.NUM_GPUS} x OPTIM.ACCUM_STEPS {cfg.OPTIM.ACCUM_STEPS}); use fewer processes"
        )
    return size


def _size_of_run(cfg: CfgNode, num_images: int) -> int:
    """Return the batch of the run in OUT_DIR, which goes on with it when images were added; 0: none, or too large."""
    written = Path(cfg.OUT_DIR) / cfg.CFG_DEST
    if not (checkpoint_dir(cfg.OUT_DIR).is_dir() and written.is_file()):
        return 0
    size = load_cfg_text(written.read_text(encoding="utf-8"), str(written), WITHOUT_PLUGINS).TRAIN.BATCH_SIZE
    return size if size <= num_images else 0
