"""Walk through a pickle of torch.save and build nothing: which storages and tensors it declares, and how much they are.

torch's own reader builds only tensors and plain values, too, but believes what a pickle says of sizes, calls what may
reserve any amount of memory, and follows nesting until the stack ends.
"""

import math
import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from pycls.core.tensor_files.values import STORAGES, Global, PickledTuple, Storage, Value

_MOST_STEPS = 2_000_000
_MOST_TENSORS = 100_000
_MOST_AXES = 64  # of a tensor, as torch computes with; the product of very many sizes takes hours
_PLAIN_CLASSES = ("collections.OrderedDict", "collections.Counter", "argparse.Namespace", "builtins.set")


class Walk:
    """A pickle: the storages that it names, by key; `value` is what it makes.

    ValueError, in a few words, for what torch.save does not write, or what would take more memory than it has bytes.
    """

    def __init__(self, stream: BinaryIO):
        self.storages: dict[str, Storage] = {}
        self._num_tensors = 0
        self._memo: dict[int, Any] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self.value = self._walk(stream)

    def _walk(self, stream: BinaryIO) -> Any:
        for number, (op, arg, _) in enumerate(pickletools.genops(stream)):
            if number > _MOST_STEPS:
                raise ValueError(f"its pickle has more than {_MOST_STEPS:,} steps")
            if op.name == "STOP":
                value = self._pop()
                if self._stack or self._marks:
                    raise ValueError("its pickle leaves values over")
                return value
            if op.name in _PUSHED:
                self._stack.append(arg)
            else:
                step = _OPS.get(op.name)
                if step is None:
                    raise ValueError(f"its pickle has a step that torch.save does not write ({op.name})")
                step(self, arg)
        raise ValueError("its pickle has no end")

    # ---- the stack

    def _pop(self) -> Any:
        if not self._stack or (self._marks and len(self._stack) <= self._marks[-1]):
            raise ValueError("its pickle takes what is not there")
        return self._stack.pop()

    def _pop_marked(self) -> list[Any]:
        if not self._marks:
            raise ValueError("its pickle takes what is not there")
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def mark(self, _: Any) -> None:
        """Begin a group."""
        self._marks.append(len(self._stack))

    def put(self, number: int) -> None:
        """Note the newest value under a number."""
        value = self._pop()
        self._memo[number] = value
        self._stack.append(value)

    def get(self, number: int) -> None:
        """Take a noted value again."""
        if number not in self._memo:
            raise ValueError("its pickle takes what is not there")
        self._stack.append(self._memo[number])

    # ---- what is built

    def container(self, kind: str) -> None:
        """Begin a list, a dictionary or a set."""
        self._stack.append(Value(kind))

    def row(self, count: int | None) -> None:
        """Make a tuple of the last values, None: of the group."""
        items = self._pop_marked() if count is None else [self._pop() for _ in range(count)][::-1]
        self._stack.append(PickledTuple(*items))

    def fill(self, count: int | None) -> None:
        """Put the last values, None: the group, into the container before them."""
        items = self._pop_marked() if count is None else [self._pop() for _ in range(count)]
        target = self._pop()
        if not isinstance(target, Value) or isinstance(target, PickledTuple):
            raise ValueError("its pickle fills what is no container")
        target.add(items)
        self._stack.append(target)

    def build(self, _: Any) -> None:
        """Set the attributes of the object before them."""
        state, target = self._pop(), self._pop()
        plain = isinstance(target, Value) and target.kind in _PLAIN_CLASSES
        if not (plain and isinstance(state, Value) and state.kind == "dict"):
            raise ValueError("its pickle sets attributes of what has none")
        target.add([state])
        self._stack.append(target)

    def call(self, _: Any) -> None:
        """Call a function: those that make tensors and plain values are known, any other is refused."""
        args, function = self._pop(), self._pop()
        self._stack.append(self._called(function, args))

    def _called(self, function: Any, args: Any) -> Any:
        if not isinstance(function, Global) or not isinstance(args, PickledTuple):
            raise ValueError("its pickle calls what is no function")
        args.is_done = True
        if function.name in _REBUILD:
            return self._tensor(*args.items)
        if function.name in _AROUND_TENSORS:
            _need(bool(args.items) and _is_of_kind(args.items[0], "tensor"), "parameter")
            return Value("tensor", *args.items)
        if function.name == "torch._tensor._rebuild_from_type_v2":
            _need(len(args.items) == 4, "tensor")
            return Value("tensor", self._called(args.items[0], args.items[2]), args.items[3])
        if function.name == "_codecs.encode":
            _need(isinstance(args.items[0], str) and args.items[1:] in (("latin1",), ("ascii",), ("utf-8",)), "text")
            bytes_made = Value("bytes")
            bytes_made.count += len(args.items[0]) // 16  # each call makes new ones
            return bytes_made
        if function.name not in (*_PLAIN_CLASSES, *_PLAIN_FUNCTIONS):
            raise ValueError(f"it asks for {function.name:.60}, which makes neither a tensor nor a plain value")
        # Of a number a bytearray would be made that is as long, of a tensor a set of its numbers.
        of_what = ("bytes",) if function.name == "builtins.bytearray" else ("list", "dict", "tuple", "bytes")
        plain = function.name in _PLAIN_FUNCTIONS and function.name != "builtins.bytearray"
        _need(plain or all(isinstance(item, Value) and item.kind in of_what for item in args.items), function.name)
        return Value(function.name, *args.items)

    def name(self, words: str) -> None:
        """Take a class or a function by its name."""
        self._stack.append(Global(words.replace(" ", ".").replace("__builtin__.", "builtins.")))

    def storage(self, _: Any) -> None:
        """Declare a storage, or a part of one (in files before torch 1.6)."""
        row = self._pop()
        _need(isinstance(row, PickledTuple), "storage")
        row.is_done, items = True, row.items
        _need(len(items) in (5, 6) and items[0] == "storage" and isinstance(items[1], Global), "storage")
        kind, key, count = items[1].name.rpartition(".")[2], items[2], items[4]
        _need(kind in STORAGES and isinstance(key, str) and _is_size(count), "storage")
        whole = Storage(key, count, STORAGES[kind])
        known = self.storages.setdefault(whole.key, whole)
        _need(known.num_bytes == whole.num_bytes, f"storage {whole.key!r:.20}")
        self._stack.append(whole if len(items) == 5 or items[5] is None else _part(whole, items[5]))

    def _tensor(
        self, storage: Any = None, offset: Any = None, sizes: Any = None, strides: Any = None, *others: Any
    ) -> Value:
        """Declare a tensor; ValueError for one that would be more than its storage: torch lets the storage grow."""
        rows = isinstance(sizes, PickledTuple) and isinstance(strides, PickledTuple)
        _need(isinstance(storage, Storage) and rows, "tensor")
        shape, steps = sizes.items, strides.items
        _need(_is_size(offset) and len(shape) == len(steps) <= _MOST_AXES, "tensor")
        _need(all(map(_is_size, (*shape, *steps))), "tensor")
        count = math.prod(shape)
        last = offset + sum((size - 1) * step for size, step in zip(shape, steps, strict=True)) if count else offset
        if count > storage.length or (count and last >= storage.length):
            raise ValueError(f"it declares a tensor {shape!r:.60} over {storage.length:,} stored numbers")
        self._num_tensors += 1
        if self._num_tensors > _MOST_TENSORS:
            raise ValueError(f"it has more than {_MOST_TENSORS:,} tensors")
        return Value("tensor", sizes, strides, *others)


