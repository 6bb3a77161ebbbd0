"""The splits that are checked, listed by the functions that list them for training, with what these refuse."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.dataset_tools.validation.findings import REFUSED, Finding, unfit_findings, unique
from pycls.datasets import build_samples
from pycls.datasets.check_samples import check_samples
from pycls.datasets.info import find_dataset
from pycls.datasets.readers.problems import NO_IMAGES, UnfitData
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples
from pycls.datasets.sources import load_place
from pycls.datasets.sources.layout import class_folders
from pycls.datasets.sources.list_table import is_list
from pycls.datasets.sources.places import Place, is_whole_list, splits_of, whole_list
from pycls.datasets.sources.split_names import is_none

Splits = tuple[list[EncodedSamples], list[Finding]]


def splits_of_cfg(cfg: CfgNode, whole: bool) -> Splits:
    """Return the splits that a config trains and tests on, and what training refuses of them.

    With `whole` that includes a number of classes that is not MODEL.NUM_CLASSES. ValueError for array data, which has
    no files, and for a data folder that is not there.
    """
    splits: dict[str, EncodedSamples] = {}
    findings: list[Finding] = []
    listing = with_value(cfg, "DATA_LOADER.ON_BAD_IMAGE", "skip")  # files of a list that are not there: among the bad
    for phase in ("train",) if is_none(cfg.TEST.SPLIT) else ("train", "test"):
        dataset = find_dataset(cfg, phase)
        samples, found = _listed(partial(dataset.build, listing, phase))
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
    """Return the splits of a folder or list, as a config with this DATA_DIR reads them, or all of one without splits.

    Further splits beside those are no reason to refuse anything. ValueError for no folder, and one without images.
    """
    top = Path(folder).resolve()
    if not top.is_dir() and not (top.is_file() and is_list(top)):
        raise ValueError(f"{folder} is not a folder")
    undivided = _undivided(cfg, top)
    if undivided is not None:
        samples, findings = _listed(partial(load_place, undivided, skip_bad=True))
        splits = [] if samples is None else [samples]
    else:
        splits, findings = splits_of_cfg(_with_folder(cfg, top), whole)
        more = [_listed(partial(load_place, place, skip_bad=True), False) for place in _others(top, splits, findings)]
        splits += [samples for samples, _ in more if samples is not None]
        findings += [finding for _, found in more for finding in found]
    if not any(map(len, splits)) and all(finding.kind == NO_IMAGES for finding in findings):
        raise ValueError(f"{folder} holds no images: expected <class>/<image>, or <split>/<class>/<image>")
    return splits, findings


def _undivided(cfg: CfgNode, top: Path) -> Place | None:
    """Return all of a data set that is not split yet: class folders, or a list that names no splits; else None."""
    if top.is_file():
        return whole_list(top) if is_whole_list(top) else None
    if splits_of(top) or (top / "imagenet").is_dir():
        return None
    names = cfg.TRAIN.SPLIT, cfg.TEST.SPLIT
    is_split = any((top / name).is_dir() for name in names) and not class_folders(top, names)
    return None if is_split else Place("folder", top.name, top)


def _others(top: Path, splits: list[EncodedSamples], findings: list[Finding]) -> list[Place]:
    """Return the parts of a data set that are none of those listed, nor found to be unfit."""
    known = {samples.split for samples in splits} | {finding.name for finding in findings}
    return [place for place in splits_of(top) if place.split not in known]


def _with_folder(cfg: CfgNode, folder: Path) -> CfgNode:
    for key, value in (("DATA_DIR", str(folder)), ("TRAIN.DATASET", "imagenet"), ("TEST.DATASET", "imagenet")):
        cfg = with_value(cfg, key, value)
    return cfg


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
