"""Short trainings on class folders of one's own, and what they recorded."""

import json
from pathlib import Path

from tests.helpers.runs import tiny_words


def train_words(folder: Path, out_dir: Path, **keys: object) -> list[str]:
    """Return the words of an epoch of training on a tree of two classes."""
    own = {"TRAIN__DATASET": "imagenet", "TEST__DATASET": "imagenet", "DATA_DIR": folder, "MODEL__NUM_CLASSES": 2}
    sizes = {"TRAIN__IM_SIZE": 16, "TEST__IM_SIZE": 18, "TRAIN__BATCH_SIZE": 12, "TEST__BATCH_SIZE": 12}
    return tiny_words(out_dir, **own | sizes | {"OPTIM__MAX_EPOCH": 1, "DATA_LOADER__NUM_WORKERS": 0} | keys)


def place_of(folder: Path, number: int, ending: str) -> Path:
    """Return where image `number` lies in a tree with train/ and val/ of two classes, all filled evenly."""
    place = folder / ("train" if number % 2 else "val") / ("a" if number % 4 < 2 else "b") / f"{number}.{ending}"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def losses(out_dir: Path) -> list[float]:
    """Return the losses that a run has recorded."""
    records = map(json.loads, (out_dir / "metrics.jsonl").read_text().splitlines())
    return [record["loss"] for record in records if "loss" in record]


def info_words(words: list[str]) -> list[str]:
    """Return those words of a training that pycls info reads."""
    pairs = zip(words[::2], words[1::2], strict=True)
    return [word for pair in pairs if not pair[0].startswith(("TEST.", "PREC_TIME.", "DATA_DIR")) for word in pair]
