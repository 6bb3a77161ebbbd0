"""Translate the names of a network's tensors between code bases; key_tables.py has the tables.

A naming is a list of pairs (their module, pycls's module). In a pair {s} is the stage from 1 and {t} the same from 0,
{b} the block from 1 and {n} the same from 0, {i} the block counted from 0 through all stages.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from pycls.core.weights.variants import FileVariant

Blocks = Sequence[tuple[int, int]]  # (stage, block) of every block in order, both from 1

# Placeholder -> (what it counts, "s"tages or "b"locks; what is to be added for a number from 1).
_PLACEHOLDERS = {"s": ("s", 0), "t": ("s", 1), "b": ("b", 0), "n": ("b", 1)}
_BLOCK = re.compile(r"s(\d+)\.b(\d+)\.")


@dataclass(frozen=True)
class Naming:
    """How another code base names the modules of networks that are here, too, and what its networks compute."""

    name: str
    pairs: Sequence[tuple[str, str]]
    variant: Callable[[Mapping[str, Tensor], Sequence[str]], FileVariant]  # of tensors, names

    def to_pycls(self, keys: Iterable[str], blocks: Blocks) -> dict[str, str]:
        """Return {their name: pycls's name} of the tensors that are known."""
        return _translate(keys, self.pairs, blocks)

    def from_pycls(self, keys: Iterable[str], blocks: Blocks) -> dict[str, str]:
        """Return {pycls's name: their name} of the tensors that are known."""
        return _translate(keys, [(ours, theirs) for theirs, ours in self.pairs], blocks)


def blocks_of(keys: Iterable[str]) -> list[tuple[int, int]]:
    """Return the blocks that pycls's names speak of, in order; none for foreign names."""
    return sorted({(int(match[1]), int(match[2])) for key in keys if (match := _BLOCK.match(key))})


def _translate(keys: Iterable[str], pairs: Sequence[tuple[str, str]], blocks: Blocks) -> dict[str, str]:
    patterns = [(_pattern(source), target) for source, target in pairs]
    translated = {}
    for key in keys:
        module, _, parameter = key.rpartition(".")
        found = next(((match, target) for pattern, target in patterns if (match := pattern.fullmatch(module))), None)
        name = _fill(found[1], found[0].groupdict(), blocks) if found else None
        if name is not None:
            translated[key] = f"{name}.{parameter}"
    return translated


def _pattern(template: str) -> re.Pattern:
    """Return the expression of a template; a placeholder that comes again must have the same value."""
    text, seen = re.escape(template).replace(r"\{", "{").replace(r"\}", "}"), set()
    for name in re.findall(r"{(\w)}", text):
        text = text.replace(f"{{{name}}}", f"(?P={name})" if name in seen else rf"(?P<{name}>\d+)", 1)
        seen.add(name)
    return re.compile(text)


def _fill(template: str, values: dict[str, str], blocks: Blocks) -> str | None:
    """Return a template with its numbers; None for a block that is not there."""
    place = _place(values, blocks)
    if place is None:
        return None
    if "{i}" in template:
        position = (place["s"], place["b"])
        return template.format(i=blocks.index(position)) if position in blocks else None
    return template.format(**{name: place.get(what, 0) - less for name, (what, less) in _PLACEHOLDERS.items()})


def _place(values: dict[str, str], blocks: Blocks) -> dict[str, int] | None:
    """Return stage "s" and block "b", from 1, of a name's numbers, as far as it has them; None if there is no such."""
    if "i" not in values:
        known = ((_PLACEHOLDERS[name], int(value)) for name, value in values.items())
        return {what: number + more for (what, more), number in known}
    index = int(values["i"])
    return dict(zip("sb", blocks[index], strict=True)) if index < len(blocks) else None
