"""Folders in which the documentation's commands are run."""

from collections.abc import Callable, Iterator

import pytest

from tests.helpers.documented.stage import Stage, small_world


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    """Let commands end within seconds, without a network."""
    with small_world():
        yield


@pytest.fixture(scope="module")
def stage_of(world: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Stage]:
    """Return what gives a folder for a name, the same for the same name."""
    stages: dict[str, Stage] = {}

    def stage(name: str) -> Stage:
        if name not in stages:
            stages[name] = Stage(tmp_path_factory.mktemp("stage"))
        return stages[name]

    return stage