def _part(whole: Storage, place: Any) -> Storage:
    items = place.items if isinstance(place, PickledTuple) else ()
    _need(len(items) == 3 and _is_size(items[1]) and _is_size(items[2]), "storage")
    _need(items[1] + items[2] <= whole.length, "storage")
    return Storage(whole.key, items[2], whole.width)


def _need(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(f"it declares an odd {what}")


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _is_of_kind(value: Any, kind: str) -> bool:
    return isinstance(value, Value) and value.kind == kind


_REBUILD = tuple(f"torch._utils._rebuild_{name}" for name in ("tensor", "tensor_v2"))
_AROUND_TENSORS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_PLAIN_FUNCTIONS = (
    *("torch.Size", "torch.device", "torch.serialization._get_layout", "builtins.complex", "builtins.bytearray"),
)
_PUSHED = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "NONE", "NEWTRUE", "NEWFALSE"}
_PUSHED |= {"SHORT_BINSTRING"}
# The steps that torch's reader knows, too: those of protocol 2.
_OPS: dict[str, Callable[[Walk, Any], None]] = {
    "PROTO": lambda walk, version: _need(version == 2, "version"),
    "MARK": Walk.mark,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), Walk.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), Walk.get),
    "EMPTY_DICT": lambda walk, _: walk.container("dict"),
    "EMPTY_LIST": lambda walk, _: walk.container("list"),
    "EMPTY_SET": lambda walk, _: walk.container("set"),
    "EMPTY_TUPLE": lambda walk, _: walk.row(0),
    "TUPLE1": lambda walk, _: walk.row(1),
    "TUPLE2": lambda walk, _: walk.row(2),
    "TUPLE3": lambda walk, _: walk.row(3),
    "TUPLE": lambda walk, _: walk.row(None),
    "APPEND": lambda walk, _: walk.fill(1),
    "SETITEM": lambda walk, _: walk.fill(2),
    **dict.fromkeys(("APPENDS", "SETITEMS"), lambda walk, _: walk.fill(None)),
    "GLOBAL": Walk.name,
    "REDUCE": Walk.call,
    "NEWOBJ": Walk.call,
    "BUILD": Walk.build,
    "BINPERSID": Walk.storage,
}
