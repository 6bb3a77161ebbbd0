"""Which program a config was written for, told by keys that no other one has; and what it need not say."""

from collections.abc import Sequence
from typing import NamedTuple

from pycls.core.config.keys import SECTIONS
from pycls.core.config.settings import Setting

PYTORCH_CLS, OLDER_PYCLS, PYCLS = "pytorch-cls", "an older pycls", "pycls"

# Keys, or sections, that pycls never had.
_PYTORCH_CLS_KEYS = (
    "MB.SE_RARIOS",
    "DATA_LOADER.WORLD_SIZE",
    "DATA_LOADER.MEMORY_DATA",
    "DATA_LOADER.PCA_JITTER",
    "DATA_LOADER.COLOR_JITTER",
    "DATA_LOADER.CUTOUT",
    "DATA_LOADER.USE_DALI",
    "DATA_LOADER.DALI_CPU",
    "RANDOM_OUT_DIR",
    "SAVE_NAME",
    "DETERMINSTIC",
)
# Those that pycls gave up before, or when, it got MODEL.ACTIVATION_FUN.
_OLDER_PYCLS_KEYS = (
    "MEM",
    "PORT",
    "PREC_TIME.ENABLED",
    "PREC_TIME.BATCH_SIZE",
    "ANYNET.NUM_GS",
    "BN.EPSILON",
    "BN.MOMENTUM",
    "BN.WEIGHT_DECAY",
    "EN.SE_ENABLED",
    "EN.SE_RATIO",
    "OPTIM.LR_MULS",
    "RESNET.ZERO_INIT_FINAL_TRANSFORM_BN",
    "TRAIN.START_CHECKPOINT",
    "OUTPUT_DIR",
)
# Keys that are here only for pycls's files to load.
_PYCLS_KEYS = (
    "LAUNCH",
    "OPTIM.MTA",
    "OPTIM.GAMMA",
    "MAX_GPUS_PER_NODE",
    "HOST",
    "PORT_RANGE",
    "DATA_LOADER.MODE",
    "FSDP.DO_NOT_RESHARD_AFTER_FW",
    "FSDP.MIXED_PRECISION",
    "VIT.BATCH_FIRST",
    "TRAIN.CHECKPOINT_PERIOD",
    "_type",
)
# Not of today's pycls, but of its past.
_THEIRS_TOO = ("TRAIN.EVAL_PERIOD",)


class Writer(NamedTuple):
    """The program that a file was written for."""

    program: str  # "": this one, or nothing tells
    mark: Setting | None = None  # what tells, if it is a key
    is_dump: bool = False  # its whole tree, nothing left out
    is_pure: bool = True  # there is no key besides those of pycls and pytorch-cls


def find_writer(written: Sequence[Setting], foreign: bool = False) -> Writer:
    """Return the program that the settings of a file were written for; `foreign`: it is known to be another one."""
    pure = not any(_is_ours(setting.key) for setting in written)
    for program, keys in (
        (PYTORCH_CLS, _PYTORCH_CLS_KEYS),
        (OLDER_PYCLS, _OLDER_PYCLS_KEYS),
        (PYCLS, _PYCLS_KEYS),
        (PYCLS, ("NUM_GPUS",) if pure else ()),  # which all its files have, and others may
    ):
        mark = next((setting for setting in written if _is_one_of(setting.key, keys)), None)
        if mark is not None:
            return Writer(program, mark, foreign, pure)
    return Writer(PYCLS if foreign else "", None, foreign, pure)


def implied_settings(writer: Writer, current: Sequence[Setting]) -> tuple[list[Setting], list[str]]:
    """Return what a file means without saying it, and what to tell the user; of a dump there is nothing to tell."""
    given = {setting.key: setting for setting in current}
    where = writer.mark.where if writer.mark else ""
    implied = [Setting(where, key, value) for key, value in _implied(writer, given).items() if key not in given]
    if implied and not writer.is_dump and writer.mark:
        words = " ".join(f"{setting.key} {setting.value}," for setting in implied)
        return implied, [
            f"{where}: {writer.mark.key} is a key of {writer.program}, whose files mean without saying so: {words[:-1]}"
        ]
    return implied, [] if implied else _missing_activation(given)


def _implied(writer: Writer, given: dict[str, Setting]) -> dict[str, str]:
    implied = {}
    is_effnet = _value(given, "MODEL.TYPE") == "effnet"
    if is_effnet and (writer.program in (PYTORCH_CLS, OLDER_PYCLS) or writer.is_dump):
        implied["MODEL.ACTIVATION_FUN"] = "silu"  # they knew no other for it
    if writer.program == PYTORCH_CLS:
        implied |= {"BN.USE_PRECISE_STATS": "False", "TRAIN.PCA_STD": "0.0"}
    if writer.is_dump:
        opencv = writer.program != PYTORCH_CLS or _value(given, "DATA_LOADER.BACKEND") == "custom"
        implied["DATA_LOADER.ANTIALIAS"] = str(not opencv)
    return implied


def _missing_activation(given: dict[str, Setting]) -> list[str]:
    """Tell of an EfficientNet with relu, as today's pycls builds it; an older file may mean silu without a mark."""
    kind = given.get("MODEL.TYPE")
    if kind is None or kind.value != "effnet" or "MODEL.ACTIVATION_FUN" in given:
        return []
    return [f"{kind.where}: an effnet without MODEL.ACTIVATION_FUN gets relu; EfficientNet's own is silu"]


def _value(given: dict[str, Setting], key: str) -> str:
    return str(given[key].value) if key in given else ""


def _is_one_of(key: str, names: Sequence[str]) -> bool:
    """Tell whether a key is one of some keys, or in one of some sections."""
    return key in names or key.partition(".")[0] in names


def _is_ours(key: str) -> bool:
    section, _, name = key.rpartition(".")
    row = SECTIONS.get(section, {}).get(name)
    return row is not None and row.ours and key not in _THEIRS_TOO
