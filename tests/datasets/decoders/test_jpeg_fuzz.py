"""Damaged and hostile files: no crash, no wrong memory access, no leak, and the pixels and errors of the other path."""

import os
import resource
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability.lists.image_attacks import image_attacks, with_second_frame
from pycls.datasets.decoders import opencv, pillow
from pycls.datasets.decoders.encoded import EncodedImage
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.readers import native
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, boxes, filters
from tests.helpers import jpegs
from tests.helpers.backends import make_view
from tests.helpers.paths import ROOT
from tests.helpers.photographs import encode, load

SOURCES = ROOT / "csrc"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Of every layout, small enough to be damaged thousands of times; noise would not survive so well.
SEEDS = [data for data in jpegs.layouts().values() if len(data) < 60_000]
HOSTILE = [jpegs.with_size(SEEDS[0], height, width) for height in (0, 1, 9000, 65500) for width in (0, 1, 9000, 65500)]


def _corpus(num_files: int) -> list[tuple[bytes, np.ndarray]]:
    """Return (file, box): whole ones, damaged ones, traps, random bytes; boxes mostly inside the image."""
    rng = np.random.default_rng(0)
    traps = [data for name, data in image_attacks().items() if name.endswith(".jpg") and "padded" not in name]
    traps += [with_second_frame(seed, 40, 60) for seed in SEEDS]
    files = SEEDS + HOSTILE + traps + [b"", b"\xff\xd8", *(b"\xff\xd8\xff" + rng.bytes(n) for n in range(0, 400, 20))]
    files += [jpegs.damaged(SEEDS[number % len(SEEDS)], number) for number in range(num_files)]
    sides = rng.choice([1.0, 2.0, 7.5, 17.0, 100.0, 226.0, 300.0], (len(files), 2))
    tops = rng.choice([0.0, 0.5, 1.0, 16.0, 63.0], (len(files), 2))
    return list(zip(files, np.hstack([tops, sides]), strict=True))


@pytest.fixture(scope="module")
def checked_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C sources in a program of their own, with the address and undefined-behavior sanitizers."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if compiler is None:
        pytest.skip("no C compiler (gcc, or the environment variable CC)")
    target = tmp_path_factory.mktemp("fuzz") / "jpeg_fuzz"
    sources = [path for path in SOURCES.rglob("*.c") if path.parent.name != "python"]
    options = ["-g", "-O1", *SANITIZERS, f"-I{SOURCES}", f"-I{SOURCES / 'decode'}", "-o", target]
    command = [compiler, *options, Path(__file__).with_name("jpeg_fuzz.c"), *sources, "-ljpeg", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "jpeglib.h" in done.stderr or "-ljpeg" in done.stderr or "san" in done.stderr:
        pytest.skip(f"libjpeg-turbo's headers, or the sanitizers, are missing: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return target


def test_the_sanitizers_find_nothing_in_thousands_of_damaged_files(checked_driver, tmp_path):
    corpus = _corpus(2500)
    with (tmp_path / "corpus").open("wb") as file:
        for data, box in corpus:
            file.write(struct.pack("<Q4d", len(data), *box) + data)
    done = subprocess.run([checked_driver, tmp_path / "corpus"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    num_files, num_squares = (int(word) for word in done.stdout.split() if word.isdigit())
    assert num_files == len(corpus) and num_squares > 1000


def _outcome(show, data: bytes, number: int) -> np.ndarray | str:
    """Return the square that a training view shows, or the error."""
    view, place = make_view(size=32, interpolation="random"), np.zeros((32, 32, 3), np.uint8)
    try:
        header = read_header(data)
        box = boxes(view, 0, np.array([number]), np.array([header.height]), np.array([header.width]))[0]
        kind = Filter(filters(view, 0, np.array([number]))[0])
        show(view, EncodedImage(data, header, box, number % 2 == 1, kind), place)
    except ValueError as error:
        return str(error)
    return place


def _show_with_extension(view: View, image: EncodedImage, place: np.ndarray) -> None:
    if not jpegs.show(view, image, place):
        opencv.decode_rest(view, image, place)


def _is_refused_by_pillow(data: bytes) -> bool:
    try:
        pillow.decode_rgb(data)
    except ValueError:
        return True
    return False


@jpegs.needs_extension
def test_damaged_files_look_as_they_do_without_the_extension_and_are_refused_if_pillow_refuses_them():
    kinds = {"shown": 0, "refused": 0}
    for number in range(400):
        data = jpegs.damaged(SEEDS[number % len(SEEDS)], number)
        fast, slow = (_outcome(show, data, number) for show in (_show_with_extension, opencv.decode_crop))
        refused = isinstance(fast, str)
        if isinstance(slow, str):
            assert fast == slow
        elif refused:
            assert _is_refused_by_pillow(data), number
        else:
            assert np.abs(fast.astype(float) - slow).mean() < 0.2, number
        kinds["refused" if refused else "shown"] += 1
    assert min(kinds.values()) > 50


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@jpegs.needs_extension
def test_memory_stays_flat_over_good_and_bad_calls():
    photo = encode(load("coffee.png", (300, 200)), quality=80)
    files = [photo, photo[:-500], photo[:300], b"", jpegs.with_size(photo, 8000, 8000), HOSTILE[-1]]
    place, look = np.zeros((224, 224, 3), np.uint8), (np.array([3.0, 5.0, 190.0, 280.0]), np.zeros(1, bool))
    board = np.zeros(1, np.int64), np.zeros(2, np.int64)

    def call(times: int) -> None:
        for _ in range(times):
            for data in files:
                native.extension().resized_crops([data], *look, np.ones(1, np.uint8), True, place, 224, *board)

    call(50)
    before = _peak_kb()
    call(400)  # 2400 calls: losing 1 KB in each would show
    assert _peak_kb() - before < 1500
