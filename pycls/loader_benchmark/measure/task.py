"""What the process of one measurement is asked for, and what it sets up before any clock runs."""

import importlib
from dataclasses import dataclass, field

import torch
from yacs.config import CfgNode

from pycls.core.config import load_cfg
from pycls.core.distributed import pick_device
from pycls.datasets import build_loader
from pycls.datasets.loader import Loader
from pycls.datasets.readers.subset import Subset, choose
from pycls.loader_benchmark.measure import page_cache
from pycls.loader_benchmark.sources import load_samples


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a cell's process is asked for."""

    kind: str  # a key of JOBS
    cfg_file: str
    overrides: list[str]
    flat: bool = False  # how the source's folder is built
    split: str = "train"  # phase whose images are shown; those of training in both views
    num_files: int = 0  # different images at most
    num_samples: int = 0  # images of an epoch
    view: str = "train"
    cache: str = "warm"
    output: str = "uint8"
    epochs: int = 3  # timed ones, after the first
    max_sec: float = 20.0  # an epoch ends after this
    num_squares: int = 4  # images that a probe shows
    pixels_file: str = ""  # where it puts them


@dataclass
class Job:
    """A task with what every job needs of it."""

    task: Task
    cfg: CfgNode = field(init=False)
    device: torch.device = field(init=False)
    samples: Subset = field(init=False)

    def __post_init__(self) -> None:
        self.cfg = load_cfg(self.task.cfg_file, self.task.overrides)
        self.device = pick_device(self.cfg.DEVICE)
        every = load_samples(self.cfg, self.task.flat, self.task.split)
        num_files = self.task.num_files or len(every)
        self.samples = choose(every, num_files, self.task.num_samples or len(every))
        torch.zeros(1, device=self.device)  # a GPU takes seconds to begin with
        _import_backend(self.cfg.DATA_LOADER.BACKEND, self.device)

    def build_loader(self) -> Loader:
        """Build the loader of the task's view."""
        return build_loader(self.cfg, self.task.view, self.device, self.samples)

    def drop_cache(self) -> None:
        """Make a cold cell's next read come from the disk."""
        if self.task.cache == "cold":
            different = range(min(self.task.num_files, len(self.samples)))
            page_cache.drop({page_cache.file_of(self.samples.name(index)) for index in different})


def _import_backend(backend: str, device: torch.device) -> None:
    """Import the libraries, which takes seconds, before any clock runs; ValueError when they are missing."""
    importlib.import_module(
        "pycls.datasets.backends." + {"torch": "torch_dataloader"}.get(name := backend.partition("_")[0], name)
    )
    if backend.startswith("dali"):
        from pycls.datasets.backends.dali_pipeline import check_dali

        check_dali(backend, device)
