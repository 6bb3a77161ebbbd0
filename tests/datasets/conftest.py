"""Fixtures of the backend tests."""

import pytest

from pycls.datasets.readers.samples import FileSamples
from tests.datasets.photographs import write_photographs


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> FileSamples:
    """Real photographs in every kind of file."""
    return write_photographs(tmp_path_factory.mktemp("photographs"))
