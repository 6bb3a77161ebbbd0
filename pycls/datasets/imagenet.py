"""ImageNet, or any other data set of image files in DATA_DIR, or in DATA_DIR/imagenet (layouts: docs/DATA.md)."""

from yacs.config import CfgNode

from pycls.datasets.phases import other_place, phase_place
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.sources import classes_of, load_place, log_place, with_classes
from pycls.datasets.sources.class_file import load_classes
from pycls.datasets.sources.class_order import numbers_of, relabel
from pycls.datasets.sources.places import Place

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def build_imagenet(cfg: CfgNode, phase: str) -> EncodedSamples:
    """List one split, or all of a data set that is to be divided, under the classes of DATA.CLASSES.

    Without that file the other split, where there is one, must have the same classes; with DATA.MISSING_CLASSES the
    test split may have fewer than the training split, whose numbers it takes.
    """
    place = phase_place(cfg, phase)
    log_place(place, cfg[phase.upper()].SPLIT, f"{phase.upper()}.SPLIT")
    samples = load_place(place, cfg.DATA_LOADER.ON_BAD_IMAGE == "skip", cfg.DATA.MISSING_CLASSES)
    if cfg.DATA.CLASSES:
        return with_classes(samples, place, load_classes(cfg.DATA.CLASSES), f"DATA.CLASSES {cfg.DATA.CLASSES}")
    other = other_place(cfg, phase)
    return samples if other is None else _agreed(cfg, phase, samples, place, other)


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
