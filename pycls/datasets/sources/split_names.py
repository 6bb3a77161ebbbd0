"""What people call the parts of a data set: train, Training, valid, dev, ... and which of them a key means."""

from collections.abc import Collection

NONE = "none"  # the value of TEST.SPLIT for a data set without images to evaluate on

# Names that stand in for one that is not there, the preferred ones first; of one row only one may be there.
_INSTEAD = {
    "train": (("training",),),
    "val": (("valid", "validation", "dev", "eval"), ("test", "testing")),
    "test": (("testing",),),
}
USUAL = ("train", *_INSTEAD["train"][0], "val", *_INSTEAD["val"][0], *_INSTEAD["val"][1])


def is_none(split: str) -> bool:
    """Tell whether TEST.SPLIT says that there is nothing to evaluate on."""
    return split.lower() == NONE


def is_usual(name: str) -> bool:
    """Tell whether a folder of this name is taken for a part of a data set, not for a class."""
    return name.lower() in USUAL


def resolve(wanted: str, present: Collection[str], key: str, where: str) -> str | None:
    """Return the name among `present` that `wanted`, the value of `key`, means; None if there is none.

    It is `wanted` itself, else the same in other case, else what stands in for it. ValueError when several could.
    """
    if wanted in present:
        return wanted
    for row in ((wanted.lower(),), *_INSTEAD.get(wanted, ())):
        found = sorted(name for name in present if name.lower() in row)
        if len(found) > 1:
            raise ValueError(
                f"{where} holds {' and '.join(found)}, but no '{wanted}': set {key} to the one that counts"
            )
        if found:
            return found[0]
    return None


def namesakes(name: str, present: Collection[str]) -> list[str]:
    """Return the other names, sorted, that mean the same as `name`: in other case, and of its row."""
    rows = [{known, *instead[0]} for known, instead in _INSTEAD.items()]
    alike = next((row for row in rows if name.lower() in row), {name.lower()})
    return sorted(other for other in present if other.lower() in alike and other != name)


def resolve_half(wanted: str, key: str, dataset: str) -> str:
    """Return "train" or "test": which half of a data set that comes in two a split's name means; ValueError if none."""
    if not is_usual(wanted):
        raise ValueError(f"{key}: {dataset} has no split '{wanted}', it has train and val (which test means, too)")
    return "train" if wanted.lower() in ("train", *_INSTEAD["train"][0]) else "test"
