"""What is twice there or alike in a data set: the same bytes under two names, class names that differ by a space."""

import numpy as np

from pycls.dataset_tools.validation.findings import BOTH_SPLITS, ONE_CLASS, OTHER_CLASS, TWICE, Finding
from pycls.datasets.readers.problems import CLASS_NAMES, EMPTY_CLASS, alike_key
from pycls.datasets.readers.samples import EncodedSamples, without_images


def check_classes(samples: EncodedSamples) -> list[Finding]:
    """Find classes without images, and names that differ only in case, spaces, hyphens or underscores."""
    empty, names = without_images(samples.labels, samples.classes), samples.classes
    findings = [Finding(EMPTY_CLASS, f"{samples.split}/{name}", "") for name in empty]
    findings += [Finding(ONE_CLASS, f"{samples.split}/{name}", "") for name in names if len(names) == 1]
    alike: dict[str, list[str]] = {}
    for name in samples.classes:
        alike.setdefault(alike_key(name), []).append(name)
    for first, *others in alike.values():
        findings += [Finding(CLASS_NAMES, f"{samples.split}/{name}", f"like {first!r}") for name in others]
    return findings


def find_duplicates(splits: list[EncodedSamples], digests: list[np.ndarray]) -> list[Finding]:
    """Find files with the same bytes, each compared with the first of its kind."""
    joined = np.concatenate(digests)
    starts = np.cumsum([0, *map(len, digests)])
    _, firsts, group = np.unique(joined, return_index=True, return_inverse=True)
    findings = []
    for place in np.flatnonzero((firsts[group] != np.arange(len(joined))) & (joined != 0)):
        places = np.array([place, firsts[group[place]]])
        split, other_split = np.searchsorted(starts, places, side="right") - 1
        index, other = places - starts[[split, other_split]]
        one, first = splits[split], splits[other_split]
        same_class = one.classes[one.labels[index]] == first.classes[first.labels[other]]
        kind = OTHER_CLASS if not same_class else TWICE if split == other_split else BOTH_SPLITS
        findings.append(Finding(kind, one.key(index), f"as {first.key(other)}"))
    return findings
