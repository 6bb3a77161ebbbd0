"""When a key is read: what must hold for it to have an effect, and which commands ask for it at all.

A row names a key, or a section for those of its keys that have no row. Keys without a row are read whatever holds.
"""

from dataclasses import dataclass, replace

from pycls.core.config.keys import SECTIONS

_TYPES = tuple(kind for kind in SECTIONS["MODEL"]["TYPE"].choices if kind)
_FOLDERS = ("imagenet", "imagenet-21k")
_ARRAYS = ("cifar10", "cifar100", "fashion_mnist")
_DATASETS = ("TRAIN.DATASET", "TEST.DATASET")


@dataclass(frozen=True)
class Need:
    """That one of some keys has one of some values, or is on; a name from outside may need anything, so it counts."""

    keys: tuple[str, ...]
    values: tuple[str, ...] = ()  # none: it is on, which is not 0, False or empty
    in_files: bool = True  # a YAML file is told, too; one that says how to treat images serves several data sets
    of: str = ""  # asked of networks of this MODEL.TYPE only; empty: of all

    def __str__(self) -> str:
        """Say it in words: "MODEL.TYPE resnet, regnet", "OPTIM.STEPS on"."""
        others = [kind for kind in _TYPES if kind not in self.values]
        if self.keys == ("MODEL.TYPE",) and len(others) < len(self.values):
            return f"MODEL.TYPE other than {', '.join(others)}"
        network = f" if MODEL.TYPE is {self.of}" if self.of else ""
        return f"{' or '.join(self.keys)} {', '.join(self.values) or 'on'}{network}"


@dataclass(frozen=True)
class Readers:
    """The commands that read a key, and what to use with the others."""

    commands: tuple[str, ...]
    instead: str


def _type(*kinds: str) -> Need:
    return Need(("MODEL.TYPE",), kinds)


def _all_types_but(*kinds: str) -> Need:
    return _type(*(kind for kind in _TYPES if kind not in kinds))


def _with(key: str, *values: str, of: str = "") -> Need:
    return Need((key,), values, of=of)


def _optimizer(*names: str) -> Need:
    return _with("OPTIM.OPTIMIZER", *names)


# Accepted so that pycls's files and commands load; no value would change anything.
NOTHING = Need((), in_files=False)

_FILES = Need(_DATASETS, (*_FOLDERS, "digits"), in_files=False)
_TRAINS_ON_FILES = Need(("TRAIN.DATASET",), (*_FOLDERS, "digits"), in_files=False)
_TRAINS_ON_FOLDERS = Need(("TRAIN.DATASET",), _FOLDERS, in_files=False)
_TRAINS_ON_ARRAYS = Need(("TRAIN.DATASET",), _ARRAYS, in_files=False)
_RANDOM_CROPS = Need(("TRAIN.CROP_STYLE",), ("torchvision", "pycls"))
_MIXING = Need(("TRAIN.MIXUP_ALPHA", "TRAIN.CUTMIX_ALPHA"))
_RISING = _with("OPTIM.LR_POLICY", "cyclic", "one_cycle")
_MOMENTA = _optimizer("sgd", "rmsprop", "rmsprop_tf", "muon")
_BETAS = _optimizer("adam", "adamw", "lamb", "lion", "muon")
_EMA = _with("OPTIM.EMA_UPDATE_PERIOD")
_CONV_STEM = (_type("vit"), _with("VIT.STEM_TYPE", "conv"))
_BATCH_NORM = replace(_with("VIT.STEM_TYPE", "conv", of="vit"), in_files=False)  # pycls's files serve both stems
_SMALL_CUTMIX_RESNET = Need(("TRAIN.DATASET",), ("digits", *_ARRAYS), in_files=False, of="cutmix_resnet")

