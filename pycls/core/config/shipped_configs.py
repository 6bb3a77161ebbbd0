"""The configs that come with the package: inside it when it is installed, beside it in a checkout."""

import sys
from pathlib import Path

from pycls.core.registry import did_you_mean, printable


def configs_dir() -> Path:
    """Return the folder of the shipped configs."""
    package = Path(__file__).parents[2]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def shipped_file(name: str) -> Path | None:
    """Return the shipped config that "baselines/R-50.yaml" or "configs/baselines/R-50.yaml" names, None for others."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        return None
    shipped = configs_dir() / (path.relative_to("configs") if path.parts[:1] == ("configs",) else path)
    return shipped if shipped.is_file() else None


def find_cfg(name: str) -> str:
    """Return a config's path: `name` if there is such a file, else the shipped one of that name, said in one line.

    "baselines/R-50.yaml" and "configs/baselines/R-50.yaml" name the same shipped config. ValueError with the nearest
    shipped one where not even the folder is there; other missing files stay for `load_cfg` to tell of.
    """
    path, configs = Path(name), configs_dir()
    if path.is_absolute() or path.exists() or ".." in path.parts:
        return name
    shipped = shipped_file(name)
    if shipped is not None:
        print(printable(f"{name} is not in this folder: the shipped {shipped} is used"), file=sys.stderr)
        return str(shipped)
    if path.parent.is_dir():
        return name
    known = [str(Path("configs") / found.relative_to(configs)) for found in configs.rglob("*.yaml")]
    raise ValueError(f"{name}: no such config file, here or among the shipped ones{did_you_mean(name, known)}")
