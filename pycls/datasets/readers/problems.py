"""Why a split cannot be trained on: what training refuses with the first of its problems, and check_data lists."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from pycls.core.registry import listed, plural
from pycls.datasets.readers.samples import EncodedSamples

MISSING_SPLIT, NO_IMAGES, LOOSE = "missing_split", "no_images", "loose"
MISSING_CLASS, EMPTY_CLASS, CLASS_NAMES = "missing_class", "empty_class", "class_names"


class Problem(NamedTuple):
    """One reason to refuse a split."""

    kind: str
    names: tuple[str, ...]  # what has it: <split>, <split>/<class> or <split>/<image>
    sentence: str  # what is wrong, and the way out


class UnfitData(ValueError):
    """A split that cannot be trained on; its sentence is that of the first problem."""

    def __init__(self, problems: Sequence[Problem], samples: EncodedSamples | None = None):
        super().__init__(problems[0].sentence)
        self.problems, self.samples = tuple(problems), samples


def twin_problems(place: str, split: str, classes: Sequence[str]) -> list[Problem]:
    """Return the problem of classes of one split whose names are the same text in other code points."""
    first: dict[str, str] = {}
    twins = [(name, first[key]) for name in classes if first.setdefault(key := normalized(name), name) != name]
    if not twins:
        return []
    pairs = listed([f"{name} ({code_points(name)}) and {other} ({code_points(other)})" for name, other in twins])
    sentence = f"{place} has classes of the same name, spelled with other code points: {pairs}: join or rename them"
    return [Problem(CLASS_NAMES, _names(split, [name for name, _ in twins]), sentence)]


def lacking_classes(
    there: str, split: str, known: Sequence[str], here: str, classes: Sequence[str], hint: str = ""
) -> list[Problem]:
    """Return the problems of the split `there`, whose classes are `known`, that lacks some of the `classes` of `here`.

    Names of both sides that look the same come first. `hint` says what else can be done.
    """
    lacking = sorted(set(classes) - set(known))
    spelled = {normalized(name): name for name in known}
    twins = [name for name in lacking if normalized(name) in spelled]
    others = [name for name in lacking if normalized(name) not in spelled]
    problems = []
    if twins:
        other = spelled[normalized(twins[0])]
        sentence = (
            f"{there} lacks {plural(twins)} that {here} has: {listed(twins)}; the same there is spelled with other "
            f"code points ({code_points(other)}, not {code_points(twins[0])}): rename the folders of one side"
        )
        problems.append(Problem(CLASS_NAMES, _names(split, [spelled[normalized(name)] for name in twins]), sentence))
    if others:
        alike = {alike_key(name): name for name in known if name not in classes}
        near = alike.get(alike_key(others[0]))
        new = [repr(name) for name in known if name not in classes and normalized(name) not in map(normalized, classes)]
        like = f" (there is {near!r})" if near else f" (and has {listed(new)} instead)" if new else ""
        sentence = f"{there} lacks {plural(others)} that {here} has: {listed(others)}{like}{hint}"
        problems.append(Problem(MISSING_CLASS, _names(split, others), sentence))
    return problems


def normalized(name: str) -> str:
    """Return a name in the one form of those that look the same everywhere (Unicode's NFC)."""
    return unicodedata.normalize("NFC", name)


def code_points(name: str) -> str:
    """Return what a name is made of where it is not plain ASCII, such as "Caf U+0065 U+0301"."""
    words = [letter if letter.isascii() else f" U+{ord(letter):04X} " for letter in name]
    return " ".join("".join(words).split())


def alike_key(name: str) -> str:
    """Return what names have in common that differ in case, spaces, hyphens, underscores or unseen letters only."""
    plain = unicodedata.normalize("NFKC", name).casefold().replace("_", " ").replace("-", " ")
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf" and not letter.isspace())


def _names(split: str, classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{split}/{name}" for name in classes)
