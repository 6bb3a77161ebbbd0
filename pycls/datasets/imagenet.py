"""ImageNet, or any other class-folder tree, DATA_DIR/<split>/<class>/** or below DATA_DIR/imagenet; packed or not."""

from pathlib import Path

from yacs.config import CfgNode

from pycls.datasets.readers import has_split, load_split
from pycls.datasets.readers.paths import data_root
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.readers.tar import PackedSamples

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def build_imagenet(cfg: CfgNode, phase: str) -> FileSamples | PackedSamples:
    """List one split; that of the other phase, where it exists, must hold the same classes."""
    splits = {"train": cfg.TRAIN.SPLIT, "test": cfg.TEST.SPLIT}
    split, other_split = splits[phase], splits["test" if phase == "train" else "train"]
    same_set = cfg.TRAIN.DATASET == cfg.TEST.DATASET
    return load_split(splits_root(data_root(cfg.DATA_DIR), split), split, other_split if same_set else "")


def imagenet_names() -> tuple[str, ...]:
    """Return the English names of ImageNet-1k's classes, in the order of its folders."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def splits_root(root: Path, split: str) -> Path:
    """Return the folder with the splits: the data folder itself, or its sub-folder `imagenet`."""
    nested = root / "imagenet"
    return nested if not has_split(root, split) and nested.is_dir() else root
