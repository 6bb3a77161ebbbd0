"""Files that are there as a whole or not at all, whatever happens to the program or the machine."""

import os
from pathlib import Path


def write_durably(file: Path, data: bytes) -> None:
    """Write a small file."""
    unfinished = file.with_name(f"{file.name}.tmp")
    with unfinished.open("wb") as output:
        output.write(data)
        output.flush()
        os.fsync(output.fileno())
    rename_durably(unfinished, file)


def rename_durably(file: Path, target: Path) -> None:
    """Rename a file whose bytes are on the disk, and wait until its new name is there as well."""
    os.replace(file, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
