"""TRAIN.WEIGHTS and TEST.WEIGHTS take paths, addresses and the names of pycls, torchvision and timm."""

import pytest

from pycls.core.weights import sources as weight_sources
from pycls.engine.weights_file import weights_file


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("RegNetX-400MF", "https://dl.fbaipublicfiles.com/pycls/dds_baselines/160905967/RegNetX-400MF_dds_8gpu.pyth"),
        ("torchvision://resnet50/IMAGENET1K_V2", "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"),
        ("http://127.0.0.1/a.pth", "http://127.0.0.1/a.pth"),
    ],
)
def test_names_become_addresses(name, address, monkeypatch, tmp_path):
    monkeypatch.setattr(weight_sources, "download", lambda url, cache_dir: (url, cache_dir))
    assert weights_file(name, str(tmp_path)) == (address, tmp_path)


def test_a_name_that_is_none_of_them_names_the_key():
    with pytest.raises(ValueError, match=r"TEST.WEIGHTS RegNetX-40MF: no such file.*did you mean 'RegNetX-400MF'"):
        weights_file("RegNetX-40MF", "", "TEST.WEIGHTS")
