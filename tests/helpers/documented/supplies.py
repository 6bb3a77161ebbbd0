"""What commands of the documentation read, in small: photographs, CIFAR, Fashion-MNIST, weights, a finished run."""

import functools
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config import dump_changes, load_cfg
from pycls.core.weights.download import cached_path
from pycls.dataset_tools.packing import pack_folders
from pycls.dataset_tools.packing.options import PackOptions
from pycls.datasets.digits import export_digits
from pycls.engine import train
from pycls.models import build_model
from tests.helpers.arrays import python2_pickle, write_idx
from tests.helpers.documented.small import DIGITS, EPOCHS, MACHINE, NUM_CLASSES, PRECISE
from tests.helpers.paths import CONFIGS
from tests.helpers.photographs import encode, load
from tests.helpers.runs import overrides

PHOTOS = {"cat": "chelsea.png", "cup": "coffee.png", "eye": "retina.jpg", "rocket": "rocket.jpg"}
PHOTOS["woman"] = "astronaut.png"
# A network of some thousand parameters, of a kind that other programs have, too.
MINE = {
    "MODEL.TYPE": "regnet",
    "MODEL.NUM_CLASSES": NUM_CLASSES,
    "REGNET.DEPTH": 8,
    "REGNET.W0": 8,
    "REGNET.WA": 8.0,
    "REGNET.WM": 2.0,
    "REGNET.GROUP_W": 8,
    "TRAIN.DATASET": "imagenet",
    "TEST.DATASET": "imagenet",
    "TRAIN.IM_SIZE": 32,
    "TEST.IM_SIZE": 36,
    "OPTIM.MAX_EPOCH": 1,
    "TRAIN.BATCH_SIZE": 4,
    "TEST.BATCH_SIZE": 4,
    "BN.NUM_SAMPLES_PRECISE": 4,
    "DATA_LOADER.NUM_WORKERS": 1,
    "DEVICE": "cpu",
}


@functools.cache
def shelf() -> Path:
    """Return the folder of this process that holds what is made once."""
    keeper = tempfile.TemporaryDirectory(prefix="documented-")
    _KEEPERS.append(keeper)
    return Path(keeper.name)


_KEEPERS: list[tempfile.TemporaryDirectory] = []  # removed when the process ends


def write_class_folders(folder: Path, numbers: range) -> None:
    """Write folder/<class>/<number>.png, parts of a photograph for each class."""
    for name, file in PHOTOS.items():
        (folder / name).mkdir(parents=True)
        photo = load(file, (160, 120))
        for number in numbers:
            part = photo.crop((10 * number, 5 * number, 10 * number + 64, 5 * number + 56))
            (folder / name / f"{number}.png").write_bytes(encode(part, "PNG"))


def write_photos(folder: Path) -> None:
    """Write train/ and val/ of class folders."""
    write_class_folders(folder / "train", range(2, 4))
    write_class_folders(folder / "val", range(1, 2))


def write_my_photos(folder: Path) -> None:
    """Write class folders alone, as a camera calls its files."""
    for name, file in {"brick": "brick.png", "coffee": "coffee.png", "fur": "chelsea.png"}.items():
        (folder / name).mkdir(parents=True)
        for number in range(1, 11):
            photo = load(file, (160, 120)).crop((5 * number, 4 * number, 5 * number + 64, 4 * number + 56))
            (folder / name / f"IMG_{number:04d}.jpg").write_bytes(encode(photo))


def write_list(file: Path) -> None:
    """Write a list of the photographs."""
    photos = shelve("photos")
    images = sorted(photos.rglob("*.png"))
    rows = [f"{image},{image.parent.name},{image.relative_to(photos).parts[0]}" for image in images]
    file.write_text("\n".join(["path,label,split", *rows]) + "\n")


def write_part_of_the_classes(folder: Path) -> None:
    """Write class folders of some of the classes of the photographs."""
    for name in list(PHOTOS)[1:4]:
        shutil.copytree(shelve("photos") / "val" / name, folder / name)


def write_class_names(file: Path) -> None:
    """Write the names of the classes of the photographs, one a line."""
    file.write_text("\n".join(sorted(PHOTOS)) + "\n")


def write_cifar10(folder: Path) -> None:
    """Write the python version of CIFAR-10, with 20 images in each file."""
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        _write_pickle(folder / name, {"data": _rows(20, number), "labels": [*range(10)] * 2})
    _write_pickle(folder / "batches.meta", {"label_names": [f"class {n}" for n in range(10)]})


def write_cifar100(folder: Path) -> None:
    """Write the python version of CIFAR-100, an image a class."""
    for number, name in enumerate(("train", "test")):
        _write_pickle(folder / name, {"data": _rows(100, number), "fine_labels": [*range(100)]})
    _write_pickle(folder / "meta", {"fine_label_names": [f"class {n}" for n in range(100)]})


def _rows(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)


