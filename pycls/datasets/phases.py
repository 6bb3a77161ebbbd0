"""Which part of DATA_DIR a phase shows: the split that its key means, or a share of what is not split yet."""

from pathlib import Path

from yacs.config import CfgNode

from pycls.core.registry import shown
from pycls.datasets.readers.paths import data_root_or_list
from pycls.datasets.readers.problems import MISSING_SPLIT, Problem, UnfitData
from pycls.datasets.shares import division, is_divided, no_division
from pycls.datasets.sources.layout import class_folders, split_folders
from pycls.datasets.sources.list_table import ENDINGS
from pycls.datasets.sources.places import Place, find_place, is_whole_list, lists_in, not_there, whole_list
from pycls.datasets.sources.split_names import is_none

_SHARE = "DATA.VAL_FRACTION 0.2"  # what to write to have a share split off


def phase_place(cfg: CfgNode, phase: str) -> Place:
    """Return where the images of a phase, "train" or "test", lie: of a data set that is to be divided, all of it.

    ValueError if they are not there.
    """
    key, wanted = f"{phase.upper()}.SPLIT", cfg[phase.upper()].SPLIT
    if is_none(wanted):
        raise ValueError(f"{key} none: there are no images to look at; name the part of DATA_DIR that has some")
    root = data_root_or_list(cfg.DATA_DIR, ENDINGS)
    if is_divided(cfg):
        return _undivided(cfg, root)
    takes_all = phase == "train" and is_none(cfg.TEST.SPLIT)  # what has no splits is all trained on
    if takes_all and is_whole_list(root):
        return whole_list(root)
    place = _find(root, wanted, key)
    top = _top(root, place)
    classes = _classes(cfg, top) if place is None or place.kind == "folder" else []
    if classes and not lists_in(top):
        if takes_all:
            return _class_place(top, cfg)
        sentence = (
            f"{top} holds class folders ({_some(classes)}) but no folder '{wanted}': {_SHARE} splits a share of each "
            f"class off for validation{', DATA.VAL_FRACTION 1 evaluates on all' if phase == 'test' else ''}"
        )
        raise UnfitData([Problem(MISSING_SPLIT, (wanted,), sentence)])
    if place is None:
        sentence = f"{not_there(top, wanted, key)}{_hint(cfg, phase, root)}"
        raise UnfitData([Problem(MISSING_SPLIT, (wanted,), sentence)])
    return place


def other_place(cfg: CfgNode, phase: str) -> Place | None:
    """Return where the split of the other phase lies; None if there is none, or it is another data set's."""
    key = "TEST" if phase == "train" else "TRAIN"
    if is_divided(cfg) or cfg.TRAIN.DATASET != cfg.TEST.DATASET or is_none(cfg[key].SPLIT):
        return None
    return _find(data_root_or_list(cfg.DATA_DIR, ENDINGS), cfg[key].SPLIT, f"{key}.SPLIT")


def _hint(cfg: CfgNode, phase: str, root: Path) -> str:
    """Say what else could be done about a missing split."""
    if is_whole_list(root):
        return f", {_SHARE} splits a share off for validation, DATA.VAL_FRACTION 1 evaluates on all"
    if phase == "test" and _find(root, cfg.TRAIN.SPLIT, "TRAIN.SPLIT"):
        return f"; {_SHARE} splits a share of {cfg.TRAIN.SPLIT} off for validation"
    return ""


def _find(root: Path, wanted: str, key: str) -> Place | None:
    """Return where a split lies: in the data folder itself, or in its sub-folder `imagenet`."""
    nested = _nested(root)
    return find_place(root, wanted, key) or (find_place(nested, wanted, key) if nested else None)


def _top(root: Path, place: Place | None) -> Path:
    """Return the folder of the splits: where a place was found, else the sub-folder `imagenet` or the data folder."""
    if place is not None:
        return place.path.parent if place.kind == "folder" else root
    return _nested(root) or root


def _nested(root: Path) -> Path | None:
    return root / "imagenet" if (root / "imagenet").is_dir() else None


# ---- what is divided


def _undivided(cfg: CfgNode, given: Path) -> Place:
    """Return what is divided: TRAIN.SPLIT if TEST.SPLIT is the same or not there, or all of a folder of classes."""
    if is_whole_list(given):
        return whole_list(given)
    train, test = cfg.TRAIN.SPLIT, cfg.TEST.SPLIT
    place = _find(given, train, "TRAIN.SPLIT")
    root = _top(given, place)
    if (place is None or place.kind == "folder") and _classes(cfg, root):
        return _class_place(root, cfg)
    if place is None:
        return _class_place(_without_splits(cfg, root), cfg)
    other = None if test == train else _find(given, test, "TEST.SPLIT")
    if other is not None and other != place:
        raise ValueError(
            f"{division(cfg)}: {root} holds both '{place.split}' and '{other.split}', so nothing needs to be split "
            f"off: set {no_division(cfg)} to use them, or TEST.SPLIT {train} to divide {place.split}"
        )
    return place


def _without_splits(cfg: CfgNode, root: Path) -> Path:
    """Return a folder in which no part is called like a split; ValueError for others, and for a list."""
    if root.is_file():
        raise ValueError(not_there(root, cfg.TRAIN.SPLIT, "TRAIN.SPLIT"))
    found = split_folders(root)
    if found:
        raise ValueError(
            f"{root} holds {_some(found)}, which are called like splits, not classes, but no '{cfg.TRAIN.SPLIT}': name "
            f"them with TRAIN.SPLIT and TEST.SPLIT and set {no_division(cfg)}, or give DATA_DIR {root / found[0]}"
        )
    return root


def _class_place(root: Path, cfg: CfgNode) -> Place:
    """Return a folder of class folders; ValueError if the run would write among them."""
    top = root if root.name not in ("", "..") else root.resolve()
    out_dir = Path(cfg.OUT_DIR).expanduser().resolve()
    if out_dir.is_relative_to(top.resolve()):
        raise ValueError(
            f"OUT_DIR {shown(cfg.OUT_DIR)} lies in DATA_DIR {root}, whose folders are the classes: choose one outside"
        )
    return Place("folder", top.name, top, whole=True)


def _classes(cfg: CfgNode, root: Path) -> list[str]:
    return class_folders(root, (cfg.TRAIN.SPLIT, cfg.TEST.SPLIT)) if root.is_dir() else []


def _some(names: list[str]) -> str:
    return ", ".join(map(shown, names[:3])) + (", ..." if len(names) > 3 else "")
