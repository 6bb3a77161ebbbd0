"""The splits that are checked, listed by the functions that list them for training, with what these refuse."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.dataset_tools.validation.findings import REFUSED, Finding, unfit_findings, unique
from pycls.datasets import build_samples
from pycls.datasets.check_samples import check_samples
from pycls.datasets.imagenet import splits_root
from pycls.datasets.info import find_dataset
from pycls.datasets.readers import has_split, load_split
from pycls.datasets.readers.folder_scan import list_classes
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.problems import NO_IMAGES, UnfitData
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples
from pycls.datasets.readers.tar_index import index_file

_OTHERS = ("test",)  # what a folder may hold beside the splits that training reads

Splits = tuple[list[EncodedSamples], list[Finding]]


def splits_of_cfg(cfg: CfgNode, whole: bool) -> Splits:
    """Return the splits that a config trains and tests on, and what training refuses of them.

    With `whole` that includes a number of classes that is not MODEL.NUM_CLASSES. ValueError for array data, which has
    no files, and for a data folder that is not there.
    """
    splits: dict[str, EncodedSamples] = {}
    findings: list[Finding] = []
    for phase in ("train", "test"):
        dataset = find_dataset(cfg, phase)
        samples, found = _listed(partial(dataset.build, cfg, phase))
        findings += found
        if samples is None:
            continue
        name = f"{phase.upper()}.DATASET {cfg[phase.upper()].DATASET}"
        if isinstance(samples, ArraySamples):
            raise ValueError(f"{name} is array data: there are no image files to check")
        splits[samples.split] = samples
        if not found:
            check_samples(samples, dataset, name)
            findings += _refused(cfg, phase, samples.split) if whole else []
    return list(splits.values()), unique(findings)


def splits_of_folder(cfg: CfgNode, folder: str, whole: bool) -> Splits:
    """Return the splits below a folder, as a config with this DATA_DIR reads them, or the folder as a tree of classes.

    A split "test" beside them is no reason to refuse anything. ValueError for no folder, and one without images.
    """
    top = Path(folder).resolve()
    if not top.is_dir():
        raise ValueError(f"{folder} is not a folder")
    root = splits_root(top, cfg.TRAIN.SPLIT)
    needed = cfg.TRAIN.SPLIT, cfg.TEST.SPLIT
    if _is_tree(root, {*needed, *_OTHERS}):
        samples, findings = _listed(partial(load_folder, root.parent, root.name))
        splits = [] if samples is None else [samples]
    else:
        splits, findings = splits_of_cfg(_with_folder(cfg, top), whole)
        for split in set(_OTHERS) - set(needed):
            more, found = _listed(partial(load_split, root, split, cfg.TRAIN.SPLIT), refused=False)
            splits += [] if more is None else [more]
            findings += found if has_split(root, split) else []
    if not any(map(len, splits)) and all(finding.kind == NO_IMAGES for finding in findings):
        raise ValueError(f"{folder} holds no images: expected <class>/<image>, or <split>/<class>/<image>")
    return splits, findings


def _with_folder(cfg: CfgNode, folder: Path) -> CfgNode:
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATA_DIR, cfg.TRAIN.DATASET, cfg.TEST.DATASET = str(folder), "imagenet", "imagenet"
    cfg.freeze()
    return cfg


def _is_tree(root: Path, names: set[str]) -> bool:
    """Tell whether a folder holds classes and no splits; one of its classes may be called "train"."""
    present = [split for split in names if has_split(root, split)]
    if any(index_file(root, split).exists() or list_classes(root / split) for split in present):
        return False
    return not present or bool(set(list_classes(root)) - names)


def _listed(build: Callable[[], Any], refused: bool = True) -> tuple[Any, list[Finding]]:
    """Return a split and nothing, or as much of it as there is and what training refuses."""
    try:
        return build(), []
    except UnfitData as error:
        return error.samples, unfit_findings(error, refused)


def _refused(cfg: CfgNode, phase: str, split: str) -> list[Finding]:
    try:
        build_samples(cfg, phase)
    except ValueError as error:
        return [Finding(REFUSED, split, str(error), True)]
    return []