READ_IF: dict[str, tuple[Need, ...]] = {
    "MODEL.NAME": (_type("timm", "torchvision"),),
    "MODEL.DEPTH": (_type("resnet", "cutmix_resnet", "lip_resnet", "densenet", "pyramidnet"),),
    "MODEL.ACTIVATION_FUN": (_all_types_but("vit", "mobilenet"),),
    "MODEL.BCE_THRESHOLD": (_with("MODEL.LOSS_FUN", "bce"),),
    "MODEL.FOCAL_GAMMA": (_with("MODEL.LOSS_FUN", "focal", "softmax_focal"),),
    "MODEL.FOCAL_ALPHA": (_with("MODEL.LOSS_FUN", "focal"),),
    "MODEL.SMOOTH_L1_BETA": (_with("MODEL.LOSS_FUN", "smooth_l1"),),
    "MODEL.SCALING_FACTOR": (_with("MODEL.SCALING_TYPE"),),
    "RESNET": (_type("resnet"), _TRAINS_ON_FOLDERS),  # the resnet for small images has MODEL.DEPTH only
    "RESNET.TRANS_FUN": (_type("resnet", "cutmix_resnet"), _SMALL_CUTMIX_RESNET),
    "RESNET.POOL": (_type("resnet"),),
    "ANYNET": (_type("anynet"),),
    "REGNET": (_type("regnet"),),
    "EN": (_type("effnet"),),
    "MB": (_type("mobilenet"),),
    "VIT": (_type("vit"),),
    "VIT.C_STEM_KERNELS": _CONV_STEM,
    "VIT.C_STEM_STRIDES": _CONV_STEM,
    "VIT.C_STEM_DIMS": _CONV_STEM,
    "DENSENET": (_type("densenet"),),
    "PYRAMIDNET": (_type("pyramidnet"),),
    "IDML": (_with("MODEL.HEAD", "introspective"),),
    "BN.EPS": (_BATCH_NORM,),
    "BN.MOM": (_BATCH_NORM,),
    "BN.ZERO_INIT_FINAL_GAMMA": (_all_types_but("vit", "densenet", "lip_resnet", "pyramidnet"),),
    "BN.USE_CUSTOM_WEIGHT_DECAY": (_BATCH_NORM,),
    "BN.NUM_SAMPLES_PRECISE": (_with("BN.USE_PRECISE_STATS"),),
    "BN.CUSTOM_WEIGHT_DECAY": (_with("BN.USE_CUSTOM_WEIGHT_DECAY"),),
    "LN": (_type("vit", "timm", "torchvision"),),
    "LN.CUSTOM_WEIGHT_DECAY": (_with("LN.USE_CUSTOM_WEIGHT_DECAY"),),
    "OPTIM.MIN_LR": (_with("OPTIM.LR_POLICY", "cos", "exp", "lin", "poly", "cyclic", "one_cycle"),),
    "OPTIM.STEPS": (_with("OPTIM.LR_POLICY", "steps"),),
    "OPTIM.LR_MULT": (_with("OPTIM.LR_POLICY", "steps"),),
    "OPTIM.LR_POWER": (_with("OPTIM.LR_POLICY", "poly"),),
    "OPTIM.START_LR": (_RISING,),
    "OPTIM.PEAK_EPOCH": (_RISING,),
    "OPTIM.WARMUP_FACTOR": (_with("OPTIM.WARMUP_EPOCHS"),),
    "OPTIM.MOMENTUM": (_MOMENTA,),
    "OPTIM.DAMPENING": (_optimizer("sgd"),),
    "OPTIM.NESTEROV": (_optimizer("sgd", "muon"),),
    "OPTIM.BETA1": (_BETAS,),
    "OPTIM.BETA2": (_BETAS,),
    "OPTIM.ALPHA": (_optimizer("rmsprop", "rmsprop_tf"),),
    "OPTIM.EPSILON": (_optimizer("rmsprop", "rmsprop_tf", "lamb"),),
    "OPTIM.LOOKAHEAD_ALPHA": (_with("OPTIM.LOOKAHEAD_STEPS"),),
    "OPTIM.BIAS_CUSTOM_WEIGHT_DECAY": (_with("OPTIM.BIAS_USE_CUSTOM_WEIGHT_DECAY"),),
    "OPTIM.EMA_ALPHA": (_EMA,),
    "OPTIM.EMA_RAMP": (_EMA,),
    "OPTIM.MTA": (NOTHING,),
    "TRAIN.WEIGHTS_PARTIAL": (_with("TRAIN.WEIGHTS"),),
    "TRAIN.AMP_DTYPE": (_with("TRAIN.MIXED_PRECISION"),),
    "TRAIN.COMPILE_MODE": (_with("TRAIN.COMPILE"),),
    "TRAIN.MIX_PROB": (_MIXING,),
    "TRAIN.MIX_MODE": (_MIXING,),
    "TRAIN.MIX_SWITCH_PROB": (_with("TRAIN.MIXUP_ALPHA"), _with("TRAIN.CUTMIX_ALPHA")),
    "TRAIN.PCA_STD": (_TRAINS_ON_FOLDERS,),
    "TRAIN.AUGMENT_OPS": (_with("TRAIN.AUGMENT"),),
    "TRAIN.COLOR_JITTER_STYLE": (_with("TRAIN.COLOR_JITTER"),),
    "TRAIN.CROP_AREA": (_TRAINS_ON_FILES, _RANDOM_CROPS),
    "TRAIN.CROP_ASPECT": (_TRAINS_ON_FILES, _RANDOM_CROPS),
    "TRAIN.CROP_PADDING": (_TRAINS_ON_ARRAYS, _RANDOM_CROPS),
    "TEST.IM_SIZE": (_FILES,),
    "TEST.INTERPOLATION": (_FILES,),
    "DATA_LOADER.ANTIALIAS": (_FILES,),
    "DATA_LOADER.NUM_WORKERS": (_FILES,),
    "DATA_LOADER.AUTO_WORKERS": (_FILES,),
    "DATA_LOADER.PREFETCH": (_FILES,),
    "DATA_LOADER.WORKER_MODE": (_FILES, _with("DATA_LOADER.BACKEND", "auto", "custom")),
    "DATA_LOADER.JPEG": (_FILES, _with("DATA_LOADER.BACKEND", "auto", "custom")),
    "DATA_LOADER.EXIF_ROTATE": (_FILES,),
    "DATA_LOADER.DEPTH": (_FILES,),
    "DATA_LOADER.ON_BAD_IMAGE": (_FILES,),
    "DATA_LOADER.TIMEOUT_SEC": (_FILES,),
    "LAUNCH": (NOTHING,),
    "FSDP": (_with("FSDP.ENABLED"),),
    "FSDP.ENABLED": (),
    "DATA_DIR": (Need(_DATASETS, (*_FOLDERS, *_ARRAYS)),),
    "DATA.SPLIT_SEED": (Need(("DATA.VAL_FRACTION", "DATA.FOLDS")),),
    "DATA.CLASSES": (Need(_DATASETS, _FOLDERS),),
    "DATA.MISSING_CLASSES": (Need(_DATASETS, _FOLDERS),),
    "MAX_GPUS_PER_NODE": (NOTHING,),
    "HOST": (NOTHING,),
    "PORT_RANGE": (NOTHING,),
}

