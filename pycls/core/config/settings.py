"""Where settings come from: YAML text, KEY VALUE pairs; each with the place where it was written."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from pycls.core.bounds.yaml_text import compose_yaml
from pycls.core.registry import shown

COMMAND_LINE = "command line"
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value")


class Setting(NamedTuple):
    """One assignment and where the user wrote it; text stays as written, the key's default says what it means."""

    where: str
    key: str
    value: Any


class YamlBool(str):
    """A word that YAML reads as a truth value, yes or off for instance."""


def text_settings(text: str, where: str) -> Iterator[Setting]:
    """Yield the settings of YAML text; ValueError names `where` and the line."""
    root = compose_yaml(text, where)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(f"{where}: expected sections like 'MODEL:' with keys below them, found a {_kind(root)}")
    seen = set()
    for setting in _node_settings(root, where, ""):
        if setting.key in seen:  # in a section and as SECTION.KEY
            raise ValueError(f"{setting.where}: {shown(setting.key)} is set twice in this file")
        seen.add(setting.key)
        yield setting


def override_settings(overrides: Sequence[str]) -> list[Setting]:
    """Return the settings of KEY VALUE pairs; ValueError for a key without a value."""
    words = list(overrides)
    if len(words) % 2:
        raise ValueError(f"overrides come in KEY VALUE pairs; '{words[-1]}' at the end has no value")
    return [Setting(COMMAND_LINE, key, value) for key, value in zip(words[::2], words[1::2], strict=True)]


def _node_settings(node: yaml.MappingNode, where: str, prefix: str) -> Iterator[Setting]:
    seen = set()
    for key_node, value_node in node.value:
        line = f"{where}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise ValueError(f"{line}: expected a key, found a {_kind(key_node)}")
        key = f"{prefix}{key_node.value}"
        _check_tag(value_node, line)
        if key in seen:
            raise ValueError(f"{line}: {shown(key)} is set twice in this file")
        seen.add(key)
        if key_node.tag == f"{_TAG}merge":
            raise ValueError(f"{line}: YAML merge keys (<<) are not supported; write the keys out")
        if isinstance(value_node, yaml.MappingNode) and value_node.value:
            yield from _node_settings(value_node, where, f"{key}.")
        else:
            yield Setting(line, key, _plain(value_node, line))


def _plain(node: yaml.Node, line: str) -> Any:
    """Return lists as lists, null as None, other scalars as the text that is written: YAML would read 1.10 as 1.1."""
    _check_tag(node, line)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, line) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {}
    if node.tag == f"{_TAG}null":
        return None
    return node.value if node.tag != f"{_TAG}bool" else YamlBool(node.value)


def _kind(node: yaml.Node) -> str:
    return type(node).__name__.removesuffix("Node").lower()


def _check_tag(node: yaml.Node, line: str) -> None:
    """Raise ValueError for a tag that asks for more than plain values, as !!python/object does."""
    if node.tag.removeprefix(_TAG) not in _PLAIN_TAGS:
        raise ValueError(f"{line}: YAML tag {shown(node.tag)} is not supported")
