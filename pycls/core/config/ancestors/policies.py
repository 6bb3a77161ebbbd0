"""Whose policy TRAIN.AUGMENT names: `pycls_AutoAugment` says it, a file of pycls means its own without saying it.

pycls has two policies with names that torchvision has, too, and other operators and magnitudes behind them. Its ffcv
mode alone calls torchvision's.
"""

import re
from collections.abc import Sequence
from typing import Any

from pycls.core.config.ancestors.writers import PYTORCH_CLS, Writer
from pycls.core.config.keys import SECTIONS
from pycls.core.config.settings import COMMAND_LINE, Setting

_POLICY, _OPS = "TRAIN.AUGMENT", "TRAIN.AUGMENT_OPS"
_PREFIXED = re.compile(rf"({'|'.join(SECTIONS['TRAIN']['AUGMENT_OPS'].choices)})_(.+)", re.DOTALL)
_OF_PYCLS = re.compile(r"AutoAugment|RandAugment(?:_[NMP][\d.]+)*")
_MAGNITUDE = re.compile(r"_M([\d.]+)")


def named_policies(writer: Writer, settings: Sequence[Setting]) -> tuple[list[Setting], list[str]]:
    """Return the settings with `pycls_AutoAugment` as TRAIN.AUGMENT AutoAugment and TRAIN.AUGMENT_OPS pycls.

    A bare name in a file that is pycls's becomes pycls's, too; second comes what to tell the user. ValueError for a
    file, or a command line, that names two operator sets.
    """
    bare, notes = _bare_name(writer, settings)
    named = _before_given(settings, bare)
    return [part for setting in named for part in _parts(setting, named)], notes


def _parts(setting: Setting, others: Sequence[Setting]) -> list[Setting]:
    found = _PREFIXED.fullmatch(str(setting.value)) if setting.key == _POLICY else None
    if found is None:
        return [setting]
    ops, policy = found.groups()
    for other in others:
        is_beside = (other.where == COMMAND_LINE) == (setting.where == COMMAND_LINE)
        if other.key == _OPS and is_beside and _file(other) == _file(setting) and other.value != ops:
            raise ValueError(
                f"{setting.where}: {_POLICY} {setting.value} and {_OPS} {other.value} name two operator sets: "
                "leave one of them out"
            )
    return [setting._replace(value=policy), Setting(setting.where, _OPS, ops)]


def _file(setting: Setting) -> str:
    return setting.where.rpartition(":")[0]


def _before_given(settings: Sequence[Setting], more: Sequence[Setting]) -> list[Setting]:
    written = [setting for setting in settings if setting.where != COMMAND_LINE]
    return [*written, *more, *(setting for setting in settings if setting.where == COMMAND_LINE)]


def _bare_name(writer: Writer, settings: Sequence[Setting]) -> tuple[list[Setting], list[str]]:
    """Return the operator set of a bare name in a file that pycls may have written, and what to tell."""
    last = next((setting for setting in reversed(settings) if setting.key == _POLICY), None)
    given = {setting.key: setting.value for setting in settings}
    if last is None or _OPS in given or given.get("DATA_LOADER.MODE") == "ffcv" or not _is_pycls_name(str(last.value)):
        return [], []
    is_theirs = last.where != COMMAND_LINE and writer.program != PYTORCH_CLS  # which has none: it was added for us
    ops = [Setting(last.where, _OPS, "pycls")]
    if is_theirs and writer.is_dump:
        return ops, []
    what = f"{last.where}: {_POLICY} {last.value}"
    names = f"pycls_{last.value} is pycls's, torchvision_{last.value} torchvision's"
    if is_theirs and writer.mark is not None and writer.is_pure:
        return ops, [f"{what} is read as pycls's, as all keys are its ({names})"]
    if doubt := _doubt(last, writer if is_theirs else Writer(""), given):
        return [], [f"{what} is torchvision's, {doubt} ({names})"]
    return [], []


def _doubt(last: Setting, writer: Writer, given: dict[str, Any]) -> str:
    """Return why a bare name may not mean what it is read as, "" for no reason."""
    if writer.mark:
        return f"though {writer.mark.key} is a key of {writer.program}"
    if last.where != COMMAND_LINE and given.get("TRAIN.CROP_STYLE") == "pycls":
        return "though TRAIN.CROP_STYLE pycls is pycls's"
    if _MAGNITUDE.search(str(last.value)):
        return "whose M goes from 0 to 30, not from 0 to 1"
    return ""


def _is_pycls_name(text: str) -> bool:
    """Tell whether pycls accepts the text: magnitudes go from 0 to 1 there."""
    magnitude = _MAGNITUDE.search(text)
    try:
        return _OF_PYCLS.fullmatch(text) is not None and (magnitude is None or float(magnitude[1]) <= 1)
    except ValueError:
        return False
