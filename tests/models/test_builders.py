"""pycls's library call: names, configs and addresses of its zoo, weights turned from BGR, and the installed package."""

import subprocess
import sys

import pytest
import torch

import pycls.models
from pycls.core.weights import sources as weight_sources
from pycls.core.weights.sources import ZOO, zoo_url
from pycls.models.complexity import complexity
from pycls.models.model_zoo import zoo_config, zoo_configs
from tests.helpers.model_records import load_record, load_zoo
from tests.helpers.paths import CONFIGS

ROOT = CONFIGS.parent
PUBLISHED = load_zoo("zoo_pycls.json")


def test_names_configs_and_addresses_are_those_of_pycls():
    assert len(PUBLISHED) == len(ZOO) == 36
    for row in PUBLISHED:
        assert str(zoo_config(row["name"]).relative_to(ROOT)) == row["config"]
        assert zoo_url(row["name"]) == row["weights"]
    rest = set(zoo_configs()) - set(ZOO)
    assert rest == {f"ViT-{stem}-{size}GF" for stem in "PC" for size in ("1.0", "4.0", "18", "36")}


@pytest.mark.parametrize(
    ("call", "name", "config"),
    [
        (pycls.models.regnetx, "400MF", "dds_baselines/regnetx/RegNetX-400MF_dds_8gpu.yaml"),
        (pycls.models.regnety, "RegNetY-1.6GF", "dds_baselines/regnety/RegNetY-1.6GF_dds_8gpu.yaml"),
        (pycls.models.resnet, "50", "dds_baselines/resnet/R-50-1x64d_dds_8gpu.yaml"),
        (pycls.models.resnext, "ResNeXt-50", "dds_baselines/resnext/X-50-32x4d_dds_8gpu.yaml"),
        (pycls.models.effnet, "B0", "dds_baselines/effnet/EN-B0_dds_8gpu.yaml"),
        (pycls.models.vit, "C-1.0GF", "vitconv_baselines/vit/ViT-C-1.0GF_adamw_8gpus.yaml"),
    ],
)
def test_calls_build_the_recorded_networks(call, name, config):
    with torch.device("meta"):
        assert complexity(call(name), 224) == load_record("pycls_models.json")[config]["complexity"]


def test_cfg_list_changes_the_config():
    model = pycls.models.regnetx("200MF", cfg_list=("MODEL.NUM_CLASSES", 100, "BN.EPS", 1e-3, "REGNET.SE_ON", True))
    assert model.head.fc.out_features == 100 and model.stem.bn.eps == 1e-3
    assert hasattr(model.s1.b1.f, "se")


def test_names_that_are_not_there():
    with pytest.raises(ValueError, match=r"RegNetX-450MF: no network of the model zoo, did you mean 'RegNetX-400MF'"):
        pycls.models.regnetx("450MF")
    with pytest.raises(ValueError, match=r"ViT-P-1.0GF: pycls publishes no weights for it"):
        pycls.models.vit("P-1.0GF", pretrained=True)


def test_published_weights_fill_the_network(tmp_path, monkeypatch):
    """A file laid out as pycls publishes it stands in for the download."""
    torch.manual_seed(1)
    theirs = pycls.models.regnetx("200MF").state_dict()
    path, asked = tmp_path / "weights.pyth", []
    torch.save({"epoch": 99, "model_state": theirs, "cfg": "TRAIN:\n  DATASET: imagenet\n"}, path)

    def download(url, cache_dir):
        asked.append((url, str(cache_dir)))
        return path

    monkeypatch.setattr(weight_sources, "download", download)
    words = ("MODEL.NUM_CLASSES", 7, "DOWNLOAD_CACHE", str(tmp_path))
    model = pycls.models.regnetx("200MF", pretrained=True, cfg_list=words)
    address = "https://dl.fbaipublicfiles.com/pycls/dds_baselines/160905981/RegNetX-200MF_dds_8gpu.pyth"
    assert asked == [(address, str(tmp_path))]
    assert torch.equal(model.stem.conv.weight, theirs["stem.conv.weight"].flip(1)), "BGR becomes RGB"
    assert torch.equal(model.s4.b1.proj.weight, theirs["s4.b1.proj.weight"])
    assert model.head.fc.weight.shape == (7, 368)  # another number of classes keeps its fresh values


def test_an_installed_package_brings_the_configs(tmp_path):
    build = [sys.executable, "setup.py", "-q", "build_py", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=200)
    installed = {path.relative_to(tmp_path / "pycls/configs") for path in (tmp_path / "pycls/configs").rglob("*.yaml")}
    assert installed == {path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.yaml")}
    code = "import pycls.models as m; print(m.__file__, m.regnety('200MF').head.fc.out_features)"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path}/pycls/models/__init__.py 1000\n", done.stderr


def test_rows_name_files_that_are_there():
    assert [row for row in load_zoo("zoo_pycls.json") if not (ROOT / row["config"]).is_file()] == []
