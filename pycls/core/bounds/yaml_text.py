"""YAML of bounded cost: neither its length, nor its depth, nor what its aliases stand for can exceed memory or time."""

from typing import Any

import yaml

MOST_BYTES = 2_000_000  # a weight for each of 20,000 classes takes a fourth of that
_MOST_VALUES = 200_000  # aliases replaced by what they stand for
_DEEPEST = 20  # sections in sections; a config has two levels, and lists in them
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same language, four times as fast


def compose_yaml(text: str, where: str) -> yaml.Node | None:
    """Return the root of a YAML document, None for an empty one; ValueError, naming `where`, for what is none."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"{where}: has {len(text):,} characters, a config has {MOST_BYTES:,} at most")
    try:
        _check_events(text, where)
        root = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeError) as error:
        raise ValueError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if root is not None:
        _Measure(where).add(root)
    return root


def load_yaml(text: str, where: str) -> Any:
    """Return the plain values of a YAML document; ValueError, naming `where`, for what is none."""
    compose_yaml(text, where)
    try:
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date such as 2001-99-99, say
        raise ValueError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None


def _check_events(text: str, where: str) -> None:
    """Raise ValueError for a text that is too deep or holds too much, before anything recurses into it or keeps it."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > _DEEPEST or values > _MOST_VALUES:
            _refuse(where, event.start_mark, too_deep=depth > _DEEPEST)


def _refuse(where: str, mark: Any, too_deep: bool) -> None:
    aliases = "an alias (*) counts as all that it refers to"
    levels = f"sections or lists lie more than {_DEEPEST} levels deep in one another"
    what = levels if too_deep else f"there are more than {_MOST_VALUES:,} values ({aliases})"
    raise ValueError(f"{where}:{mark.line + 1}: {what}")


class _Measure:
    """Counts what a node stands for: an alias is the node that it refers to, which is counted again each time."""

    def __init__(self, where: str):
        self._where = where
        self._known: dict[int, tuple[int, int]] = {}  # of a node: values in it, levels below it
        self._open: set[int] = set()  # nodes that the present one lies in

    def add(self, node: yaml.Node) -> tuple[int, int]:
        """Return (values, levels) of a node; ValueError for too many, and for one that contains itself."""
        if not isinstance(node, yaml.CollectionNode):
            return 1, 0
        if id(node) in self._open:
            line = f"{self._where}:{node.start_mark.line + 1}"
            raise ValueError(f"{line}: an alias (*) refers to the list or section that it stands in")
        if id(node) not in self._known:
            self._open.add(id(node))
            self._known[id(node)] = self._sum(node)
            self._open.discard(id(node))
        return self._known[id(node)]

    def _sum(self, node: yaml.CollectionNode) -> tuple[int, int]:
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        found = [self.add(part) for part in parts]
        values, levels = 1 + sum(part[0] for part in found), 1 + max((part[1] for part in found), default=0)
        if values > _MOST_VALUES or levels > _DEEPEST:
            _refuse(self._where, node.start_mark, too_deep=levels > _DEEPEST)
        return values, levels
