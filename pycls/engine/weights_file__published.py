"""Figures that were published with weights hold for the view of an image that they were measured with."""

from yacs.config import CfgNode

from pycls.core.logging import get_logger
from pycls.datasets import colour_scale
from pycls.models.external.weights_url import weights_url

logger = get_logger(__name__)


def warn_of_other_view(name: str, cfg: CfgNode) -> None:
    """Warn of every difference between the view in force and the preset of published weights, if `name` names such."""
    _, published = weights_url(name)
    if published is None:
        return
    sizes, filters = (cfg.TRAIN.IM_SIZE, cfg.TEST.IM_SIZE), (cfg.TEST.INTERPOLATION, cfg.DATA_LOADER.ANTIALIAS)
    for words in published.differences(*sizes, *filters, *colour_scale(cfg, "test")):
        logger.warning("%s: %s; expect other figures than the published ones", name, words)
