"""What tools/pack_data.py does: find the splits of a data set, pack each, read it back."""

import os
from collections.abc import Sequence
from pathlib import Path

from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.verify import describe_packed, verify_packed
from pycls.dataset_tools.packing.writer import pack_split
from pycls.datasets.readers.folder_scan import list_classes
from pycls.datasets.readers.image_folder import load_folder

USUAL_SPLITS = ("train", "val", "test")


def pack_folders(source: Path, target: Path, splits: Sequence[str], options: PackOptions, num_workers: int) -> None:
    """Pack the splits of `source` into `target` and print what has become of each; all three usual ones by default."""
    for root, split in find_splits(source, splits):
        if (target / split).is_dir():
            raise ValueError(f"{target} holds the folder '{split}' itself: pack into another folder")
        if target.resolve().is_relative_to((root / split).resolve()):
            raise ValueError(f"{target} is a folder of '{split}', which is to be packed: pack into another folder")
        index = pack_split(load_folder(root, split), target, split, options, num_workers)
        print(describe_packed(index), flush=True)


def find_splits(source: Path, splits: Sequence[str]) -> list[tuple[Path, str]]:
    """Return (root, split) of each folder to pack: those named, else those usual in a data set, else `source` itself.

    ValueError when `source` is not a folder.
    """
    if not source.is_dir():
        raise ValueError(f"{source} is not a folder")
    for split in splits:
        if Path(split).name != split or split in ("", ".."):
            raise ValueError(f"--split '{split}': expected the bare name of a folder in {source}")
    source = Path(os.path.abspath(source))  # has a name, unlike "."; links keep theirs
    # A folder of images may have a class "train": what holds no folders is not a split.
    found = splits or [name for name in USUAL_SPLITS if (source / name).is_dir() and list_classes(source / name)]
    return [(source, split) for split in found] or [(source.parent, source.name)]


def verify_folder(target: Path, num_workers: int) -> int:
    """Read back every packed split of a folder and print what is wrong; return the number of problems."""
    indexes = sorted(target.glob("*.index"))
    if not indexes:
        raise ValueError(f"{target} holds no packed data: there is no file <split>.index")
    num_problems = 0
    for index in indexes:
        problems = verify_packed(index, num_workers)
        print("\n".join([*problems, f"{index}: {len(problems)} problems" if problems else f"{index}: verified"]))
        num_problems += len(problems)
    return num_problems
