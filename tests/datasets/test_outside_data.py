"""Data sets and backends that come from outside this package: one line in a table is all they need."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image

from pycls import engine
from pycls.core.config import load_cfg
from pycls.dataset_tools import validation
from pycls.dataset_tools.validation.inspect import Inspector, build_decoders
from pycls.datasets import BACKENDS, DATASETS, Dataset, build_loader
from pycls.datasets.heartbeat import HeartbeatBoard
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples, FileSamples
from pycls.engine.profiling.loader import time_loader
from pycls.engine.setup import pixel_contract
from pycls.loader_benchmark.sources import find_sources, load_samples
from pycls.models import build_model
from pycls.models.layers.checks import SMALL_IMAGE_DATASETS
from tests.helpers.photographs import encode
from tests.helpers.runs import overrides

CPU = torch.device("cpu")
SIDE = 20
RNG = np.random.default_rng(0)
ARRAYS = Dataset(lambda cfg, phase: arrays(phase), mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 1.0), im_size=SIDE)


def arrays(phase: str) -> ArraySamples:
    """Return 24 images of three classes: black, but for a class's own channel, which is white."""
    labels = np.arange(24) % 3
    images = np.zeros((24, SIDE, SIDE, 3), np.uint8)
    images[np.arange(24), :, :, labels] = 255
    return ArraySamples(images, labels, ("red", "green", "blue"), f"mine {phase}")


@dataclass(frozen=True, eq=False)
class Wrapped(EncodedSamples):
    """Samples that can do no more than the protocol asks for."""

    inner: FileSamples
    labels: np.ndarray
    classes: tuple[str, ...]
    split: str

    def name(self, index: int) -> str:
        return f"image {index}"

    def read(self, index: int) -> bytes:
        return self.inner.read(index)


@pytest.fixture
def mine(monkeypatch):
    monkeypatch.setitem(DATASETS, "mine", ARRAYS)
    return {"TRAIN.DATASET": "mine", "TEST.DATASET": "mine", "MODEL.NUM_CLASSES": 3, "TRAIN.IM_SIZE": SIDE}


@pytest.fixture
def wrapped(tmp_path, monkeypatch):
    """Return a data set of encoded images, and the same images as files."""
    for number in range(12):
        file = tmp_path / "train" / "ab"[number % 2] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(Image.fromarray(RNG.integers(0, 255, (24, 30, 3), np.uint8))))
    files = load_folder(tmp_path, "train")
    dataset = Dataset(lambda cfg, phase: Wrapped(files, files.labels, files.classes, phase), (0.5,) * 3, (0.5,) * 3)
    monkeypatch.setitem(DATASETS, "wrapped", dataset)
    return files


WRAPPED = {"TRAIN.DATASET": "wrapped", "TEST.DATASET": "wrapped", "MODEL.NUM_CLASSES": 2, "TRAIN.IM_SIZE": 16}
WRAPPED |= {"TEST.IM_SIZE": 16, "TRAIN.BATCH_SIZE": 6, "TEST.BATCH_SIZE": 6}


def config(keys, **more):
    return load_cfg(None, overrides(keys | {name.replace("__", "."): value for name, value in more.items()}))


def test_array_data_are_normalized_with_their_own_colors(mine):
    cfg = config(mine, TEST__BATCH_SIZE=24)
    (batch,) = build_loader(cfg, "test", CPU).epoch(0)
    red = batch.images[batch.labels == 0]
    assert red.amin(dim=(0, 2, 3)).tolist() == red.amax(dim=(0, 2, 3)).tolist() == [1.0, -0.5, 0.0]
    assert pixel_contract(cfg)["mean"] == [0.5, 0.25, 0.0] and pixel_contract(cfg)["backend"] == "memory"


def test_the_data_set_says_whether_lighting_applies(mine, monkeypatch):
    plain = build_loader(config(mine, TRAIN__BATCH_SIZE=24), "train", CPU)
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, lighting=True))
    lit = build_loader(config(mine, TRAIN__BATCH_SIZE=24), "train", CPU)
    assert (plain.lighting_std, lit.lighting_std) == (0.0, 0.1)