def _write_pickle(file: Path, content: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(python2_pickle(content))


def write_fashion_mnist(folder: Path) -> None:
    """Write the four files of Fashion-MNIST with 20 images a split."""
    for prefix in ("train", "t10k"):
        images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", np.arange(20, dtype=np.uint8) % 10)


def write_few_digits(folder: Path) -> None:
    """Write a tenth of the digits."""
    for split in ("train", "val"):
        for digit in sorted((export_digits() / split).iterdir()):
            shutil.copytree(digit, folder / split / digit.name, ignore=lambda _, names: sorted(names)[4:])


def my_cfg(out_dir: str) -> CfgNode:
    """Return the config of somebody's own training."""
    return load_cfg(None, overrides(MINE | {"DATA_DIR": shelve("photos"), "OUT_DIR": out_dir}))


def write_training(file: Path) -> None:
    """Write somebody's own config."""
    file.write_text(dump_changes(my_cfg("runs/my_training")))


def write_run(folder: Path) -> None:
    """Write a finished run."""
    train(my_cfg(str(folder)))


def write_digits_run(folder: Path) -> None:
    """Write a finished run of the quickstart, in small."""
    train(
        load_cfg(
            str(CONFIGS / "quickstart/digits.yaml"), [*MACHINE, *DIGITS, *PRECISE, *EPOCHS, "OUT_DIR", str(folder)]
        )
    )


def write_packed(folder: Path) -> None:
    """Write the photographs as shards."""
    pack_folders(shelve("photos"), folder, [], PackOptions(None, 90, False, 1), 1)


def write_index(folder: Path) -> None:
    """Write the index of the training split's shards."""
    shutil.copytree(shelve("scratch/packed") / "train.index", folder)


def write_lite0(file: Path) -> None:
    """Write weights for configs/efficientnet_lite/EN-Lite0.yaml."""
    torch.save(empty_network(load_cfg(str(CONFIGS / "efficientnet_lite/EN-Lite0.yaml"))).state_dict(), file)


# What is read, as a pattern of its path (absolute ones without their first slash), and what writes it.
SUPPLIES: dict[str, Callable[[Path], None]] = {
    r"photos|(path/to|data)/(imagenet(-21k)?|images)|data/(one|two)": write_photos,
    r"my_photos|holiday|others": write_my_photos,
    r"photos\.csv": write_list,
    r"data/imagenet-r": write_part_of_the_classes,
    r"synsets\.txt": write_class_names,
    r"scratch/packed": write_packed,
    r"train\.index": write_index,
    r"(path/to|data)/cifar-?10(-batches-py)?": write_cifar10,
    r"(path/to|data)/cifar-?100(-python)?": write_cifar100,
    r"data/digits": write_few_digits,
    r"data/fashion_mnist": write_fashion_mnist,
    r"my_training\.yaml": write_training,
    r"runs/digits": write_digits_run,
    r"runs/mine": write_run,
    r"lite0\.pth": write_lite0,
}


def shelve(name: str) -> Path:
    """Return what stands for a path of the documentation, made once a process; KeyError for what is not supplied."""
    for number, (pattern, write) in enumerate(SUPPLIES.items()):
        if re.fullmatch(pattern, name):
            place = shelf() / f"{number}-{Path(name).suffix}"
            if not place.exists():
                write(place)
            return place
    raise KeyError(name)


def supply_of(word: str) -> str:
    """Return the pattern of what a word names, else the word: equal for two words that mean the same files."""
    path = re.sub(r"^/(?=(data|path|scratch)/)", "", word)
    return next((pattern for pattern in SUPPLIES if re.fullmatch(pattern, path)), word)


def put(name: str, folder: Path) -> None:
    """Put what a word names into a folder, if it names something that is supplied and not there yet."""
    parts = name.split("/")
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end])
        target = folder / path
        if target.exists():
            return
        if any(re.fullmatch(pattern, path) for pattern in SUPPLIES):
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.startswith("runs/"):  # which a command may change
                shutil.copytree(shelve(path), target)
            else:
                target.symlink_to(shelve(path))
            return


# ---- a network without a network


def served(url: str, cache_dir: str | Path = "", sha256: str | None = None) -> Path:
    """Stand in for pycls.core.weights.download.download: "fetch" a file of zeros for the network that a URL names."""
    target = cached_path(url, shelf())
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        state = empty_network(
            load_cfg(str(_config_of(target.stem)), ["MODEL.NUM_CLASSES", str(NUM_CLASSES)])
        ).state_dict()
        torch.save({"model_state": state} if target.suffix == ".pyth" else state, target)
    return target


def empty_network(cfg: CfgNode) -> nn.Module:
    """Build a network of zeros, which takes a tenth of the time that drawing its weights does."""
    with torch.device("meta"):
        model = build_model(cfg)
    model = model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        tensor.zero_()
    return model


def _config_of(stem: str) -> Path:
    """Return the config of published weights: pycls names them as its configs, torchvision with a checksum behind."""
    names = (stem, stem.rpartition("-")[0])
    (found,) = [path for path in CONFIGS.rglob("*.yaml") if path.stem in names and "archive" not in path.parts]
    return found
