"""Pack a class-folder tree into tar shards and an index; stopped at any point, it goes on and gives the same bytes.

Images lie in the shards in one fixed shuffled order, so that whoever reads them from front to back gets mixed classes.
"""

import errno
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.atomic_io import atomic_file
from pycls.core.logging import get_logger, progress_bar
from pycls.dataset_tools.packing.options import PackOptions, file_sizes, make_recipe
from pycls.dataset_tools.packing.parallel_map import parallel_map
from pycls.dataset_tools.packing.progress import RECORD, Work, working
from pycls.dataset_tools.packing.reencode import PackedImage, prepare_image
from pycls.dataset_tools.packing.tar_writer import (
    LABEL_BYTES,
    TarWriter,
    finished_size,
    member_extension,
    member_stem,
    packed_size,
)
from pycls.datasets.decoders.encoded import naming
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.readers.tar_index import IMAGE, REENCODED, index_file, write_index
from pycls.datasets.samplers import epoch_order

ORDER_SEED = 20  # of the shuffle
Numbered = tuple[int, PackedImage, int]  # number of the sample, its image, CRC-32

logger = get_logger(__name__)


def pack_split(samples: FileSamples, target: Path, split: str, options: PackOptions, num_workers: int) -> Path:
    """Pack `samples` into target/<split>-000000.tar ... and <split>.index, which is returned, or go on with that.

    Nothing is done when it is all there. Raise ValueError if the folder holds the split packed from other data or with
    other options, is in use, or is too small; OSError naming a file that cannot be read.
    """
    sizes = file_sizes(samples)
    recipe = make_recipe(samples, sizes, options)
    index = index_file(target, split)
    with _explaining_full_disks(target), working(target, split, recipe) as work:
        if not index.exists():
            records = work.finished_records()
            todo = epoch_order(ORDER_SEED, 0, len(samples))[sum(map(len, records)) :]
            _check_space(target, sizes[todo], samples, options)
            images = _prepared(samples, split, todo, options, num_workers)
            _write_shards(work, images, samples, options, records)
            _write_index(work, samples, records, recipe)
    return index


@contextmanager
def _explaining_full_disks(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(f"{target}: no space left; make room, and the same command goes on from here") from error


def _check_space(target: Path, sizes: np.ndarray, samples: FileSamples, options: PackOptions) -> None:
    """Raise ValueError when the files cannot fit; with images made smaller that is not known, only a warning."""
    members = int(sum(packed_size(size) + LABEL_BYTES for size in sizes.tolist()))
    needed = members + len(samples) * (IMAGE.itemsize + 8) + len(samples.paths.buffer)
    free = shutil.disk_usage(target).free
    if free >= needed:
        return
    if options.max_side is None and not options.reencode_all:
        raise ValueError(f"{target} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed")
    logger.warning("%s has %.1f GB free; unresized it would take %.1f GB", target, free / 1e9, needed / 1e9)


def _prepared(
    samples: FileSamples, split: str, todo: np.ndarray, options: PackOptions, num_workers: int
) -> Iterator[Numbered]:
    """Read and prepare images in threads, in order (Pillow lets go of Python's lock); a bar shows how far it is."""

    def prepare(number: int) -> Numbered:
        with naming(samples, number):
            image = prepare_image(samples.read(number), options.max_side, options.quality, options.reencode_all)
        return number, image, zlib.crc32(image.data)

    images = parallel_map(prepare, map(int, todo), num_workers)
    num_done = len(samples) - len(todo)
    yield from progress_bar(images, f"Pack {split}", len(samples), start=num_done)


def _write_shards(
    work: Work, images: Iterator[Numbered], samples: FileSamples, options: PackOptions, records: list[np.ndarray]
) -> None:
    """Write images, in order, into as many shards as they need, and append the record of each."""
    image = next(images, None)
    while image is not None:
        with atomic_file(work.shard(len(records)), work.unfinished) as stream:
            record, image = _fill_shard(TarWriter(stream), len(records), image, images, samples, options)
            work.save_record(len(records), record)
        records.append(record)


def _fill_shard(
    tar: TarWriter,
    shard: int,
    image: Numbered | None,
    images: Iterator[Numbered],
    samples: FileSamples,
    options: PackOptions,
) -> tuple[np.ndarray, Numbered | None]:
    """Write `image` and as many of the next ones as a shard holds; return its record and the image that comes next."""
    rows: list[tuple] = []
    while image is not None and (not rows or _has_room(tar, image[1], options)):
        rows.append(_add(tar, shard, image, samples))
        image = next(images, None)
    tar.end()
    return np.array(rows, RECORD), image


def _has_room(tar: TarWriter, image: PackedImage, options: PackOptions) -> bool:
    return finished_size(tar.position + packed_size(len(image.data)) + LABEL_BYTES) <= options.shard_mb * 10**6


def _add(tar: TarWriter, shard: int, numbered: Numbered, samples: FileSamples) -> tuple[int, tuple[int, ...]]:
    """Write one image and its label; return its record."""
    number, image, crc32 = numbered
    path = samples.paths[number]
    stem = member_stem(number, samples.classes[samples.labels[number]], path)
    extension = "jpg" if image.flags & REENCODED else member_extension(path)
    offset = tar.add(f"{stem}.{extension}", image.data)
    tar.add(f"{stem}.cls", str(samples.labels[number]).encode())
    # Where its name is comes later, with the index.
    return number, (offset, 0, len(image.data), image.width, image.height, crc32, shard, 0, image.flags)


def _write_index(work: Work, samples: FileSamples, records: list[np.ndarray], recipe: dict[str, Any]) -> None:
    """Write the index, the last file of a packing, in the order of the samples."""
    images = np.empty(len(samples), IMAGE)
    for record in records:
        images[record["number"]] = record["image"]
    files = [work.shard(number) for number in range(len(records))]
    shards = [(file.name, file.stat().st_size) for file in files]
    index = index_file(work.target, work.split)
    write_index(index, images, samples.labels, samples.paths, samples.classes, shards, recipe, work.unfinished_index)
