"""What tools/pack_data.py does: find the splits of a data set, pack each, read it back."""

import os
from collections.abc import Sequence
from pathlib import Path

from pycls.core.logging import get_logger, print_line, print_lines
from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.verify import describe_packed, verify_packed
from pycls.dataset_tools.packing.writer import pack_split
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.sources import load_place
from pycls.datasets.sources.layout import folder_or_list
from pycls.datasets.sources.places import Place, splits_of

logger = get_logger(__name__)


def pack_folders(source: Path, target: Path, splits: Sequence[str], options: PackOptions, num_workers: int) -> None:
    """Pack the splits of `source` into `target` and print what has become of each: those named, else all there."""
    known: dict[tuple[str, ...], str] = {}
    for place in find_splits(source, splits):
        split = place.split
        if (target / split).is_dir():
            raise ValueError(f"{target} holds the folder '{split}' itself: pack into another folder")
        if place.kind == "folder" and target.resolve().is_relative_to(place.path.resolve()):
            raise ValueError(f"{target} is a folder of '{split}', which is to be packed: pack into another folder")
        files = _files(place)
        index = pack_split(files, target, split, options, num_workers)
        print_lines(describe_packed(index))
        first = next(iter(known.values()), split)
        if known.setdefault(files.classes, split) == split != first:
            logger.warning(
                "%s has other classes than %s: training goes by their names, but the numbers in its .cls are its own",
                *(split, first),
            )


def _files(place: Place) -> FileSamples:
    samples = load_place(place)
    if not isinstance(samples, FileSamples):
        raise ValueError(f"{place}: is packed in tars already, which training reads as they are")
    return samples


def find_splits(source: Path, splits: Sequence[str]) -> list[Place]:
    """Return where each split to pack lies: those named, else those called like one, else the folder `source` itself.

    ValueError when `source` is neither a folder nor a list of images.
    """
    folder_or_list(source, str(source))
    for split in splits:
        if Path(split).name != split or split in ("", ".."):
            raise ValueError(f"--split '{split}': expected the bare name of a folder in {source}")
    source = Path(os.path.abspath(source))  # has a name, unlike "."; links keep theirs
    if source.is_file() and splits:
        return [place for place in splits_of(source) if place.split in splits]
    named = [Place("folder", split, source / split) for split in splits]
    return named or splits_of(source) or [Place("folder", source.name, source)]


def verify_folder(target: Path, num_workers: int) -> int:
    """Read back every packed split of a folder and print what is wrong; return the number of problems."""
    indexes = sorted(target.glob("*.index"))
    if not indexes:
        raise ValueError(f"{target} holds no packed data: there is no file <split>.index")
    num_problems = 0
    for index in indexes:
        problems = verify_packed(index, num_workers)
        verdict = f"{len(problems)} problems" if problems else "verified"
        for line in (*problems, f"{index}: {verdict}"):
            print_line(line)
        num_problems += len(problems)
    return num_problems
