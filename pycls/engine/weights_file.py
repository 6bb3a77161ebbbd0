"""TRAIN.WEIGHTS and TEST.WEIGHTS: from what a user writes to a file here."""

from pathlib import Path

from pycls.core.weights.sources import find_weights
from pycls.models.external.weights_url import weights_url


def weights_file(name: str, cache_dir: str, key: str = "weights") -> Path:
    """Return the file of a path, a URL or a name of published weights, downloaded if need be.

    Names are those of pycls's zoo, such as RegNetX-400MF, torchvision://resnet50/IMAGENET1K_V2 and
    timm://resnet50.a1_in1k. ValueError, naming the config key, for what is none of them.
    """
    address, _ = weights_url(name)
    return find_weights(address, cache_dir, key)