def test_the_data_set_chooses_the_policy_of_auto_augment(mine, monkeypatch):
    def first_programs() -> str:
        loader = build_loader(config(mine, TRAIN__AUGMENT="AutoAugment", TRAIN__BATCH_SIZE=24), "train", CPU)
        return str(loader.view.augment.stages[0].programs[0])

    imagenet = first_programs()
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, auto_augment="cifar10"))
    assert first_programs() != imagenet
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, auto_augment="cifar"))
    with pytest.raises(ValueError, match=r"Dataset.auto_augment: unknown choice 'cifar', did you mean 'cifar10'"):
        first_programs()


def test_it_trains_is_tested_and_is_timed(mine, tmp_path):
    keys = mine | {"MODEL.TYPE": "anynet", "ANYNET.STEM_TYPE": "res_stem_cifar", "ANYNET.STEM_W": 8}
    keys |= {"ANYNET.BLOCK_TYPE": "vanilla_block", "ANYNET.DEPTHS": [1], "ANYNET.WIDTHS": [8], "ANYNET.STRIDES": [2]}
    keys |= {"OPTIM.MAX_EPOCH": 4, "TRAIN.BATCH_SIZE": 12, "TEST.BATCH_SIZE": 12, "OUT_DIR": tmp_path}
    keys |= {"LOG.TENSORBOARD": "off", "DEVICE": "cpu", "OPTIM.EMA_UPDATE_PERIOD": 0, "BN.NUM_SAMPLES_PRECISE": 24}
    keys |= {"PREC_TIME.NUM_ITER": 1, "PREC_TIME.WARMUP_ITER": 0}
    assert engine.train(config(keys)).top1_err == 0
    assert engine.test(config(keys)).count == 24
    assert time_loader(build_loader(config(keys), "train", CPU), config(keys), CPU) > 0


class Upside:
    """Shows array data upside down."""

    failures = ()
    interrupt = None

    def __init__(self, samples, view):
        self.samples = samples

    def batches(self, epoch, index_batches):
        for indices in index_batches:
            yield torch.from_numpy(self.samples.images[indices % len(self.samples), ::-1].copy())

    def close(self):
        pass


def test_array_data_can_have_a_backend_from_outside(mine, monkeypatch):
    monkeypatch.setitem(BACKENDS, "upside", lambda cfg, samples, view, device, max_batch: Upside(samples, view))
    samples = arrays("test")
    samples.images[:, 0] = 51
    monkeypatch.setitem(
        DATASETS, "mine", replace(ARRAYS, build=lambda cfg, phase: samples, mean=(0,) * 3, std=(1,) * 3)
    )
    (batch,) = build_loader(config(mine, DATA_LOADER__BACKEND="upside", TEST__BATCH_SIZE=24), "test", CPU).epoch(0)
    torch.testing.assert_close(batch.images[:, :, -1], torch.full((24, 3, SIDE), 0.2))


@pytest.mark.parametrize(("backend", "workers"), [("custom", 2), ("torch", 0)])
def test_encoded_images_need_no_files(wrapped, backend, workers):
    """Through worker threads, or inline: the same pixels as the same images in files."""
    cfg = config(WRAPPED, DATA_LOADER__BACKEND=backend, DATA_LOADER__NUM_WORKERS=workers)
    shown = []
    for samples in (None, wrapped):
        loader = build_loader(cfg, "train", CPU, samples)
        shown.append(torch.cat([batch.images for batch in loader.epoch(0)]))
        loader.close()
    assert torch.equal(*shown)


def test_encoded_images_are_compared_and_checked(wrapped, tmp_path):
    """As what the data set says, not as the class folders of DATA_DIR."""
    cfg = config(WRAPPED, DATA_DIR=tmp_path)
    (source,) = find_sources(cfg, [])
    samples = load_samples(load_cfg(None, [*overrides(WRAPPED), *source.overrides()]), source.flat)
    assert (source.title, samples.name(3)) == ("wrapped", "image 3")
    splits, _ = validation.splits_of_cfg(cfg, False)
    assert [split.split for split in splits] == ["train", "test"]
    inspector = Inspector(splits[0], HeartbeatBoard(1, shared=False), build_decoders(("custom",)), tiny_px=25)
    inspections = pickle.loads(pickle.dumps(inspector))(np.arange(3), 0)  # as in a worker process
    assert [inspection.findings for inspection in inspections] == [[("tiny", "30 x 24 px")]] * 3
    assert splits[0].key(2) == "train/image 2"


