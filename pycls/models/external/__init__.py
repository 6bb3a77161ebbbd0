"""Networks of other libraries (torchvision, timm) by name: what can be wrong with the keys that choose one."""

import difflib
from collections.abc import Callable, Sequence

from torch import nn
from yacs.config import CfgNode

from pycls.core.config import flatten
from pycls.core.config.defaults import default_cfg
from pycls.core.config.im_size import ImSize, size_text
from pycls.core.weights.origin import mark_library_network
from pycls.models.complexity import meta_twin, show_image

# Keys of our own layers. Those libraries set their own values, so a choice here could not be honored.
OWN_KEYS = ("MODEL.ACTIVATION_FUN", "BN.EPS", "BN.MOM", "BN.ZERO_INIT_FINAL_GAMMA", "LN.EPS")


def build_foreign(
    cfg: CfgNode, library: str, names: Sequence[str], make: Callable[[str, int, ImSize, int], nn.Module]
) -> nn.Module:
    """Build MODEL.NAME, one of `names`, as make(name, num_classes, im_size, channels): (N, C, H, W) -> (N, K).

    ValueError for an unknown name, a key that the library would ignore, an image size the network cannot take.
    """
    now, before = dict(flatten(cfg)), dict(flatten(default_cfg()))
    for key in OWN_KEYS:
        if now[key] != before[key]:
            raise ValueError(f"{key} {now[key]}: networks of {library} have their own; leave it at {before[key]}")
    check_name(cfg.MODEL.NAME, names, library)
    model = make(cfg.MODEL.NAME, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.IM_SIZE, cfg.DATA_LOADER.CHANNELS)
    check_takes(model, cfg.TRAIN.IM_SIZE, cfg.MODEL.NAME)
    return mark_library_network(model, cfg.MODEL.NAME)


def check_name(name: str, names: Sequence[str], library: str, key: str = "MODEL.NAME") -> None:
    """Raise ValueError naming `key` and the nearest names unless `name` is one of the library's."""
    if not name:
        raise ValueError(f"{key} is empty: expected a network of {library}, such as resnet50")
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5) or names[:3]
        raise ValueError(f"{key}: {library} has no network '{name}' (nearest: {', '.join(near)})")


def check_takes(model: nn.Module, im_size: ImSize, name: str) -> None:
    """Raise ValueError naming TRAIN.IM_SIZE unless the network takes such images; a copy without data tries it."""
    try:
        show_image(meta_twin(model), im_size)
    except (RuntimeError, ValueError, AssertionError) as error:  # what torch, torchvision and timm raise for shapes
        raise cannot_take(name, im_size, error) from error


def cannot_take(name: str, im_size: ImSize, error: Exception) -> ValueError:
    """Return the ValueError that says in one line that a network cannot take images of this size, and why."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ValueError(f"TRAIN.IM_SIZE: {name} cannot take images of {size_text(im_size)} pixels ({reason})")
