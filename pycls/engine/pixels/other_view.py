"""Whether images are shown to a network as they were when it was trained, or its figures published."""

from collections.abc import Sequence
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import WITHOUT_PLUGINS, with_value
from pycls.core.logging import get_logger
from pycls.datasets import color_scale
from pycls.engine.identity import saved_cfg
from pycls.engine.pixels.published_view import published_view
from pycls.engine.setup import has_one_size, pixel_contract

logger = get_logger(__name__)

# What of the pixel contract an evaluation has nothing to do with; of images of one size nothing is resized either.
_OF_TRAINING = ("train_interpolation",)
_OF_RESIZING = ("antialias", "exif_rotate", "test_interpolation", "test_im_size")


def warn_of_other_pixels(saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Warn, before a training goes on, if the pixel contract in its checkpoint is another than the one in force."""
    if words := _contract_differences(saved, pixel_contract(cfg)):
        logger.warning("%s: was made with %s", where, words)


def other_view(name: str, saved: dict[str, Any], cfg: CfgNode, where: str, ignored: Sequence[str] = ()) -> str:
    """Return one line on how an evaluation's view of images differs from that of the weights, "" if it does not.

    The view belongs to the weights: it is the pixel contract in the file, else that of published weights of that name,
    else what the file's config says. Of files with none of them nothing is known. `ignored` are names of the contract.
    """
    if not (cfg.TEST.DATASET or cfg.TRAIN.DATASET):
        cfg = with_value(cfg, "TEST.DATASET", "imagenet")  # as files are seen that are no data set
    if "pixels" in saved:
        words = _contract_differences(saved["pixels"], _seen(cfg), _unseen(cfg, ignored))
        return f"{where}: was made with {words}; expect other figures" if words else ""
    published = _published_differences(name, cfg)
    if published is not None:
        return f"{name}: {'; '.join(published)}; expect other figures than the published ones" if published else ""
    theirs = _contract_of_config(saved, where)
    words = _contract_differences(theirs, _seen(cfg), _unseen(cfg, (*ignored, "backend")))
    return f"{where}: was made with {words}; expect other figures" if words else ""


def _seen(cfg: CfgNode) -> dict[str, Any]:
    """Return the pixel contract of an evaluation."""
    mean, std = color_scale(cfg, "test" if cfg.TEST.DATASET else "train")
    return pixel_contract(cfg) | {"mean": list(mean), "std": list(std)}


def _unseen(cfg: CfgNode, ignored: Sequence[str]) -> Sequence[str]:
    """Return the names in a contract that say nothing of what an evaluation shows."""
    is_array = has_one_size(cfg.TEST.DATASET or cfg.TRAIN.DATASET)
    return (*_OF_TRAINING, *ignored, *(_OF_RESIZING if is_array else ()))


def _contract_differences(saved: dict[str, Any], now: dict[str, Any], ignored: Sequence[str] = ()) -> str:
    """Return in words what of two contracts differs: "antialias True, now it is False; depth full, now it is ..."."""
    found = [name for name in now if name not in ignored and name in saved and saved[name] != now[name]]
    return "; ".join(f"{name} {saved[name]}, now it is {now[name]}" for name in found)


def _published_differences(name: str, cfg: CfgNode) -> list[str] | None:
    """Return in words how the view in force differs from that of published weights; None if `name` names no such."""
    published = published_view(name)
    if published is None:
        return None
    seen = _seen(cfg)
    sizes = seen["train_im_size"], seen["test_im_size"]
    found = published.differences(
        *sizes, seen["test_interpolation"], seen["antialias"], tuple(seen["mean"]), tuple(seen["std"])
    )
    found += ["DATA_LOADER.EXIF_ROTATE is True, published with False"] if seen["exif_rotate"] else []
    return found + (["DATA_LOADER.DEPTH is full, published with uint8"] if seen["depth"] == "full" else [])


def _contract_of_config(saved: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the pixel contract that the config in a file of another program means; {} if there is none."""
    try:
        return pixel_contract(saved_cfg(saved, where, WITHOUT_PLUGINS))
    except ValueError:  # told where networks are compared
        return {}
