"""What can be found in a data set, the worst first, and which of it training refuses."""

from collections.abc import Iterable
from typing import NamedTuple

from pycls.datasets.readers.problems import (
    CLASS_NAMES,
    EMPTY_CLASS,
    LOOSE,
    MISSING_CLASS,
    MISSING_SPLIT,
    NO_IMAGES,
    UnfitData,
)

REFUSED, ONE_CLASS = "refused", "one_class"
UNREADABLE, DAMAGED, DISAGREE, WRONG_TYPE, TINY = "unreadable", "damaged", "disagree", "wrong_type", "tiny"
LEFT_OUT, NO_FILE, NO_IMAGE = "left_out", "no_file", "no_image"
TWICE, OTHER_CLASS, BOTH_SPLITS = "twice", "in_two_classes", "in_two_splits"
BLACK = "black"
NOTES = ("animated", "cmyk", "16_bit", "float", "alpha", "exif_rotated")  # decoded alike everywhere, but worth knowing

KINDS = {
    MISSING_SPLIT: "training finds no such split",
    MISSING_CLASS: "a class that the other split has",
    EMPTY_CLASS: "a class without images",
    LOOSE: "images beside the class folders",
    NO_IMAGES: "no image in a class folder",
    REFUSED: "training refuses it",
    UNREADABLE: "no image, empty, or cut short: ends a run, or is skipped",
    LEFT_OUT: "pictures that nobody reads, for their ending",
    NO_FILE: "left out: a broken link, pipe, socket or device; in tars a link, or a label without an image",
    DAMAGED: "shown, but a part of it is missing or wrong",
    DISAGREE: "backends do not show the same",
    BLACK: "shown black, though its 16-bit or float pixels are not all 0",
    WRONG_TYPE: "the file's ending says another type; shown all the same",
    TINY: "shorter side below --tiny-px",
    OTHER_CLASS: "the same bytes under two labels",
    BOTH_SPLITS: "the same bytes in two splits",
    TWICE: "the same bytes twice in a class",
    CLASS_NAMES: "class names that differ in case, spaces or code points only",
    ONE_CLASS: "there is nothing to tell apart: every answer is right",
    NO_IMAGE: "left out, with nothing lost: no images, or hidden",
    **dict.fromkeys(NOTES, "note"),
}
_WRONG = (UNREADABLE, LEFT_OUT, NO_FILE)


class Finding(NamedTuple):
    """One thing to know about a data set."""

    kind: str
    name: str  # <split>, <split>/<class>, or <split>/<class>/<image>
    detail: str
    refused: bool = False  # whether training does not start for it


def is_wrong(finding: Finding) -> bool:
    """Tell whether something must be done about a finding: training refuses it, or shows less than is there."""
    return finding.refused or finding.kind in _WRONG


def unfit_findings(error: UnfitData, refused: bool = True) -> list[Finding]:
    """Return what training refuses of a split, or would if it were used."""
    return [Finding(one.kind, name, one.sentence, refused) for one in error.problems for name in one.names]


def unique(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without those of a kind and name that came before."""
    return list({(one.kind, one.name): one for one in reversed(list(findings))}.values())[::-1]
