"""Tests marked `gpu` run only where a CUDA device is; every test keeps its caches to itself."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the tools set it, before torch is imported

import pytest
import torch


def pytest_collection_modifyitems(items):
    """Skip GPU tests without a GPU."""
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="needs a CUDA device")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)
