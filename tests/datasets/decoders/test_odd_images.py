"""Golden odd images: every backend gives Pillow's verdict, under both policies, and shows Pillow's pixels."""

import subprocess
import sys

import numpy as np
import pytest

from pycls.datasets.transforms import view as views
from tests.helpers.backends import NAMES, draw, make_backend, make_view
from tests.helpers.odd_images import damaged, readable, unreadable
from tests.helpers.photographs import write_files
from tests.helpers.reference import open_rgb, reference_square

SHOWN, REFUSED = {**readable(), **damaged()}, unreadable()


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("odd"), {**SHOWN, **REFUSED})


def _reference(data, view, index):
    width, height = open_rgb(data).size
    (box,) = views.boxes(view, 0, np.array([index]), np.array([height]), np.array([width]))
    return reference_square(data, view, box, views.flips(view, 0, np.array([index]))[0])


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_what_pillow_reads_is_shown_alike_and_the_rest_is_skipped(name, train, antialias, odd):
    view = make_view(train, antialias, size=32, resize=36)
    backend = make_backend(name, odd, view, skip_bad=True)
    (squares,) = [batch.numpy().astype(float) for batch in backend.batches(0, [np.arange(len(odd))])]
    failed = {failure.name.rpartition("/")[2]: failure.substitute for failure in backend.failures}
    backend.close()
    assert set(failed) == set(REFUSED)
    for index, (file, data) in enumerate(SHOWN.items()):
        difference = np.abs(squares[index] - _reference(data, view, index)).mean()
        assert difference < (0.3 if antialias else 0.5), f"{file}: {difference:.2f}"
    if train:  # substitutes are of the same epoch: each is there twice
        shown = [squares[len(SHOWN) + list(REFUSED).index(file)] for file in failed]
        wanted = [squares[substitute] for substitute in failed.values()]
        # Pillow shows substitutes in DALI, whose resize differs a little.
        assert all(np.abs(a - b).mean() < 0.5 for a, b in zip(shown, wanted, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_each_unreadable_file_is_named(name, odd):
    backend = make_backend(name, odd, make_view(size=32), num_workers=0)
    for number, file in enumerate(REFUSED):
        with pytest.raises(ValueError, match=f"/{file}: "):
            draw(backend, 0, [[0], [len(SHOWN) + number]])
    backend.close()


def test_a_long_image_takes_no_more_memory_than_it_needs(odd):
    # Resized whole to a shorter side of 256 px it would be 512000 x 256; peak memory of a child process tells.
    index = list(SHOWN).index("wide_20000x10.JPEG")
    code = (
        "import resource, sys, numpy as np\n"
        "from pycls.datasets.decoders import opencv, torchvision_io\n"
        "from pycls.datasets.heartbeat import Heartbeat\n"
        "from pycls.datasets.decoders.encoded import read_encoded\n"
        "from pycls.datasets.readers.samples import FileSamples, pack_names\n"
        "from tests.helpers.backends import make_view\n"
        "samples = FileSamples('', pack_names([sys.argv[1]]), np.zeros(1, int), ('a',))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for antialias in (True, False):\n"
        "    view = make_view(False, antialias)\n"
        "    image = read_encoded(samples, view, 0, np.zeros(1, int), Heartbeat(np.zeros(2, int)))[0]\n"
        "    for show in (opencv.decode_crop, torchvision_io.decode_crop):\n"
        "        show(view, image, np.zeros((224, 224, 3), np.uint8))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, odd.name(index)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000, "KiB"
