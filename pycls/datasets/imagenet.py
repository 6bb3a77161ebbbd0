"""ImageNet, or any other data set of image files in DATA_DIR, or in DATA_DIR/imagenet (layouts: docs/DATA.md)."""

from yacs.config import CfgNode

from pycls.datasets.phases import other_place, phase_place
from pycls.datasets.readers.paths import data_root_or_list
from pycls.datasets.readers.problems import Problem, UnfitData, lacking_classes
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.shares import is_divided
from pycls.datasets.sources import classes_of, log_place, read_place, with_classes
from pycls.datasets.sources.class_file import load_classes
from pycls.datasets.sources.class_order import numbers_of, relabel
from pycls.datasets.sources.list_table import ENDINGS
from pycls.datasets.sources.places import Place

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
Listed = tuple[Place, tuple[str, ...]]  # a split and its classes


def build_imagenet(cfg: CfgNode, phase: str) -> EncodedSamples:
    """List one split, or all of a data set that is to be divided, under the classes of DATA.CLASSES.

    Without that file the other split, where there is one, must have the same classes; with DATA.MISSING_CLASSES the
    test split may have fewer than the training split, whose numbers it takes.
    """
    place = phase_place(cfg, phase)
    if not is_divided(cfg):
        log_place(place, cfg[phase.upper()].SPLIT, f"{phase.upper()}.SPLIT", data_root_or_list(cfg.DATA_DIR, ENDINGS))
    samples, problems = read_place(place, cfg.DATA_LOADER.ON_BAD_IMAGE == "skip", cfg.DATA.MISSING_CLASSES)
    other = None if cfg.DATA.CLASSES else other_place(cfg, phase)
    here, there = tuple(samples.classes), () if other is None else classes_of(other)
    if here and other is not None:
        problems += _class_problems(cfg, phase, (place, here), (other, there))
    if problems:
        raise UnfitData(problems, samples)
    if cfg.DATA.CLASSES:
        return with_classes(samples, place, load_classes(cfg.DATA.CLASSES), f"DATA.CLASSES {cfg.DATA.CLASSES}")
    if other is None or phase == "train":
        return samples
    return relabel(samples, numbers_of(here, there, str(place), str(other)), there)


def _class_problems(cfg: CfgNode, phase: str, own: Listed, other: Listed) -> list[Problem]:
    """Return the problems of splits of which one lacks classes of the other; the test split may if that is allowed."""
    (train, train_classes), (test, test_classes) = (own, other) if phase == "train" else (other, own)
    problems = lacking_classes(str(train), train.split, train_classes, str(test), test_classes)
    if not cfg.DATA.MISSING_CLASSES:
        hint = "; DATA.MISSING_CLASSES True allows that"
        problems += lacking_classes(str(test), test.split, test_classes, str(train), train_classes, hint)
    return problems


def imagenet_names() -> tuple[str, ...]:
    """Return the English names of ImageNet-1k's classes, in the order of its folders."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