# Those whose silence would deceive: an error wherever they are written, not only on the command line.
ALWAYS_TOLD = ("DATA_DIR", "DATA.CLASSES", "DATA.MISSING_CLASSES", "RESNET.POOL", "ANYNET.POOL", "TRAIN.COMPILE_MODE")

_ALL_BUT_COMPARING = ("train", "test", "time", "info", "scale", "predict", "export", "convert", "check-data", "zoo")

# The commands that look at the images of one phase only.
ONE_PHASE = {"test": "TEST.DATASET", "time": "TRAIN.DATASET"}

# A config describes a whole run, so a command takes the keys of other phases, too: those of training when it tests.
# What is here would be taken for an order to the command itself.
READ_BY: dict[str, Readers] = {
    "TEST.WEIGHTS": Readers(
        ("test", "scale", "zoo"),
        "a training starts from TRAIN.WEIGHTS, other commands have --weights or a word of their own",
    ),
    "TRAIN.WEIGHTS": Readers(
        ("train", "scale"), "test evaluates TEST.WEIGHTS, other commands have --weights or a word of their own"
    ),
    "TEST.FEATURES": Readers(("test", "scale"), "test writes features, of what is trained already"),
    "TEST": Readers(
        ("train", "test", "time", "scale", "predict", "export", "convert", "check-data", "compare-loaders", "zoo"),
        "leave it out",
    ),
    "PREC_TIME": Readers(("time", "scale", "compare-loaders", "zoo"), "pycls time measures"),
    "MODEL.SCALING_TYPE": Readers(("scale",), "pycls scale writes the config to use"),
    "MODEL.SCALING_FACTOR": Readers(("scale",), "pycls scale writes the config to use"),
    "DATA_DIR": Readers(  # info and scale: for MODEL.NUM_CLASSES 0
        ("train", "test", "time", "info", "scale", "check-data", "compare-loaders", "zoo"),
        "its images are named by its own words",
    ),
    "DATA_LOADER.BACKEND": Readers(_ALL_BUT_COMPARING, "--backends says what is compared"),
    "DATA_LOADER.WORKER_MODE": Readers(_ALL_BUT_COMPARING, "--backends custom compares both"),
    "DATA_LOADER.NUM_WORKERS": Readers(_ALL_BUT_COMPARING, "--workers says what is compared"),
    "OUT_DIR": Readers(
        ("train", "test", "time", "info", "scale", "check-data", "compare-loaders", "zoo"),
        "options of its own say where it writes (--help)",
    ),
}
