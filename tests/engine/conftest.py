"""Fixtures of the engine's tests."""

from collections.abc import Callable, Iterator

import pytest

from pycls.engine.reporting import plots


@pytest.fixture(scope="session", autouse=True)
def draw() -> Iterator[Callable]:
    """Leave pictures empty, as drawing two takes longer than an epoch; yield what draws them."""
    real = plots._save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "_save", lambda figure, path: path.touch())
        yield real
