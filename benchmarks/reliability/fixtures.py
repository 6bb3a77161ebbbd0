"""What cases are made of: a small data set, runs, packed data; each is built once, and only where a case needs it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.reliability.tiny import words
from benchmarks.report import ROOT

if TYPE_CHECKING:
    from benchmarks.reliability.case import Room

NUM_TRAIN, NUM_VAL = 16, 4  # images of each class
NUM_CLASSES = 10
CACHES = ".pycls-"  # what the program keeps of its scans beside the images, and may write at any time


@dataclass
class Fixtures:
    """The folder of one worker with a copy of every fixture; `fill` puts their paths into words."""

    folder: Path
    _stamps: dict[str, tuple] = field(default_factory=dict)
    _pristine: Path | None = None

    def fill(self, word: str, here: Path) -> str:
        """Replace `{here}`, `{root}` and the names of fixtures, such as `{data}`, by paths."""
        word = word.replace("{here}", str(here)).replace("{root}", str(ROOT))
        for name in BUILDERS:
            word = word.replace(f"{{{name}}}", str(self.folder / name))
        return word

    def __getitem__(self, name: str) -> Path:
        """Return the path of a fixture."""
        return self.folder / name

    def copied_to(self, folder: Path) -> "Fixtures":
        """Return a copy, which is watched."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Fixtures(folder, _stamps(folder), self.folder)

    def changed(self) -> list[str]:
        """Return the names of files that are not as they were."""
        now = _stamps(self.folder)
        return sorted(name for name in {*now, *self._stamps} if now.get(name) != self._stamps.get(name))

    def restore(self) -> None:
        """Undo every change."""
        if self._pristine is not None and self.changed():
            shutil.rmtree(self.folder)
            shutil.copytree(self._pristine, self.folder, symlinks=True)
            self._stamps = _stamps(self.folder)


def _stamps(folder: Path) -> dict[str, tuple]:
    found = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(CACHES)]
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            status = os.lstat(path)
            found[path] = (status.st_size, status.st_mtime_ns) if name in files else ()
    return found


# ---- how they are built, in the folder of a case; the result is a folder of the fixture's name


def build_data(room: "Room", target: Path) -> None:
    """Write digits of scikit-learn as PNG files, train/<digit>/ and val/<digit>/."""
    digits = load_digits()
    for label in range(NUM_CLASSES):
        images = digits.images[digits.target == label][: NUM_TRAIN + NUM_VAL]
        for number, pixels in enumerate(images):
            split = "train" if number < NUM_TRAIN else "val"
            file = target / split / str(label) / f"{number:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15.9).astype(np.uint8)).convert("RGB").save(file)


def build_run(room: "Room", target: Path) -> None:
    """Train two epochs."""
    _must_end(room, "train", *words(target, "{data}"))


def _must_end(room: "Room", *words: object) -> None:
    ended = room.run(*words)
    if ended.code != 0:
        raise RuntimeError(f"cannot make what the cases need: {' '.join(ended.words)}: {ended.told()}")


BUILDERS: dict[str, Callable[["Room", Path], None]] = {"data": build_data, "run": build_run}
