"""Class names: the same, in the same order, in the checkpoint and in the data."""

from collections.abc import Sequence


def check_classes(saved: Sequence[str], found: Sequence[str], where: str) -> None:
    """Raise ValueError naming the first difference between a checkpoint's classes and the data set's."""
    if list(saved) == list(found):
        return
    if len(saved) != len(found):
        raise ValueError(f"{where}: was trained on {len(saved)} classes, the data set has {len(found)}")
    number, old, new = next((i, a, b) for i, (a, b) in enumerate(zip(saved, found, strict=True)) if a != b)
    raise ValueError(f"{where}: class {number} is {old!r} in the checkpoint and {new!r} in the data set")
