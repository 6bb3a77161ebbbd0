"""MODEL, the classifier IDML, and the norms BN and LN: what all network families share."""

from pycls.core.config.key import Key

POOLS = ("", "lip", "softpool", "avg")

MODEL = {
    "TYPE": Key(
        "",
        "network",
        "network family",
        choices=(
            "",
            "anynet",
            "resnet",
            "regnet",
            "effnet",
            "mobilenet",
            "vit",
            "lip_resnet",
            "densenet",
            "pyramidnet",
            "cutmix_resnet",
            "timm",
            "torchvision",
        ),
        table="pycls.models.MODELS",
    ),
    "NAME": Key("", "network", "name of a network of torchvision or timm, such as resnet50", ours=True),
    "DEPTH": Key(
        0, "network", "number of layers (resnet: 50, 101, 152 for ImageNet; 6n+2 for CIFAR)", at_least=0, at_most=10_000
    ),
    "NUM_CLASSES": Key(
        10, "network", "outputs of the classifier; 0: as many as the data has classes", at_least=0, at_most=10_000_000
    ),
    "HEAD": Key(
        "linear",
        "network",
        "classifier; introspective: IDML",
        choices=("linear", "introspective"),
        table="pycls.models.heads.HEADS",
        every_type=True,
        ours=True,
    ),
    "LOSS_FUN": Key(
        "cross_entropy",
        "training",
        "loss, of training and in the figures of an evaluation (docs/TRAINING.md)",
        choices=("cross_entropy", "bce", "focal", "softmax_focal", "smooth_l1"),
        table="pycls.losses.LOSSES",
    ),
    "BCE_THRESHOLD": Key(
        0.2,
        "training",
        "bce: a class counts as present above this share of the target; 0: its share",
        at_least=0,
        below=1,
        ours=True,
    ),
    "FOCAL_GAMMA": Key(
        2.0,
        "training",
        "focal, softmax_focal: power of (1 - probability of the truth)",
        at_least=0,
        at_most=100,
        ours=True,
    ),
    "FOCAL_ALPHA": Key(
        0.25,
        "training",
        "focal: weight of the classes present, 1 - this of the others; -1: no weights",
        at_least=0,
        at_most=1,
        also=(-1,),
        ours=True,
    ),
    "SMOOTH_L1_BETA": Key(
        1.0,
        "training",
        "smooth_l1: difference of probabilities below which it is quadratic",
        at_least=0,
        at_most=1000,
        ours=True,
    ),
    "BLURPOOL": Key(
        False,
        "network",
        "blur in front of strided convolutions, as FFCV's recipes; changes what weights mean",
        every_type=True,
        ours=True,
    ),
    "STOCHASTIC_DEPTH": Key(
        0.0,
        "training",
        "probability of dropping the last residual branch (docs/RECIPES.md); 0 is off",
        at_least=0,
        below=1,
        ours=True,
    ),
    "ACTIVATION_FUN": Key(
        "relu",
        "network",
        "activation of all layers; swish means silu",
        choices=("relu", "relu6", "silu", "swish", "gelu"),
        table="pycls.models.layers.basic.ACTIVATIONS",
        every_type=True,
    ),
    "ACTIVATION_INPLACE": Key(True, "nothing", "in-place ReLU"),
    "SCALING_TYPE": Key(
        "",
        "nothing",
        "scale_net.py: letters of d, w, g, r (dwr) or weights (d1_w8_g8_r1); empty for training",
    ),
    "SCALING_FACTOR": Key(
        1.0, "nothing", "scale_net.py: multiply-adds wanted / multiply-adds now", at_least=0.001, at_most=1000
    ),
}

IDML = {
    "WIDTH": Key(
        0,
        "network",
        "numbers in an uncertainty; 0: as published, 128 for CIFAR, Fashion-MNIST, digits, else 512",
        at_least=0,
        at_most=65_536,
        every_type=True,
        ours=True,
    ),
    "PROXY_BIAS": Key(
        True,
        "network",
        "a proxy is the class's weights plus its bias on each, as published; False: no bias",
        every_type=True,
        ours=True,
    ),
}

BN = {
    "EPS": Key(1e-5, "network", "epsilon of every batch norm", at_least=1e-12, at_most=1, every_type=True),
    "MOM": Key(
        0.1,
        "training",
        "momentum as PyTorch defines it: share of the new batch in the running statistics",
        at_least=0,
        at_most=1,
    ),
    "USE_PRECISE_STATS": Key(
        True, "training", "recompute statistics over training images after each epoch, for model and EMA"
    ),
    "NUM_SAMPLES_PRECISE": Key(
        8192, "training", "images used for that, over all processes", at_least=0, at_most=1_000_000_000
    ),
    "ZERO_INIT_FINAL_GAMMA": Key(False, "training", "gamma of the last batch norm of each residual branch starts at 0"),
    "USE_CUSTOM_WEIGHT_DECAY": Key(False, "training", "give batch norm parameters their own weight decay"),
    "CUSTOM_WEIGHT_DECAY": Key(0.0, "training", "that weight decay", at_least=0, at_most=10),
    "SYNC": Key(False, "training", "synchronized batch norm over all processes (CUDA only)", ours=True),
}

LN = {
    "EPS": Key(1e-5, "network", "epsilon of every layer norm", at_least=1e-12, at_most=1, every_type=True),
    "USE_CUSTOM_WEIGHT_DECAY": Key(False, "training", "give layer norm parameters their own weight decay"),
    "CUSTOM_WEIGHT_DECAY": Key(0.0, "training", "that weight decay", at_least=0, at_most=10),
}
