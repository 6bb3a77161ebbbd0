"""Keys of the ancestors, pycls and pytorch-cls, that are called otherwise here or mean nothing; each with a warning."""

from collections.abc import Callable, Sequence

from pycls.core.config.ancestors.computed import COMPUTED
from pycls.core.config.settings import Setting

# Keys under another name here; the value is taken over.
RENAMED = {
    "OPTIM.NAME": "OPTIM.OPTIMIZER",
    "TRAIN.AMP": "TRAIN.MIXED_PRECISION",
    "DETERMINSTIC": "CUDNN.DETERMINISTIC",
    "MB.SE_RARIOS": "MB.SE_RATIOS",
    "MEM.RELU_INPLACE": "MODEL.ACTIVATION_INPLACE",
    # pycls's first versions
    "BN.EPSILON": "BN.EPS",
    "BN.MOMENTUM": "BN.MOM",
    "EN.SE_RATIO": "EN.SE_R",
    "RESNET.ZERO_INIT_FINAL_TRANSFORM_BN": "BN.ZERO_INIT_FINAL_GAMMA",
    "TRAIN.START_CHECKPOINT": "TRAIN.WEIGHTS",
    "OUTPUT_DIR": "OUT_DIR",
}

# Values of pytorch-cls that are written otherwise here: (key, lower-case value) -> (key, value).
TRANSLATED = {
    ("TRAIN.DATASET", "imagenet_dataset"): ("TRAIN.DATASET", "imagenet"),
    ("TEST.DATASET", "imagenet_dataset"): ("TEST.DATASET", "imagenet"),
    ("DATA_LOADER.PCA_JITTER", "true"): ("TRAIN.PCA_STD", "0.1"),
    ("DATA_LOADER.PCA_JITTER", "false"): ("TRAIN.PCA_STD", "0.0"),
}

# Defaults of theirs that no network can be built with, and the MODEL.TYPE that would read them; others do not.
UNREAD = {
    ("ANYNET.STEM_TYPE", "plain_block"): "anynet",
    ("ANYNET.BLOCK_TYPE", "plain_block"): "anynet",
    ("MB.STEM_ACT", ""): "mobilenet",
}

# Keys that mean nothing here, with what to use instead.
IGNORED = {
    "MEM": "use MODEL.ACTIVATION_INPLACE",
    "OPTIM.GAMMA": "with OPTIM.LR_POLICY exp set OPTIM.MIN_LR to GAMMA ** MAX_EPOCH",
    "PREC_TIME.BATCH_SIZE": "use TRAIN.BATCH_SIZE and TEST.BATCH_SIZE",
    "PREC_TIME.ENABLED": "use tools/time_net.py",
    "PORT": "a free port is found",
    "TRAIN.CHECKPOINT_PERIOD": "every epoch is saved, use TRAIN.KEEP",
    "TEST.AMP": "use TRAIN.MIXED_PRECISION",
    "DATA_LOADER.WORLD_SIZE": "the number of processes is known",
    "DATA_LOADER.MEMORY_DATA": "use DATA_DIR, a folder in memory for instance",
    "DATA_LOADER.PCA_JITTER": "use TRAIN.PCA_STD",
    "DATA_LOADER.COLOR_JITTER": "use TRAIN.COLOR_JITTER with four strengths, such as [0.4, 0.4, 0.4, 0.0]",
    "DATA_LOADER.CUTOUT": "cutout is not available; TRAIN.RANDOM_ERASE is close to it",
    "RANDOM_OUT_DIR": "use OUT_DIR",
    "SAVE_NAME": "use OUT_DIR",
    "DATA_LOADER.USE_DALI": "use DATA_LOADER.BACKEND",
    "DATA_LOADER.DALI_CPU": "use DATA_LOADER.BACKEND",
    "OPTIM.LR_MULS": "use OPTIM.LR_MULT, the factor from each to the next",
    "FSDP.DO_NOT_RESHARD_AFTER_FW": "use FSDP.RESHARD_AFTER_FW",
    "FSDP.MIXED_PRECISION": "use TRAIN.MIXED_PRECISION",
    "VIT.BATCH_FIRST": "the weights are the same",
    "RESNET.ALT_TRANS_FUN": "its networks are not here",
    "RESNET.ALT_TRANS_FUN_BLOCKS": "its networks are not here",
    "_type": "pycls's log tag",
}


# Sections of networks that are not here, unless code from outside adds one of that name.
OTHER_NETWORKS = ("DARTS", "VGG", "UNINET")


def translated(settings: Sequence[Setting], is_known: Callable[[str], bool]) -> tuple[list[Setting], list[str]]:
    """Return the settings under today's names, in order and without those that mean nothing; and what to tell.

    `is_known` tells whether somebody has declared a key.
    """
    notes: list[str] = []
    ignored: dict[str, list[Setting]] = {}
    kind = next((str(setting.value) for setting in reversed(settings) if setting.key == "MODEL.TYPE"), "")
    read = [setting for setting in settings if UNREAD.get((setting.key, str(setting.value)), kind) == kind]
    current = [
        setting if _is_from_outside(setting.key, is_known) else _translate(setting, notes, ignored)
        for setting in read
        if setting.key not in COMPUTED
    ]
    for hint, found in ignored.items():
        names, verb = ", ".join(setting.key for setting in found), "mean nothing here and are" if found[1:] else ""
        notes.append(f"{found[0].where}: {names} {verb or 'means nothing here and is'} ignored ({hint})")
    return [setting for setting in current if setting is not None], notes


def _is_from_outside(key: str, is_known: Callable[[str], bool]) -> bool:
    return key.partition(".")[0] in OTHER_NETWORKS and is_known(key)


def _translate(setting: Setting, notes: list[str], ignored: dict[str, list[Setting]]) -> Setting | None:
    """Return the setting in today's words, None for one that means nothing here, which is `ignored` for a reason.

    What to tell the user is appended to `notes`.
    """
    where, key, value = setting
    if (key, str(value).lower()) in TRANSLATED:
        new_key, new_value = TRANSLATED[key, str(value).lower()]
        notes.append(f"{where}: {key} {value} is read as {new_key} {new_value}")
        return Setting(where, new_key, new_value)
    if key in RENAMED:
        notes.append(f"{where}: {key} is called {RENAMED[key]} here")
        return Setting(where, RENAMED[key], value)
    hint = next((text for name, text in IGNORED.items() if key == name or key.startswith(f"{name}.")), None)
    if key.partition(".")[0] in OTHER_NETWORKS:
        hint = "its networks are not here"
    if hint is None:
        return setting
    ignored.setdefault(hint, []).append(setting)
    return None
