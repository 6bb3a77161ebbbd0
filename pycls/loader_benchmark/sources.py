"""The images that are measured: the user's folders, the config's data set, or generated photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.core.machine import cache_dir
from pycls.core.registry import pick
from pycls.datasets import DATASETS, Dataset, list_samples
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples
from pycls.datasets.sources.layout import folder_or_list
from pycls.datasets.sources.places import find_place, undivided
from pycls.datasets.synthetic import write_photos

NUM_PHOTOS = 640

_MOST_PHOTOS = 100_000  # of 110 kB each


@dataclass(frozen=True)
class Source:
    """Where images are."""

    title: str
    data_dir: str  # absolute; empty: the config's data set, wherever that is
    flat: bool = False  # class folders directly below, no train and val

    def overrides(self) -> list[str]:
        """Return the KEY VALUE words that point a config here."""
        names = ["TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet"]
        return ["DATA_DIR", self.data_dir, *names] if self.data_dir else []

    def point(self, cfg: CfgNode) -> CfgNode:
        """Return the config that the overrides make."""
        words = self.overrides()
        for key, value in zip(words[::2], words[1::2], strict=True):
            cfg = with_value(cfg, key, value)
        return cfg


def find_sources(cfg: CfgNode, folders: Sequence[str], num_photos: int = NUM_PHOTOS) -> list[Source]:
    """Return one source a folder; without folders the config's own data set, or photographs generated once.

    Raise ValueError for a folder that is none, or a config of array data, for which there is one backend only.
    """
    if folders:
        return [_folder_source(cfg, Path(folder)) for folder in folders]
    name = cfg.TRAIN.DATASET or "imagenet"
    dataset = pick(DATASETS, name, "TRAIN.DATASET")
    if dataset.im_size:
        raise ValueError(f"TRAIN.DATASET {name} is array data: loaders are compared on image files")
    if not _is_tree(dataset):
        return [Source(name, "")]
    if cfg.DATA_DIR:
        return [_folder_source(cfg, Path(cfg.DATA_DIR))]
    if num_photos > _MOST_PHOTOS:
        most = f"at most {_MOST_PHOTOS:,} are generated (11 GB)"
        raise ValueError(f"--images {num_photos:,}: {most}; give a folder of images")
    folder = cache_dir() / f"photos-v2-{num_photos}"
    write_photos(folder, num_photos)
    return [Source(f"{num_photos} generated photographs", str(folder.resolve()), flat=True)]


def _is_tree(dataset: Dataset) -> bool:
    """Tell whether a data set is whatever class folders DATA_DIR holds."""
    return dataset.build is DATASETS["imagenet"].build


def _folder_source(cfg: CfgNode, folder: Path) -> Source:
    root = folder_or_list(folder, str(folder)).resolve()
    whole = undivided(root, (cfg.TRAIN.SPLIT, cfg.TEST.SPLIT))
    return Source(str(folder), str(root), flat=whole is not None and whole.kind == "folder")


def load_samples(cfg: CfgNode, flat: bool, phase: str = "train") -> EncodedSamples:
    """List the images that `cfg` with a source's overrides names; of a phase that is not there, the other one's."""
    root = Path(cfg.DATA_DIR)
    if flat:
        return load_folder(root.parent, root.name)
    is_tree = _is_tree(pick(DATASETS, cfg.TRAIN.DATASET, "TRAIN.DATASET"))
    samples = list_samples(cfg, _present(cfg, root, phase) if is_tree else phase)
    assert not isinstance(samples, ArraySamples), "find_sources lets no array data through"
    return samples


def _present(cfg: CfgNode, root: Path, phase: str) -> str:
    other = "test" if phase == "train" else "train"
    here, there = (find_place(root, cfg[key].SPLIT, f"{key}.SPLIT") for key in (phase.upper(), other.upper()))
    return other if here is None and there is not None else phase
