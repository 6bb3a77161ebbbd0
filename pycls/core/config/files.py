"""A YAML file and the files it builds on: `_BASE_: other.yaml`, as detectron2 has it.

A base is looked for beside the file that names it, then among the shipped configs. What a file says itself wins over
its bases, key by key; of several bases, `_BASE_: [a.yaml, b.yaml]`, the later one wins.
"""

from pathlib import Path

from pycls.core.bounds.regular_file import kind_of, read_regular
from pycls.core.bounds.yaml_text import MOST_BYTES
from pycls.core.config.settings import Setting, text_settings
from pycls.core.config.shipped_configs import shipped_file
from pycls.core.paths import expand_path
from pycls.core.registry import did_you_mean, shown

BASE = "_BASE_"
_MOST_FILES = 100  # read for one config: two bases that have two bases each, and so on, would be millions


def file_settings(cfg_file: str | None) -> list[Setting]:
    """Return the settings of a YAML file, its bases' first, none for None; ValueError for a file that is none."""
    if not cfg_file:
        return []
    path = Path(cfg_file)
    if not cfg_file.isprintable():
        raise ValueError(f"{shown(cfg_file)}: expected the name of a config file")
    if path.is_dir():
        inside = next(iter(sorted(path.glob("*.y*ml"))), None)
        hint = f"give a file in it, {inside} for instance" if inside else "give a YAML file"
        raise ValueError(f"{cfg_file}: is a folder, no config; {hint}")
    if path.exists() and not path.is_file():
        raise ValueError(f"{cfg_file}: is {kind_of(path.stat().st_mode)}, expected a config file")
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise ValueError(f"{cfg_file}: no such config file{did_you_mean(str(path), siblings)}")
    return _with_bases(path, (), [])


def _with_bases(path: Path, chain: tuple[Path, ...], read: list[Path]) -> list[Setting]:
    """Return the settings of a file that the files of `chain`, each the base of the one before it, have led to.

    `read`: the files that have been read for the config so far.
    """
    settings, chain = _read(path), (*chain, path)
    read.append(path)
    bases = [base for setting in settings if setting.key == BASE for base in _bases(setting, path)]
    own = [setting for setting in settings if setting.key != BASE]
    return [*(setting for where, base in bases for setting in _base_settings(where, base, chain, read)), *own]


def _base_settings(where: str, base: Path, chain: tuple[Path, ...], read: list[Path]) -> list[Setting]:
    if base.resolve() in [path.resolve() for path in chain]:
        raise ValueError(f"{where}: {BASE} leads back to where it began: {' -> '.join(map(str, (*chain, base)))}")
    if len(read) >= _MOST_FILES:
        raise ValueError(f"{where}: {BASE} leads to more than {_MOST_FILES} files")
    return _with_bases(base, chain, read)


def _bases(setting: Setting, path: Path) -> list[tuple[str, Path]]:
    """Return the place and the file of each base that a file names."""
    names = setting.value if isinstance(setting.value, list) else [setting.value]
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError(f"{setting.where}: {BASE} expects the name of a YAML file, got {shown(setting.value)}")
    return [(setting.where, _find(setting.where, name, path.parent)) for name in names]


def _find(where: str, name: str, folder: Path) -> Path:
    beside = folder / expand_path(name, f"{where}: {BASE}")
    if beside.is_file():
        return beside
    shipped = shipped_file(name)
    if shipped is not None:
        return shipped
    siblings = [other.name for other in beside.parent.glob("*.y*ml")] if beside.parent.is_dir() else []
    looked = f"{beside}, nor a shipped config of that name"
    raise ValueError(f"{where}: {BASE} {shown(name)}: there is no {looked}{did_you_mean(beside.name, siblings)}")


def _read(path: Path) -> list[Setting]:
    try:
        text = read_regular(path, MOST_BYTES, f"{path}: a config file").decode("utf-8")
        return list(text_settings(text, str(path)))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None
