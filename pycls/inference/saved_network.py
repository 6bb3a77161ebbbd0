"""A network as a file holds it, ready to be used: its config, weights in evaluation mode, and names of its classes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from pycls.core.config import load_cfg, with_value
from pycls.core.logging import print_line
from pycls.core.weights import LoadReport
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.sources import DEFAULT_CACHE
from pycls.datasets.imagenet import imagenet_names
from pycls.datasets.sources.class_file import load_classes
from pycls.engine.identity import check_classes, check_own_config, saved_cfg
from pycls.engine.pixels.other_view import other_view
from pycls.engine.weights_file import fill_network, weights_file
from pycls.models import build_model
from pycls.models.layers.introspective import introspective_head

_FIRST_AND_LAST = ("n01440764", "n15075141")  # of ImageNet-1k's class folders


@dataclass(frozen=True)
class SavedNetwork:
    """What a file and its config give."""

    path: Path
    cfg: CfgNode
    model: nn.Module  # on the CPU, in evaluation mode
    classes: tuple[str, ...] | None  # as the data set calls them; None: the file does not say
    report: LoadReport

    @property
    def dataset(self) -> str:
        """The name of the data set it was trained for."""
        return self.cfg.TEST.DATASET or self.cfg.TRAIN.DATASET

    @property
    def has_uncertainty(self) -> bool:
        """Whether it tells how uncertain its predictions are."""
        return introspective_head(self.model) is not None

    def names(self) -> tuple[str, ...]:
        """Return a name of each class for people: English ones for ImageNet-1k, numbers where none are known."""
        count = self.cfg.MODEL.NUM_CLASSES
        is_imagenet = self.classes is not None and (self.classes[0], self.classes[-1]) == _FIRST_AND_LAST
        if count == 1000 and (is_imagenet or (self.classes is None and self.dataset == "imagenet")):
            return imagenet_names()
        return self.classes or tuple(f"class {number}" for number in range(count))


def load_network(weights: str, cfg_file: str | None = None, overrides: Sequence[str] = ()) -> SavedNetwork:
    """Load a path, URL or zoo name, with the config in the file unless `cfg_file` is given; then KEY VALUE pairs.

    ValueError for a file without a config, with weights that are not exactly those of the config's network, or with a
    config of its own that means another network.
    """
    path = chosen_file(weights, overrides)
    saved = load_tensor_file(path)
    cfg = load_cfg(cfg_file, overrides) if cfg_file else saved_cfg(saved, str(path), tuple(overrides))
    if cfg.MODEL.NUM_CLASSES == 0 and "classes" in saved:
        cfg = with_value(cfg, "MODEL.NUM_CLASSES", len(saved["classes"]))
    if line := other_view(weights, saved, cfg, str(path), ignored=("backend",)):  # that is this machine's choice
        print_line(line, sys.stderr)
    model = build_model(cfg)
    report = fill_network(model, cfg, saved, path, tell=lambda doubt: print_line(doubt, sys.stderr))
    if cfg_file or overrides:
        check_own_config(saved, cfg, str(path))
    classes = _classes(saved, cfg, overrides, path)
    if classes is not None and len(classes) != cfg.MODEL.NUM_CLASSES:
        raise ValueError(f"{path}: names {len(classes)} classes, but MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}")
    return SavedNetwork(path, cfg, model.eval(), classes, report)


def _classes(saved: dict[str, Any], cfg: CfgNode, overrides: Sequence[str], path: Path) -> tuple[str, ...] | None:
    """Return the names of the classes, as the file or, where it has none, DATA.CLASSES gives them.

    ValueError if both do, DATA.CLASSES among the overrides, and differ: the one in a training's config may be gone.
    """
    named = load_classes(cfg.DATA.CLASSES) if "DATA.CLASSES" in overrides[::2] and cfg.DATA.CLASSES else None
    if "classes" not in saved:
        return named or (load_classes(cfg.DATA.CLASSES) if cfg.DATA.CLASSES else None)
    if named is not None:
        check_classes(saved["classes"], named, str(path), f"DATA.CLASSES {cfg.DATA.CLASSES}")
    return tuple(saved["classes"])


def chosen_file(weights: str, overrides: Sequence[str]) -> Path:
    """Return the file of a path, a run's folder, a URL or a name; of a folder it is said which file that is."""
    path = weights_file(weights, cache_dir(overrides))
    if Path(weights).is_dir():
        print_line(f"{weights}: its {path.name} is taken, {path}", sys.stderr)
    return path


def cache_dir(overrides: Sequence[str]) -> str:
    """Return DOWNLOAD_CACHE, which is needed before the file that holds the config is there."""
    given = dict(zip(overrides[::2], overrides[1::2], strict=False))
    return given.get("DOWNLOAD_CACHE", DEFAULT_CACHE)
