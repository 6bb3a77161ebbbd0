"""TRAIN and TEST: what is shown in training and evaluation, in which batches, and how a step computes."""

from pycls.core.config.key import Key
from pycls.core.config.keys.shapes import probability
from pycls.core.config.keys.views import LARGEST_PX, VIEWS

DATASETS = ("", "imagenet", "imagenet-21k", "cifar10", "cifar100", "fashion_mnist", "digits")


_STEP = {
    "DATASET": Key(
        "",
        "data",
        "data set; imagenet-21k is any class-folder tree",
        choices=DATASETS,
        table="pycls.datasets.DATASETS",
        fixed=True,
    ),
    "SPLIT": Key(
        "train",
        "data",
        "part of the data set: a folder (or packed, or listed part) of DATA_DIR; docs/DATA.md",
        form="split",
        fixed=True,
    ),
    "BATCH_SIZE": Key(
        128,
        "training",
        "global: over all processes and accumulation steps; 0: about 16, so that all training images are shown",
        at_least=0,
        at_most=10_000_000,
        fixed=True,
    ),
    "IM_SIZE": Key(
        224,
        "data",
        "side of the square that the network sees, in training and evaluation, or [height, width] (pixels)",
        at_least=1,
        at_most=LARGEST_PX,
        may_be_pair=True,
        fixed=True,
    ),
    "IM_SIZE_SCHEDULE": Key(
        [],
        "data",
        "training: [[epoch, pixels], ...] with straight lines between",
        items=list,
        at_least=0,
        at_most=1_000_000,
        fixed=True,
        ours=True,
    ),
    "AUTO_RESUME": Key(
        True, "nothing", "continue from the newest readable checkpoint in OUT_DIR (wins over TRAIN.WEIGHTS)"
    ),
    "WEIGHTS": Key(
        "",
        "training",
        "initial weights: path, a run's folder, URL, or a name such as RegNetX-400MF; docs/WEIGHTS.md",
        form="path",
    ),
    "WEIGHTS_PARTIAL": Key(
        False,
        "training",
        "start from WEIGHTS that fit in part, too: what is missing, left over or NaN is listed, docs/WEIGHTS.md",
        ours=True,
    ),
    "FROZEN": Key(
        [],
        "training",
        "parts that keep weights and statistics, such as [stem, s1]; needs TRAIN.WEIGHTS",
        items=str,
        fixed=True,
        ours=True,
    ),
    "MIXED_PRECISION": Key(False, "training", "autocast to AMP_DTYPE, in training and evaluation"),
    "AMP_DTYPE": Key("bf16", "training", "fp16 adds a gradient scaler", choices=("bf16", "fp16"), ours=True),
    "CHANNELS_LAST": Key(
        False,
        "nothing",
        "NHWC memory layout: True, False, auto (measured; docs/SPEED.md)",
        may_be_auto=True,
        ours=True,
    ),
    "COMPILE": Key(False, "nothing", "torch.compile of the network, and of mixing", ours=True),
    "COMPILE_MODE": Key(
        "default",
        "nothing",
        "mode of torch.compile; reduce-overhead and max-autotune use CUDA graphs",
        choices=("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
        ours=True,
    ),
    "ACTIVATION_CHECKPOINT": Key(
        False, "nothing", "compute blocks again in backward: less memory, slower (docs/SCALE.md)", ours=True
    ),
    "LABEL_SMOOTHING": Key(0.0, "training", "share of the target spread over all classes", at_least=0, below=1),
    "MIXUP_ALPHA": Key(
        0.0, "training", "mixup: parameter of its Beta distribution; 0 is off", at_least=0, at_most=1000
    ),
    "CUTMIX_ALPHA": Key(0.0, "training", "CutMix: the same; 0 is off", at_least=0, at_most=1000),
    "MIX_PROB": probability(
        1.0, decides="training", comment="probability of mixing a batch (or an image) at all", ours=True
    ),
    "MIX_SWITCH_PROB": probability(
        0.5,
        decides="training",
        comment="with both alphas above 0: probability of CutMix, the rest is mixup",
        ours=True,
    ),
    "MIX_MODE": Key(
        "batch",
        "training",
        "batch: drawn once a step (as pycls and CutMix); elem: for each image",
        choices=("batch", "elem"),
        ours=True,
    ),
    "CLASS_WEIGHTS": Key(
        [],
        "training",
        "weight of each class in the training loss; empty: all 1",
        items=float,
        at_least=0,
        at_most=1e9,
        ours=True,
    ),
    "CLASS_BALANCE": Key(
        "",
        "training",
        "loss: weights by rarity; sampler: classes drawn equally often; empty: neither",
        choices=("", "loss", "sampler"),
        fixed=True,
        ours=True,
    ),
}

_SAVING = {
    "EVAL_PERIOD": Key(
        1,
        "nothing",
        "epochs from one evaluation to the next; the last epoch is always evaluated (pytorch-cls's)",
        at_least=1,
        at_most=1_000_000,
        ours=True,
    ),
    "KEEP": Key(
        3,
        "nothing",
        "epoch checkpoints kept, besides last and best; 0 keeps all",
        at_least=0,
        at_most=1_000_000,
        ours=True,
    ),
    "CHECKPOINT_MINUTES": Key(
        15.0,
        "nothing",
        "minutes between saves inside an epoch; 0 saves at epoch ends only",
        at_least=0,
        at_most=1_000_000,
        ours=True,
    ),
}

TRAIN = {**_STEP, **VIEWS, **_SAVING}

TEST = {
    "DATASET": Key("", "evaluation", "as TRAIN.DATASET", choices=DATASETS, table="pycls.datasets.DATASETS"),
    "SPLIT": Key(
        "val",
        "evaluation",
        "as TRAIN.SPLIT; none: nothing to evaluate on, training ends without a test error",
        form="split",
    ),
    "BATCH_SIZE": Key(200, "nothing", "global: over all processes", at_least=1, at_most=10_000_000),
    "HFLIP": Key(False, "evaluation", "evaluate the mean logits of each image and its mirror image", ours=True),
    "COMPILE": Key(
        False,
        "nothing",
        "torch.compile of the network in evaluation, in training too; full batches only",
        ours=True,
    ),
    "FEATURES": Key(
        False,
        "nothing",
        "test_net.py writes the classifier's input for every image, test_features.npy (docs/RUNS.md)",
        ours=True,
    ),
    "INTERPOLATION": Key("bilinear", "evaluation", "filter of the resize", choices=("bilinear", "bicubic"), ours=True),
    "IM_SIZE": Key(
        256,
        "evaluation",
        "what the resized image just covers, before the central TRAIN.IM_SIZE crop: a square (its shorter side is as "
        "long) or [height, width] (pixels)",
        at_least=1,
        at_most=LARGEST_PX,
        may_be_pair=True,
    ),
    "WEIGHTS": Key(
        "",
        "evaluation",
        "what test_net.py evaluates: as TRAIN.WEIGHTS; empty: the best checkpoint in OUT_DIR, else the last",
        form="path",
    ),
}
