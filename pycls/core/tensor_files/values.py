"""What stands for the values of a pickle that is walked through: how many and how deep they are, not what they are."""

from typing import Any, NamedTuple

# What a storage is called -> bytes of a number.
STORAGES = {
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage", "UntypedStorage"), 1),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    "ComplexDoubleStorage": 16,
}
_MOST_VALUES = 2_000_000  # shared ones counted wherever they are: a few lists in lists can mean billions
_MOST_NESTED = 60


class Global(NamedTuple):
    """A name that a pickle asks for: "module.name"."""

    name: str


class Storage(NamedTuple):
    """Numbers in a row: the key of their record, how many, and the bytes of each."""

    key: str
    length: int
    width: int

    @property
    def num_bytes(self) -> int:
        """Their size."""
        return self.length * self.width


class Value:
    """Anything that holds others, or a tensor: only how deep and how many they are is kept."""

    def __init__(self, kind: str, *items: Any):
        self.kind, self.depth, self.count = kind, 0, 1
        self.is_done = False  # after it has become part of another
        self.add(items)

    def add(self, items: Any) -> None:
        """Take in more, of which this may be no part: then, too, it is changed after it was used."""
        for item in items:
            if isinstance(item, Value):
                item.is_done = True
                self.depth, self.count = max(self.depth, item.depth + 1), self.count + item.count
            else:
                self.count += 1
        if self.is_done:
            raise ValueError("a value is changed after it was used")
        if self.depth > _MOST_NESTED:
            raise ValueError(f"its values are nested more than {_MOST_NESTED} deep")
        if self.count > _MOST_VALUES:
            raise ValueError(f"it stands for more than {_MOST_VALUES:,} values")


class PickledTuple(Value):
    """A tuple; its items are needed."""

    def __init__(self, *items: Any):
        super().__init__("tuple", *items)
        self.items = items
