"""Leave out the images that a text file names: DATA_LOADER.SKIP_LIST, as tools/check_data.py writes it.

A line is <split>/<class>/<image>, so that one list serves training and evaluation without taking an image of one for an
image of the other; lines that begin with # are comments. A name that no line could hold, or no terminal show, is a JSON
string: "train/cat/two\\nlines.jpg".
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pycls.core.atomic_io import write_durably
from pycls.core.bounds.regular_file import read_regular
from pycls.core.logging import get_logger
from pycls.core.registry import listed, printable, shown
from pycls.datasets.readers.problems import code_points, normalized
from pycls.datasets.readers.samples import EncodedSamples, without_images

_MOST_BYTES = 200_000_000  # every image of ImageNet takes a fourth of that
NUM_NAMED = 3  # names in a message

logger = get_logger(__name__)


def skip_listed(samples: EncodedSamples, path: str, splits: Iterable[str]) -> EncodedSamples:
    """Return the samples without those that the list names; names of this split that are not there are warned of.

    ValueError: no such file, a line that names none of the `splits`, or a class left without images.
    """
    names = [name for name in load_skip_list(path, splits) if name.startswith(f"{samples.split}/")]
    wanted = set(names)
    skipped = np.fromiter((samples.key(i) in wanted for i in range(len(samples))), bool, len(samples))
    unknown = wanted - {samples.key(int(i)) for i in np.flatnonzero(skipped)}
    if unknown:
        logger.warning(
            "DATA_LOADER.SKIP_LIST %s: %s not there%s",
            path,
            listed(sorted(unknown), NUM_NAMED),
            _spelled(unknown, samples),
        )
    kept = samples.select(~skipped)
    before = without_images(samples.labels, samples.classes)  # where DATA.MISSING_CLASSES allows such
    emptied = [name for name in without_images(kept.labels, kept.classes) if name not in before]
    if emptied:
        classes = listed(emptied, NUM_NAMED)
        raise ValueError(f"DATA_LOADER.SKIP_LIST {path} leaves a class of {samples.split} without images: {classes}")
    logger.info("DATA_LOADER.SKIP_LIST: %d of %d images of %s left out", skipped.sum(), len(samples), samples.split)
    return kept


def load_skip_list(path: str, splits: Iterable[str]) -> list[str]:
    """Read the names; ValueError for a file that is not there or a line that begins with none of the splits."""
    try:
        content = read_regular(path, _MOST_BYTES, f"DATA_LOADER.SKIP_LIST {shown(path)}:")
    except OSError as error:
        raise ValueError(f"DATA_LOADER.SKIP_LIST: {error}") from error
    text = content.decode("utf-8-sig", "surrogateescape")
    known, names = {split.lower() for split in splits}, []
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines would cut odd names
        line = line.removesuffix("\r")  # of Windows
        if not line or line.startswith("#"):
            continue
        line = _unquoted(line, f"{path}:{number}") if line.startswith('"') else line
        if line.partition("/")[0].lower() not in known:
            expected = f"expected <split>/<class>/<image> with a split of {', '.join(sorted(known))}"
            raise ValueError(f"{path}:{number}: {expected}: {shown(line)}")
        names.append(line)
    return names


def save_skip_list(path: Path, reasons: dict[str, str], notes: Iterable[str] = ()) -> None:
    """Write names with the reason of each as a comment before it, and then notes, comments that are whole lines."""
    lines = [f"# {printable(' '.join(reason.split()))}\n{in_a_line(name)}\n" for name, reason in reasons.items()]
    write_durably(path, "".join([*lines, *notes]).encode())


def in_a_line(name: str) -> str:
    """Return a name as it is written in a list."""
    return name if name.isprintable() and name[0] not in '#"' else json.dumps(name)


def _unquoted(line: str, where: str) -> str:
    try:
        name = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: begins with a quote, but is no JSON string ({error}): {shown(line)}") from None
    assert isinstance(name, str)
    return name


def _spelled(unknown: set[str], samples: EncodedSamples) -> str:
    """Say which of some names are those of images in other code points, as after a copy from a Mac."""
    there = {normalized(key): key for key in (samples.key(i) for i in range(len(samples)))}
    twins = [name for name in sorted(unknown) if normalized(name) in there]
    if not twins:
        return ""
    found, given = code_points(there[normalized(twins[0])]), code_points(twins[0])
    return f"; {len(twins)} of these names an image has, spelled with other code points ({found}, not {given})"