def test_encoded_images_that_cannot_be_left_out(wrapped, tmp_path):
    (tmp_path / "list").write_text("train/a/0.jpg\n")
    with pytest.raises(ValueError, match=r"^Wrapped cannot leave images out.*SKIP_LIST"):
        build_loader(config(WRAPPED, DATA_LOADER__SKIP_LIST=tmp_path / "list"), "train", CPU)


def test_array_data_cannot_be_compared_or_checked(mine, tmp_path):
    with pytest.raises(ValueError, match=r"TRAIN.DATASET mine is array data: loaders are compared on image files"):
        find_sources(config(mine, DATA_DIR=tmp_path), [])
    with pytest.raises(ValueError, match=r"TRAIN.DATASET mine is array data: there are no image files to check"):
        validation.splits_of_cfg(config(mine), False)


GOOD = arrays("train")
WRONG = {
    "labels in a list": (replace(GOOD, labels=[0] * 24), "labels must be an int64 array of shape .24,., got list"),
    "labels of 32 bits": (replace(GOOD, labels=GOOD.labels.astype(np.int32)), "labels must be an int64 .* got int32"),
    "no images": (replace(GOOD, images=GOOD.images[:0], labels=GOOD.labels[:0]), "has no images"),
    "a label too much": (replace(GOOD, classes=("red", "green")), "labels run from 0 to 2, but there are 2 classes"),
    "floats": (replace(GOOD, images=GOOD.images / 255), "images must be a uint8 array of shape .*, got float64"),
    "channels first": (
        replace(GOOD, images=GOOD.images.transpose(0, 3, 1, 2)),
        r"images .* got uint8 \(24, 3, 20, 20\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_samples_that_cannot_be_right_are_told_in_one_line(mine, monkeypatch, name):
    samples, message = WRONG[name]
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, build=lambda cfg, phase: samples))
    with pytest.raises(ValueError, match=f"^TRAIN.DATASET mine: {message}"):
        build_loader(config(mine, TRAIN__BATCH_SIZE=12), "train", CPU)


def test_a_data_set_says_whether_it_is_arrays(mine, wrapped, monkeypatch):
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, im_size=None))
    with pytest.raises(ValueError, match=r"TRAIN.DATASET mine: array data needs Dataset.im_size"):
        build_loader(config(mine, TRAIN__BATCH_SIZE=12), "train", CPU)
    monkeypatch.setitem(DATASETS, "wrapped", replace(DATASETS["wrapped"], im_size=16))
    with pytest.raises(ValueError, match=r"TRAIN.DATASET wrapped: Dataset.im_size 16 is for array data"):
        build_loader(config(WRAPPED), "train", CPU)


@pytest.mark.parametrize("kind", ["resnet", "cutmix_resnet", "pyramidnet"])
def test_networks_have_a_variant_for_its_small_images(mine, monkeypatch, kind):
    """The same network as for CIFAR, unless the data set says otherwise."""

    def stem(**keys) -> torch.Size:
        return next(build_model(config(mine, MODEL__TYPE=kind, **keys)).parameters()).shape

    small = {"MODEL__DEPTH": 20, "RESNET__TRANS_FUN": "basic_transform", "PYRAMIDNET__BOTTLENECK": False}
    assert stem(**small) == (16, 3, 3, 3)
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, im_size=64))
    large = {"MODEL__DEPTH": 50, "RESNET__TRANS_FUN": "bottleneck_transform", "TRAIN__IM_SIZE": 64}
    assert stem(**large) == (64, 3, 7, 7)
    monkeypatch.setitem(DATASETS, "mine", replace(ARRAYS, im_size=64, small_images=True))
    assert stem(**small | {"TRAIN__IM_SIZE": 64}) == (16, 3, 3, 3)


def test_networks_and_data_sets_of_ours_agree_on_what_is_small():
    """Networks know it without the data sets, which they must not import."""
    assert {name for name, dataset in DATASETS.items() if dataset.has_small_images} == set(SMALL_IMAGE_DATASETS)


COLORS = [((0.5, 0.5), (1, 1, 1)), ((128, 128, 128), (1, 1, 1)), ((0, 0, 0), (0, 0, 0))]


@pytest.mark.parametrize(("mean", "std"), COLORS)
def test_colors_outside_of_their_range_are_refused(mean, std):
    with pytest.raises(ValueError, match=r"Dataset.(mean|std) must be"):
        Dataset(ARRAYS.build, mean, std)
