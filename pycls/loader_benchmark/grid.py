"""What is measured: the cells of the grid, and the order of the rounds."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from pycls.datasets import BACKENDS
from pycls.datasets.backends import FOR_ARRAYS

VIEWS = {"train": "train", "test": "eval"}  # phase -> name in tables
CACHES = ("warm", "cold")  # states of the system's page cache


@dataclass(frozen=True)
class Variant:
    """A backend and, where it has a choice, what its workers are."""

    backend: str
    worker_mode: str = "auto"

    @property
    def title(self) -> str:
        """Name in tables and pictures."""
        return self.backend if self.worker_mode == "auto" else f"{self.backend} {self.worker_mode}"


@dataclass(frozen=True)
class Cell:
    """One thing to measure."""

    variant: Variant
    workers: int
    batch_size: int
    view: str = "train"  # "train" | "test"
    cache: str = "warm"  # page cache: "warm" | "cold"
    output: str = "uint8"  # "uint8": as handed to the device; "float": as the network gets them

    @property
    def loader(self) -> str:
        """Name of what can be chosen."""
        return f"{self.variant.title} with {self.workers} worker{'' if self.workers == 1 else 's'}"

    @property
    def title(self) -> str:
        """Name in progress lines."""
        return f"{self.loader}, batch {self.batch_size}, {VIEWS[self.view]} {self.cache} {self.output}"

    @property
    def phase_key(self) -> tuple[str, str, str]:
        """What cells that can be compared with each other have in common, besides workers and batch size."""
        return self.view, self.cache, self.output

    @property
    def num_batches(self) -> int:
        """Batches that an epoch needs, so that filling and emptying the workers' queues does not decide."""
        return max(16, 8 * self.workers)

    def sample_counts(self, images: int, available: int) -> tuple[int, int]:
        """Return (different files, samples) of an epoch that is to show `images` of `available` files at least.

        A warm epoch repeats files to be long enough. A cold one must not, as the second time would come from memory: it
        takes more files instead, and is short when there are no more.
        """
        samples = self.batch_size * max(-(-images // self.batch_size), self.num_batches)
        if self.cache == "warm":
            return min(images, available), samples
        whole_batches = min(samples, available) // self.batch_size * self.batch_size
        return min(samples, available), max(whole_batches, self.batch_size)

    def loader_overrides(self) -> list[str]:
        """Return the KEY VALUE words that choose this cell's loader."""
        words = ["DATA_LOADER.BACKEND", self.variant.backend, "DATA_LOADER.WORKER_MODE", self.variant.worker_mode]
        return [*words, "DATA_LOADER.NUM_WORKERS", str(self.workers)]

    def batch_overrides(self) -> list[str]:
        """Return the KEY VALUE words that set this cell's batch size."""
        return ["TRAIN.BATCH_SIZE", str(self.batch_size), "TEST.BATCH_SIZE", str(self.batch_size)]


def variants(backends: Sequence[str] = ()) -> list[Variant]:
    """Return the variants of the named backends for image files, all of them when none is named."""
    known = [name for name in BACKENDS if name not in FOR_ARRAYS]
    if unknown := set(backends) - set(known):
        raise ValueError(f"--backends: {sorted(unknown)[0]} is not one of {', '.join(known)}")
    chosen = [name for name in known if name in backends or not backends]
    modes = {"custom": ("threads", "processes")}
    return [Variant(name, mode) for name in chosen for mode in modes.get(name, ("auto",))]


def default_workers(cores: int) -> list[int]:
    """Return numbers of workers worth a try: one, a quarter, half and all of the cores."""
    return sorted({max(1, count) for count in (1, cores // 4, cores // 2, cores)})


def build_grid(
    variants: Sequence[Variant],
    workers: Sequence[int],
    batch_sizes: Sequence[int],
    views: Sequence[str],
    caches: Sequence[str],
    outputs: Sequence[str],
) -> list[Cell]:
    """Return every combination."""
    return [Cell(*values) for values in itertools.product(variants, workers, batch_sizes, views, caches, outputs)]


def rounds(cells: Sequence[Cell], count: int, seed: int) -> list[list[Cell]]:
    """Return the cells `count` times, each time in another order, so that a machine that changes favors nobody."""
    return [random.Random(f"{seed}-{number}").sample(list(cells), len(cells)) for number in range(count)]
