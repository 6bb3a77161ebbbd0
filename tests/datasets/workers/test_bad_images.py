"""Bad images under ON_BAD_IMAGE skip: the same substitute everywhere in training, nothing in evaluation."""

import os
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.reliability.lists.image_attacks import with_jpeg_size, with_scans
from pycls.datasets.loader import Loader
from pycls.datasets.readers.samples import FileSamples, pack_names
from pycls.datasets.transforms.normalize import Normalize
from pycls.datasets.workers.bad_images import NUM_TRIES, Failure, settle_failures, substitutes
from tests.helpers.backends import CPU, NAMES, make_backend, make_view
from tests.helpers.photographs import encode, load

SMALL = {"size": 32, "resize": 36}
# Sample -> what is wrong with it. The last two look whole from outside: only the decoder finds out.
BAD = {3: "empty", 8: "text", 12: "truncated", 17: "gone", 22: "no_tables", 25: "no_tables"}
BAD |= {30: "scans", 33: "pipe", 39: "claims"}
NUM = 40


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> FileSamples:
    """40 images of four classes in turn; red = 6 x index; some are broken."""
    folder = tmp_path_factory.mktemp("files") / "train"
    folder.mkdir()
    photo = encode(load("coffee.png", (120, 90)))
    broken = {"empty": b"", "text": b"no image\n" * 9, "truncated": photo[: len(photo) // 2]}
    broken["no_tables"] = photo.replace(b"\xff\xdb", b"\xff\xfe")
    broken["scans"] = with_scans(encode(load("coffee.png", (120, 90)), progressive=True), 3000)
    broken["claims"] = with_jpeg_size(photo, 13_000, 13_000)
    for index in range(NUM):
        data = broken.get(BAD.get(index), encode(Image.new("RGB", (48, 40), (6 * index, 9, 9)), quality=95))
        if BAD.get(index) == "pipe":
            os.mkfifo(folder / f"{index:02d}.JPEG")
        elif BAD.get(index) != "gone":
            (folder / f"{index:02d}.JPEG").write_bytes(data)
    names = pack_names([f"{index:02d}.JPEG" for index in range(NUM)])
    return FileSamples(str(folder), names, np.arange(NUM) % 4, tuple("abcd"))


def _loader(name, samples, train=True, batch_size=8, rank=0, world_size=1, num_workers=2, **options):
    view = make_view(train, **SMALL)
    backend = make_backend(name, samples, view, num_workers, skip_bad=True, **options)
    finish = Normalize((0, 0, 0), (1 / 255,) * 3, CPU)
    return Loader(samples, view, backend, finish, batch_size=batch_size, device=CPU, rank=rank, world_size=world_size)


def _epoch(loader, epoch=0):
    batches = list(loader.epoch(epoch))
    loader.close()
    return batches


def _shown(batch):
    """Return the samples whose color the images have."""
    return (batch.images[:, 0, 16, 16] / 6).round().int().tolist()


@pytest.mark.parametrize("name", NAMES)
def test_training_shows_another_image_of_the_class(name, files):
    order = np.concatenate([batch.indices.numpy() for batch in _epoch(_loader(name, files))])
    reference = _loader("custom", files)
    planned = np.concatenate(reference.index_batches(0))
    batches = _epoch(_loader(name, files))
    assert {f.index for batch in batches for f in batch.failures} == set(BAD)
    assert all(_shown(batch) == batch.indices.tolist() for batch in batches)
    assert (files.labels[order] == files.labels[planned]).all()
    assert torch.equal(torch.cat([batch.labels for batch in batches]), torch.from_numpy(files.labels[planned]))
    assert [a for a, b in zip(order, planned, strict=True) if a == b] == [i for i in planned if i not in BAD]
    assert not set(order) & set(BAD)
    reference.close()


def test_the_substitute_depends_on_nothing_but_seed_epoch_and_index(files):
    alone = _epoch(_loader("custom", files, batch_size=8), epoch=3)
    whole = {f.index: f.substitute for batch in alone for f in batch.failures}
    for num_workers, batch_size in ((0, 4), (3, 20)):
        batches = _epoch(_loader("custom", files, batch_size=batch_size, num_workers=num_workers), epoch=3)
        assert {f.index: f.substitute for batch in batches for f in batch.failures} == whole
    ranks = [_epoch(_loader("custom", files, rank=rank, world_size=2), epoch=3) for rank in range(2)]
    assert {f.index: f.substitute for part in ranks for batch in part for f in batch.failures} == whole
    joined = [torch.cat([a.images, b.images]) for a, b in zip(*ranks, strict=True)]
    assert all(torch.equal(a, b.images) for a, b in zip(joined, alone, strict=True))
    other = _epoch(_loader("custom", files), epoch=4)
    assert {f.index: f.substitute for batch in other for f in batch.failures} != whole


def test_a_substitute_is_shown_as_its_own_place_shows_it(files):
    (batch,) = _epoch(_loader("custom", files, batch_size=NUM, max_batch=NUM))
    rows = batch.indices.tolist()
    for failure in batch.failures:
        first, *others = [row for row, index in enumerate(rows) if index == failure.substitute]
        assert others and all(torch.equal(batch.images[first], batch.images[row]) for row in others)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_leaves_bad_images_out(name, world_size, files):
    good = [index for index in range(NUM) if index not in BAD]
    found, failed = [], []
    for rank in range(world_size):
        for batch in _epoch(_loader(name, files, train=False, batch_size=6, rank=rank, world_size=world_size)):
            assert _shown(batch) == batch.indices.tolist()
            assert torch.equal(batch.labels, batch.indices % 4) and len(batch.images) == len(batch.labels)
            found += batch.indices.tolist()
            failed += batch.failures
    assert found == good
    assert sorted(f.index for f in failed) == sorted(BAD) and all(f.substitute is None for f in failed)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_bad_images_only_is_empty(name, files):
    bad = list(BAD)[:4]
    some = files.select(np.isin(np.arange(NUM), [0, *bad]))
    batches = _epoch(_loader(name, some, train=False, batch_size=1))
    assert [len(batch.labels) for batch in batches] == [1, 0, 0, 0, 0]
    assert batches[1].images.shape == (0, 3, 32, 32)


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_every_bad_image_is_logged_once_with_name_and_reason(mode, files, caplog):
    caplog.set_level("WARNING", "pycls")
    loader = _loader("custom", files, worker_mode=mode)
    for epoch in (0, 1):
        list(loader.epoch(epoch))
    loader.close()
    counts = Counter(record.getMessage() for record in caplog.records)
    assert set(counts.values()) == {1} and len(counts) == len(BAD)
    text = "\n".join(counts)
    assert "03.JPEG: the file is empty (0 bytes)" in text and "17.JPEG: [Errno 2] No such file" in text
    assert text.count("train/") == len(BAD) + 1, "a name once, but for the system's own message"


@pytest.mark.parametrize("name", NAMES)
def test_without_a_readable_image_of_the_class_training_ends(name, files):
    hopeless = files.select(np.isin(np.arange(NUM), [0, 4, 3, 1, 2, 5]))  # 3 is the only one of class d
    loader = _loader(name, hopeless, batch_size=6)
    with pytest.raises(ValueError, match=r"03\.JPEG: cannot be read, nor can the 0 images of class d .*check-data"):
        list(loader.epoch(0))
    loader.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_machines_own_trouble_is_never_skipped(name, files, monkeypatch):
    def no_more_files(self, index):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(FileSamples, "read", no_more_files)
    loader = _loader(name, files, num_workers=0, train=False)
    with pytest.raises(OSError, match="Too many open files"):
        list(loader.epoch(0))
    loader.close()


def test_substitutes_are_others_of_the_class_and_evenly_drawn():
    labels = np.arange(4000) % 40
    tried = np.concatenate([substitutes(labels, 1, epoch, 7) for epoch in range(2000)])
    assert len(tried) == 2000 * NUM_TRIES and set(labels[tried]) == {7} and 7 not in tried
    counts = np.unique(tried, return_counts=True)[1]
    assert len(counts) == 99 and abs(counts - len(tried) / 99).max() < 5 * np.sqrt(len(tried) / 99)


def test_settling_keeps_a_whole_batch_as_it_is():
    images, indices = torch.arange(12).view(4, 3), np.array([5, 0, 7, 9])
    kept, now = settle_failures(images, indices, [Failure(0, "a", "bad", 3)])
    assert kept is images and now.tolist() == [5, 3, 7, 9]
    kept, now = settle_failures(images, indices, [Failure(0, "a", "bad", None), Failure(9, "b", "bad", None)])
    assert kept.tolist() == images[[0, 2]].tolist() and now.tolist() == [5, 7]
