"""TRAIN.WEIGHTS and TEST.WEIGHTS: from what a user writes to a file here, and into a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from pycls.core.logging import get_logger
from pycls.core.weights import LoadReport, fill_model
from pycls.core.weights.formats import unpack_weights
from pycls.core.weights.sources import find_weights
from pycls.models.external.same_network import check_same_network
from pycls.models.external.weights_url import weights_url


def weights_file(name: str, cache_dir: str, key: str = "weights") -> Path:
    """Return the file of a path, a URL or a name of published weights, downloaded if need be.

    Names are those of pycls's zoo, such as RegNetX-400MF, torchvision://resnet50/IMAGENET1K_V2 and
    timm://resnet50.a1_in1k. ValueError, naming the config key, for what is none of them.
    """
    address, _ = weights_url(name)
    return find_weights(address, cache_dir, key)


logger = get_logger(__name__)


def fill_network(
    model: nn.Module,
    cfg: CfgNode,
    saved: dict[str, Any],
    path: Path,
    fit: str = "exact",
    tell: Callable[[str], None] = logger.warning,
) -> LoadReport:
    """Copy the weights of the file `path`, which holds `saved`, into the network of a config; see `fill_model`.

    `tell` is called with what the file leaves open of its network.
    """
    weights = unpack_weights(saved, str(path))
    report = fill_model(model, weights, str(path), fit)
    if not weights.has_cfg:
        check_same_network(cfg, weights.named, str(path))
    if report.doubt:
        tell(f"{path}: {report.doubt}")
    return report
