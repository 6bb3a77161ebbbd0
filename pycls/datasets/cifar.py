"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the published python pickle folders."""

from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from pycls.core.bounds.names import is_name
from pycls.datasets.plain_pickle import load_pickle
from pycls.datasets.readers.paths import data_root, find_file
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.sources.split_names import resolve_half

MEAN = (125.3 / 255, 123.0 / 255, 113.9 / 255)
STD = (63.0 / 255, 62.1 / 255, 66.7 / 255)
SIDE_PX = 32

CIFAR10_FILES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
CIFAR100_FILES = {"train": ["train"], "test": ["test"]}


def build_cifar10(cfg: CfgNode, phase: str) -> ArraySamples:
    """Load one split of CIFAR-10 ("val" is the test split)."""
    return load_cifar10(data_root(cfg.DATA_DIR), _half(cfg, phase))


def build_cifar100(cfg: CfgNode, phase: str) -> ArraySamples:
    """Load one split of CIFAR-100 with its 100 fine labels ("val" is the test split)."""
    return load_cifar100(data_root(cfg.DATA_DIR), _half(cfg, phase))


def load_cifar10(root: Path, split: str) -> ArraySamples:
    """Load `train` (data_batch_1 to 5) or `test` from root, root/cifar10 or root/**/cifar-10-batches-py."""
    split = "train" if split == "train" else "test"
    folder = _find(root, ["", "cifar10", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"], "batches.meta")
    return _load(folder, CIFAR10_FILES[split], "labels", ("batches.meta", "label_names"), f"cifar10 {split}")


def load_cifar100(root: Path, split: str) -> ArraySamples:
    """Load `train` or `test` from root, root/cifar100 or root/**/cifar-100-python."""
    split = "train" if split == "train" else "test"
    folder = _find(root, ["", "cifar100", "cifar-100-python", "cifar100/cifar-100-python"], "meta")
    return _load(folder, CIFAR100_FILES[split], "fine_labels", ("meta", "fine_label_names"), f"cifar100 {split}")


def _half(cfg: CfgNode, phase: str) -> str:
    key = phase.upper()
    return resolve_half(cfg[key].SPLIT, f"{key}.SPLIT", cfg[key].DATASET)


def _find(root: Path, places: list[str], meta_file: str) -> Path:
    folders = [root / place for place in places]
    return find_file(folders, [meta_file], "unpack the published python version (a folder of pickles) there").parent


def _load(folder: Path, files: list[str], labels_key: str, names_at: tuple[str, str], source: str) -> ArraySamples:
    parts = [_read(folder / file, labels_key) for file in files]
    classes = _entry(folder / names_at[0], names_at[1])
    if not isinstance(classes, list) or not all(map(is_name, classes)):
        raise ValueError(f"{folder / names_at[0]}: its '{names_at[1]}' are no list of names")
    images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(labels):
        raise ValueError(f"{folder}: holds no images")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(
            f"{folder}: labels run from {labels.min()} to {labels.max()}, but there are {len(classes)} classes"
        )
    return ArraySamples(images, labels, tuple(classes), source)


def _is_label(label: Any) -> bool:
    return type(label) is int and abs(label) < 2**31


def _read(file: Path, labels_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch file: images uint8 (N, 32, 32, 3), labels int64 (N,)."""
    rows, labels = _entry(file, "data"), _entry(file, labels_key)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (3 * SIDE_PX * SIDE_PX,):
        found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"{file}: expected uint8 data of shape (N, 3072), got {found}")
    if not isinstance(labels, list) or len(labels) != len(rows) or not all(map(_is_label, labels)):
        raise ValueError(f"{file}: its '{labels_key}' are no list of {len(rows)} numbers")
    planes = rows.reshape(-1, 3, SIDE_PX, SIDE_PX)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.int64)


def _entry(file: Path, key: str) -> Any:
    if not file.is_file():
        raise ValueError(f"{file} is missing: the data set in {file.parent} is not complete")
    content = load_pickle(file)
    if not isinstance(content, dict) or key not in content:
        raise ValueError(f"{file} has no entry '{key}': it is not a file of the published python version")
    return content[key]
