"""ImageNet, or any other class-folder tree: DATA_DIR/<split>/<class>/**, packed or not; DATA_DIR/imagenet the same.

With DATA.VAL_FRACTION or DATA.FOLDS one such split, or the folder of the classes itself, serves both phases.
"""

from pathlib import Path

from yacs.config import CfgNode

from pycls.core.registry import shown
from pycls.datasets.readers import has_split, load_split
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.layout import class_folders, split_folders
from pycls.datasets.readers.paths import data_root
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.readers.tar import PackedSamples
from pycls.datasets.shares import division, is_divided, no_division

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
_SHARE = "DATA.VAL_FRACTION 0.2"  # what to write to have a share split off


def build_imagenet(cfg: CfgNode, phase: str) -> FileSamples | PackedSamples:
    """List one split; that of the other phase, where it exists, must hold the same classes.

    Of a data set that is to be divided, list all of it.
    """
    if is_divided(cfg):
        return _undivided(cfg)
    splits = {"train": cfg.TRAIN.SPLIT, "test": cfg.TEST.SPLIT}
    split, other_split = splits[phase], splits["test" if phase == "train" else "train"]
    root = _root(data_root(cfg.DATA_DIR), split)
    _check_split(cfg, phase, root, split)
    same_set = cfg.TRAIN.DATASET == cfg.TEST.DATASET
    return load_split(root, split, other_split if same_set else "")


def imagenet_names() -> tuple[str, ...]:
    """Return the English names of ImageNet-1k's classes, in the order of its folders."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def _root(root: Path, split: str) -> Path:
    """Return the folder with the splits: the data folder itself, or its sub-folder `imagenet`."""
    nested = root / "imagenet"
    return nested if not has_split(root, split) and nested.is_dir() else root


def _classes(cfg: CfgNode, root: Path) -> list[str]:
    return class_folders(root, (cfg.TRAIN.SPLIT, cfg.TEST.SPLIT))


def _check_split(cfg: CfgNode, phase: str, root: Path, split: str) -> None:
    """Raise ValueError for a split that is not there where a share of what is there could take its place."""
    classes = _classes(cfg, root)
    if classes:
        raise ValueError(
            f"{root} holds class folders ({_some(classes)}) but no folder '{split}': {_SHARE} splits a share of each "
            f"class off for validation{', DATA.VAL_FRACTION 1 evaluates all' if phase == 'test' else ''}"
        )
    if not has_split(root, split) and phase == "test" and has_split(root, cfg.TRAIN.SPLIT):
        raise ValueError(
            f"{root} holds '{cfg.TRAIN.SPLIT}' but no '{split}' (folders there: {_some(split_folders(root))}): "
            f"name it with TEST.SPLIT, or {_SHARE} splits a share of {cfg.TRAIN.SPLIT} off for validation"
        )


def _undivided(cfg: CfgNode) -> FileSamples | PackedSamples:
    """List what is divided: TRAIN.SPLIT if TEST.SPLIT is the same or not there, the data folder if it holds classes."""
    given, train, test = data_root(cfg.DATA_DIR), cfg.TRAIN.SPLIT, cfg.TEST.SPLIT
    root = _root(given, train)
    if _classes(cfg, root):
        return _load_classes(root, cfg)
    if not has_split(root, train):
        found = split_folders(root)
        if found:
            raise ValueError(
                f"{root} holds {_some(found)}, which are called like splits, not classes, but no '{train}': name them "
                f"with TRAIN.SPLIT and TEST.SPLIT and set {no_division(cfg)}, or give DATA_DIR {root / found[0]}"
            )
        return _load_classes(root, cfg)
    if test != train and has_split(root, test):
        raise ValueError(
            f"{division(cfg)}: {root} holds both '{train}' and '{test}', so nothing needs to be split off: set "
            f"{no_division(cfg)} to use them, or TEST.SPLIT {train} to divide {train}"
        )
    return load_split(root, train)


def _load_classes(root: Path, cfg: CfgNode) -> FileSamples:
    """List the class folders of a folder; ValueError if the run would write among them."""
    top = root if root.name not in ("", "..") else root.resolve()
    out_dir = Path(cfg.OUT_DIR).expanduser().resolve()
    if out_dir.is_relative_to(top.resolve()):
        raise ValueError(
            f"OUT_DIR {shown(cfg.OUT_DIR)} lies in DATA_DIR {root}, whose folders are the classes: choose one outside"
        )
    return load_folder(top.parent, top.name)


def _some(names: list[str]) -> str:
    return ", ".join(map(shown, names[:3])) + (", ..." if len(names) > 3 else "")
