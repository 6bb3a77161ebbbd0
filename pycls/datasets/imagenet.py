"""ImageNet, or any other data set of image files in DATA_DIR, or in DATA_DIR/imagenet (layouts: docs/DATA.md)."""

from pathlib import Path

from yacs.config import CfgNode

from pycls.datasets.readers.paths import data_root_or_list
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.sources import classes_of, load_place, log_place, with_classes
from pycls.datasets.sources.class_file import load_classes
from pycls.datasets.sources.class_order import numbers_of, relabel
from pycls.datasets.sources.list_table import ENDINGS
from pycls.datasets.sources.places import Place, find_place, not_there
from pycls.datasets.sources.split_names import is_none

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def build_imagenet(cfg: CfgNode, phase: str) -> EncodedSamples:
    """List one split, under the classes of DATA.CLASSES; without that the other split, where it is, must have the same.

    With DATA.MISSING_CLASSES the test split may have fewer than the training split, whose numbers it then takes.
    """
    place = split_place(cfg, phase)
    log_place(place, cfg[phase.upper()].SPLIT, f"{phase.upper()}.SPLIT")
    samples = load_place(place, cfg.DATA_LOADER.ON_BAD_IMAGE == "skip", cfg.DATA.MISSING_CLASSES)
    if cfg.DATA.CLASSES:
        return with_classes(samples, place, load_classes(cfg.DATA.CLASSES), f"DATA.CLASSES {cfg.DATA.CLASSES}")
    other = _other_place(cfg, phase)
    return samples if other is None else _agreed(cfg, phase, samples, place, other)


def split_place(cfg: CfgNode, phase: str) -> Place:
    """Return where the split of a phase, "train" or "test", lies; ValueError if it is not there."""
    key, wanted = f"{phase.upper()}.SPLIT", cfg[phase.upper()].SPLIT
    if is_none(wanted):
        raise ValueError(f"{key} none: there are no images to look at; name the part of DATA_DIR that has some")
    root = data_root_or_list(cfg.DATA_DIR, ENDINGS)
    place = _find(root, wanted, key)
    if place is None:
        raise ValueError(not_there(_nested(root) or root, wanted, key))
    return place


def _find(root: Path, wanted: str, key: str) -> Place | None:
    """Return where a split lies: in the data folder itself, or in its sub-folder `imagenet`."""
    nested = _nested(root)
    return find_place(root, wanted, key) or (find_place(nested, wanted, key) if nested else None)


def _nested(root: Path) -> Path | None:
    return root / "imagenet" if (root / "imagenet").is_dir() else None


def _other_place(cfg: CfgNode, phase: str) -> Place | None:
    """Return where the split of the other phase lies, None if it has none or is another data set's."""
    key = "TEST" if phase == "train" else "TRAIN"
    if cfg.TRAIN.DATASET != cfg.TEST.DATASET or is_none(cfg[key].SPLIT):
        return None
    return _find(data_root_or_list(cfg.DATA_DIR, ENDINGS), cfg[key].SPLIT, f"{key}.SPLIT")


def _agreed(cfg: CfgNode, phase: str, samples: EncodedSamples, place: Place, other: Place) -> EncodedSamples:
    """Return the samples under the classes that both splits have; ValueError for one that a split lacks."""
    here, there = tuple(samples.classes), classes_of(other)
    train, test = (here, there) if phase == "train" else (there, here)
    where = (place, other) if phase == "train" else (other, place)
    places = numbers_of(test, train, str(where[1]), str(where[0]))
    if not cfg.DATA.MISSING_CLASSES:
        hint = "; DATA.MISSING_CLASSES True allows that"
        numbers_of(train, test, str(where[0]), str(where[1]), hint=hint)
    return samples if phase == "train" else relabel(samples, places, train)


def imagenet_names() -> tuple[str, ...]:
    """Return the English names of ImageNet-1k's classes, in the order of its folders."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
