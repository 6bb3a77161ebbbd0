"""TRAIN.WEIGHTS and TEST.WEIGHTS: from what a user writes to a file on this machine."""

from pathlib import Path

from pycls.core.weight_sources import find_weights


def weights_file(name: str, cache_dir: str, key: str = "weights") -> Path:
    """Return the file of a path, a URL or a name of published weights, downloaded if need be.

    ValueError, naming the config key, for what is none of them.
    """
    return find_weights(name, cache_dir, key)
