"""Which images test_net evaluates, and on which outputs of the network: data may have a part of its classes only."""

from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from pycls.core.logging import get_logger
from pycls.datasets import check_num_classes, list_samples
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples, Samples
from pycls.datasets.sources.class_order import numbers_of, relabel
from pycls.engine.identity import check_classes

logger = get_logger(__name__)


def samples_to_test(cfg: CfgNode, saved: Sequence[str] | None, where: str) -> tuple[Samples, list[int] | None]:
    """Return the images of TEST.DATASET, and the outputs of the network that are their classes; None: all, in order.

    `saved` are the classes that the file `where` names, if it does. Where it or DATA.CLASSES names more classes than
    the data have, only the outputs of those count, unless DATA.MISSING_CLASSES says that any may be predicted.
    """
    samples = list_samples(cfg, "test")
    if cfg.DATA.CLASSES and saved is not None:
        check_classes(saved, samples.classes, where, f"DATA.CLASSES {cfg.DATA.CLASSES}")
    samples = samples if saved is None else _numbered_as(saved, samples, where)
    hint = "" if cfg.DATA.CLASSES or saved is not None else "; DATA.CLASSES FILE names those of the network"
    check_num_classes(cfg, len(samples.classes), f"TEST.DATASET {cfg.TEST.DATASET}", hint)
    shown = np.unique(samples.labels)
    if isinstance(samples, ArraySamples) or cfg.DATA.MISSING_CLASSES or len(shown) == len(samples.classes):
        return samples, None
    if not cfg.DATA.CLASSES and saved is None:
        return samples, None  # its own classes are all that is known
    if len(shown) == 1:
        name = samples.classes[shown[0]]
        raise ValueError(
            f"the data have one of the {len(samples.classes)} classes of the network, {name}: without the others every "
            "prediction is right; DATA.MISSING_CLASSES True lets them count"
        )
    logger.info(
        "The data have %d of the %d classes of the network: the others do not count as predictions "
        "(DATA.MISSING_CLASSES True lets them)",
        *(len(shown), len(samples.classes)),
    )
    return _only(samples, shown), shown.tolist()


def _numbered_as(saved: Sequence[str], samples: Samples, where: str) -> Samples:
    """Return the samples under the classes of a file; ValueError unless they are all among them."""
    if isinstance(samples, ArraySamples) or not set(samples.classes) <= set(saved):
        check_classes(saved, samples.classes, where)
        return samples
    return relabel(samples, numbers_of(samples.classes, saved, samples.split, where), saved)


def _only(samples: EncodedSamples, shown: np.ndarray) -> EncodedSamples:
    """Return the samples under the classes `shown`, int64 (C,), that have images."""
    places = np.zeros(len(samples.classes), np.int64)
    places[shown] = np.arange(len(shown))
    return relabel(samples, places, [samples.classes[label] for label in shown])
