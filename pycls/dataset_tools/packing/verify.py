"""Read a packed split back: every checksum, and that a plain tar reader finds the images where the index says."""

import tarfile
from pathlib import Path

import numpy as np

from pycls.core.logging import progress_bar
from pycls.core.registry import listed, plural
from pycls.dataset_tools.packing.parallel_map import parallel_map
from pycls.datasets.readers.tar import PackedSamples, load_packed
from pycls.datasets.readers.tar_index import DAMAGED, Index, load_index


def verify_packed(index_file: Path, num_workers: int) -> list[str]:
    """Return a sentence for each image that cannot be read back, and for each shard that tar reads differently.

    Images are read in the order of the shards, each file from front to back. ValueError when a shard is missing.
    """
    samples, index = load_packed(index_file), load_index(index_file)
    order = np.lexsort((index.images["offset"], index.images["shard"]))
    found = parallel_map(lambda number: _read_problem(samples, number), order.tolist(), num_workers)
    read = progress_bar(found, f"Verify {index_file.stem}", len(order))
    problems = [problem for problem in read if problem]
    return problems + [problem for shard in range(len(index.shards)) if (problem := _tar_problem(index, shard))]


def _read_problem(samples: PackedSamples, number: int) -> str:
    try:
        samples.read(number)
    except (OSError, ValueError) as error:
        return f"{samples.name(number)}: {error}"
    return ""


def _tar_problem(index: Index, shard: int) -> str:
    """Compare what tar lists with the index."""
    file = index.file.with_name(index.shards[shard][0])
    here = index.images[index.images["shard"] == shard]
    expected = np.sort(here, order="offset")[["offset", "size"]].tolist()
    try:
        with tarfile.open(file, "r:") as tar:
            listed = [(member.offset_data, member.size) for member in tar if not member.name.endswith(".cls")]
    except tarfile.TarError as error:
        return f"{file}: tar cannot read it: {error}"
    return "" if listed == expected else f"{file}: tar does not list the images that the index has"


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
        f"{index_file}: {len(index.images)} images in {plural(index.classes)}, {size_text(num_bytes)} in "
        f"{plural(index.shards, 'shard', 'shards')} (the files had {size_text(source['bytes'])})"
    ]
    lines += [f"  {index.changes()}"] if index.changes() else []
    damaged = np.flatnonzero(index.images["flags"] & DAMAGED)
    if len(damaged):
        names = listed([index.path(number) for number in damaged.tolist()])
        lines.append(f"  {len(damaged)} packed as they are, but not images that can be read: {names}")
    return "\n".join(lines)
