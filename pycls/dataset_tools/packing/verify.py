"""Read a packed split back: every checksum, and that a plain tar reader finds the images where the index says."""

import tarfile
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycls.core.logging import progress_bar
from pycls.core.registry import listed, plural, printable
from pycls.dataset_tools.packing.parallel_map import parallel_map
from pycls.dataset_tools.packing.tar_writer import member_extension, member_stem
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.readers.tar import PackedSamples, load_packed
from pycls.datasets.readers.tar_index import DAMAGED, REENCODED, Index, load_index
from pycls.datasets.sources.tar_members import forward, open_tar


def verify_packed(index_file: Path, num_workers: int) -> list[str]:
    """Return a sentence for each image that is not what the index says, and for each shard that tar reads differently.

    Images are read in the order of the shards, each file from front to back. ValueError when a shard is missing.
    """
    samples, index = load_packed(index_file), load_index(index_file, trusted=True)
    order = np.lexsort((index.images["offset"], index.images["shard"]))
    found = parallel_map(lambda number: _read_problem(samples, index, number), order.tolist(), num_workers)
    read = progress_bar(found, f"Verify {index_file.stem}", len(order))
    problems = [problem for problem in read if problem]
    return problems + [problem for shard in range(len(index.shards)) if (problem := _tar_problem(index, shard))]


def _read_problem(samples: PackedSamples, index: Index, number: int) -> str:
    try:
        header = _size_of(samples.read(number))
    except (OSError, ValueError) as error:
        return f"{samples.name(number)}: {error}"
    image = index.images[number]
    if image["flags"] & DAMAGED or header == (image["width"], image["height"]):
        return ""
    said = f"{image['width']} x {image['height']} px"
    return f"{samples.name(number)}: the index says {said}, but {_described(header)}"


def _size_of(data: bytes) -> tuple[int, int] | None:
    try:
        header = read_header(data)
    except ValueError:
        return None
    return header.width, header.height


def _described(size: tuple[int, int] | None) -> str:
    return "it is no image" if size is None else f"it has {size[0]} x {size[1]}"


def _tar_problem(index: Index, shard: int) -> str:
    """Compare what tar lists, names and labels included, with the index."""
    file = index.file.with_name(index.shards[shard][0])
    numbers = np.flatnonzero(index.images["shard"] == shard)
    numbers = numbers[np.argsort(index.images["offset"][numbers])]
    expected = (member for number in numbers.tolist() for member in _members(index, number))
    try:
        with open_tar(file) as tar:
            for member, wanted in zip_longest(forward(tar, file), expected):
                found = None if member is None else _found(tar, member)
                if found != wanted:
                    return f"{file}: tar lists {_in_words(found)}, but the index has {_in_words(wanted)}"
    except (tarfile.TarError, EOFError) as error:
        return f"{file}: tar cannot read it: {error}"
    return ""


class _Packed(NamedTuple):
    """What lies in a tar: an image, told by its place, or a label, told by its digits."""

    name: str
    content: Any  # (offset, size) of an image, the bytes of a label


def _members(index: Index, number: int) -> tuple[_Packed, _Packed]:
    """Return the image and the label that packing wrote for an image of the index."""
    image, label, path = index.images[number], int(index.labels[number]), index.path(number)
    stem = member_stem(number, index.classes[label], path)
    extension = "jpg" if image["flags"] & REENCODED else member_extension(path)
    place = int(image["offset"]), int(image["size"])
    return _Packed(f"{stem}.{extension}", place), _Packed(f"{stem}.cls", str(label).encode())


def _found(tar: tarfile.TarFile, member: tarfile.TarInfo) -> _Packed:
    """Return a member with what tells it: that of a label is read, if it is no longer than one."""
    stream = tar.extractfile(member) if member.name.endswith(".cls") and member.size <= tarfile.BLOCKSIZE else None
    return _Packed(member.name, (member.offset_data, member.size) if stream is None else stream.read())


def _in_words(member: _Packed | None) -> str:
    if member is None:
        return "nothing more"
    content = member.content
    what = (
        f"'{content.decode(errors='replace')}'"
        if isinstance(content, bytes)
        else f"{content[1]} bytes from {content[0]} on"
    )
    return f"{member.name} ({what})"


def size_text(num_bytes: int) -> str:
    """Return a size with its unit, such as "1.28 GB" or "10.2 kB"."""
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if num_bytes >= scale), _UNITS[-1])
    return f"{num_bytes / scale:.3g} {unit}"


_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def describe_packed(index_file: Path) -> str:
    """Return a few lines about a packed split: how much it is, and which images are not what they should be."""
    index = load_index(index_file)
    source = index.recipe["source"]
    num_bytes = sum(size for _, size in index.shards)
    lines = [
        f"{printable(str(index_file))}: {len(index.images)} images in {plural(index.classes)}, "
        f"{size_text(num_bytes)} in {plural(index.shards, 'shard', 'shards')} "
        f"(the files had {size_text(source['bytes'])})"
    ]
    lines += [f"  {index.changes()}"] if index.changes() else []
    damaged = np.flatnonzero(index.images["flags"] & DAMAGED)
    if len(damaged):
        names = listed([printable(index.path(number)) for number in damaged.tolist()])
        lines.append(f"  {len(damaged)} packed as they are, but not images that can be read: {names}")
    return "\n".join(lines)
