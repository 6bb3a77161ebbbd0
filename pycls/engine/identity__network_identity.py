"""Whether weights are used in the network that they were trained in: many keys change what equal tensors compute."""

from typing import Any

from yacs.config import CfgNode

from pycls.core.config import flatten, load_cfg_text
from pycls.core.logging import get_logger

logger = get_logger(__name__)

# Sections and keys of a network's definition, and those among them that say nothing of its arithmetic in evaluation.
_NETWORK = ("MODEL.", "RESNET.", "ANYNET.", "REGNET.", "EN.", "VIT.", "MB.", "DENSENET.", "PYRAMIDNET.")
_NETWORK += ("BN.EPS", "LN.EPS")
_OF_TRAINING = ("MODEL.NUM_CLASSES", "MODEL.HEAD", "MODEL.ACTIVATION_INPLACE", "MODEL.SCALING_", "MODEL.LOSS_FUN")
_OF_TRAINING += ("MODEL.BCE_", "MODEL.FOCAL_", "MODEL.SMOOTH_L1_BETA", "MODEL.STOCHASTIC_DEPTH")
_OF_TRAINING += tuple(f"{family}.{ratio}" for family in ("EN", "MB") for ratio in ("DC_RATIO", "DROPOUT_RATIO"))
_EVERYWHERE = ("MODEL.ACTIVATION_FUN", "MODEL.BLURPOOL", "BN.EPS", "LN.EPS")  # of networks of every MODEL.TYPE


def saved_cfg(saved: dict[str, Any], where: str, overrides: tuple[str, ...] = ()) -> CfgNode:
    """Return the config in a file, what pycls's need not say included; ValueError if there is none."""
    if not saved.get("cfg"):
        raise ValueError(f"{where}: holds no config; give that of its network with --cfg")
    implied = [] if "pixels" in saved else _implied_by_pycls(saved["cfg"])
    return load_cfg_text(saved["cfg"], f"{where} (config)", [*implied, *overrides])


def network_differences(saved: dict[str, Any], cfg: CfgNode, where: str) -> list[str]:
    """Return in words how the network of a config differs from that in a file; nothing for a file without a config."""
    if not isinstance(saved.get("cfg"), str) or not saved["cfg"]:
        return []
    try:
        theirs = saved_cfg(saved, where)
    except ValueError as error:  # of a program with other keys
        logger.warning("%s: its network is not compared with this config's: %s", where, error)
        return []
    keys = _NETWORK if theirs.MODEL.TYPE == cfg.MODEL.TYPE else _EVERYWHERE
    old = dict(flatten(theirs))
    return [
        f"its network has {key} {old[key]}, this config says {value}"
        for key, value in flatten(cfg)
        if key.startswith(keys) and old[key] != value and not key.startswith(_OF_TRAINING)
    ]


def _implied_by_pycls(text: str) -> list[str]:
    """Return what pycls's configs need not say: its loader does not antialias, its first EfficientNets have silu."""
    words = ["DATA_LOADER.ANTIALIAS", "False"]
    if "ACTIVATION_FUN" not in text:
        words += ["MODEL.ACTIVATION_FUN", "silu" if "TYPE: effnet" in text else "relu"]
    return words
