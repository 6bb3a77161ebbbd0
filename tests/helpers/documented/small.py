"""What is added to a documented command so that it ends within a second on a CPU."""

import shlex
from collections.abc import Callable, Sequence

import yaml

NUM_CLASSES = 5  # of the photographs
CLASSES = ["MODEL.NUM_CLASSES", str(NUM_CLASSES)]
FILES = ["TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "36", "TRAIN.BATCH_SIZE", "4", "TEST.BATCH_SIZE", "4"]
DIGITS = ["TRAIN.IM_SIZE", "8", "TEST.IM_SIZE", "8", "TRAIN.BATCH_SIZE", "20", "TEST.BATCH_SIZE", "40"]
ARRAYS = ["TRAIN.BATCH_SIZE", "20", "TEST.BATCH_SIZE", "60"]
BATCHES = {"digits": DIGITS, "cifar10": ARRAYS, "cifar100": ARRAYS, "fashion_mnist": ARRAYS}  # others: FILES
PRECISE = ["BN.NUM_SAMPLES_PRECISE", "20"]

MACHINE = ["DEVICE", "cpu", "NUM_GPUS", "1", "LOG.TENSORBOARD", "off"]
WORKERS = ["DATA_LOADER.NUM_WORKERS", "1"]
EPOCHS = ["OPTIM.MAX_EPOCH", "1", "OPTIM.WARMUP_EPOCHS", "0"]
TIMES = ["PREC_TIME.NUM_ITER", "1", "PREC_TIME.WARMUP_ITER", "0"]
GRID = shlex.split("--backends custom --workers 1 --views eval --caches warm --rounds 1 --epochs 1 --images 4")
TABLE = shlex.split("--backends custom --cpus 1 --workers 1 --table-batch-size 4")

# Networks of fewer layers or channels, by MODEL.TYPE and data set; the others are small enough.
ANYNET = ["ANYNET.DEPTHS", "[1,1,1,1]", "ANYNET.WIDTHS", "[32,32,64,64]", "ANYNET.GROUP_WS", "[8,8,8,8]"]
NETWORKS = {
    ("anynet", "imagenet"): ANYNET,
    ("resnet", "imagenet"): ["RESNET.WIDTH_PER_GROUP", "4"],
    ("cutmix_resnet", "imagenet"): ["MODEL.DEPTH", "18"],
    ("cutmix_resnet", "cifar100"): ["MODEL.DEPTH", "11"],
    ("resnet", "cifar10"): ["MODEL.DEPTH", "8"],
    ("torchvision", "imagenet"): ["TRAIN.IM_SIZE", "80", "TEST.IM_SIZE", "80"],  # the least that all of them take
}


def _run(cfg: dict, words: Sequence[str]) -> list[str]:
    """Shorten a training, an evaluation."""
    workers = WORKERS if BATCHES.get(cfg["TEST"]["DATASET"]) is not ARRAYS else []
    return [*_loop(cfg), *workers, *EPOCHS]


def _loop(cfg: dict) -> list[str]:
    """Say what steps are: few images, and a small network."""
    dataset, policy = cfg["TEST"]["DATASET"] or "imagenet", cfg["OPTIM"]["LR_POLICY"]
    batches = BATCHES.get(dataset, FILES)
    parts = {
        "classes": (CLASSES, batches is FILES and cfg["MODEL"]["NUM_CLASSES"]),
        "network": (NETWORKS.get((cfg["MODEL"]["TYPE"], dataset), []), True),
        "peak": (["OPTIM.PEAK_EPOCH", "0.5"], policy in ("cyclic", "one_cycle")),
        "one process": (["FSDP.ENABLED", "False"], cfg["FSDP"]["ENABLED"]),
        "precise": (PRECISE, cfg["BN"]["USE_PRECISE_STATS"]),
        "place": (["OUT_DIR", "runs/documented"], cfg["OUT_DIR"].startswith("/")),
    }
    return [*MACHINE, *batches, *(word for part, is_needed in parts.values() if is_needed for word in part)]


def _compare(cfg: dict, words: Sequence[str]) -> list[str]:
    # Options for the grid come before the overrides that end the command.
    table = "--pytorch-cls-table" in words
    return [*(TABLE if table else [*GRID, "--batch-sizes", "4"]), *_loop(cfg), *TIMES]


SMALL: dict[str, Callable[[dict, Sequence[str]], list[str]]] = {
    "train": _run,
    "test": _run,
    "time": lambda cfg, words: [*_run(cfg, words), *TIMES],
    "predict": lambda cfg, words: ["DEVICE", "cpu"],
    "compare-loaders": _compare,
}


def small_words(kind: str, words: Sequence[str], printed_cfg: str) -> list[str]:
    """Return the words to add; `printed_cfg` is what --print-cfg says without them."""
    return SMALL[kind](yaml.safe_load(printed_cfg), words) if kind in SMALL else []


def zoo_words() -> list[str]:
    """Return what makes the verification of a row short."""
    return [*MACHINE, *FILES, *CLASSES, *WORKERS, *TIMES]
