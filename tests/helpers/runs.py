"""Small runs for the engine's tests, and the tools as a user runs them."""

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from yacs.config import CfgNode

from pycls.core.config import load_cfg
from tests.helpers.paths import ROOT

DIGITS = str(ROOT / "configs/quickstart/digits.yaml")


def overrides(keys: dict[str, Any]) -> list[str]:
    """Return {"SECTION.KEY": value} as KEY VALUE words."""
    return [str(word) for pair in keys.items() for word in pair]


# Digits with a network of a few thousand parameters: an epoch takes a second.
TINY = {
    "MODEL.TYPE": "anynet",
    "ANYNET.STEM_TYPE": "res_stem_cifar",
    "ANYNET.STEM_W": 8,
    "ANYNET.BLOCK_TYPE": "res_basic_block",
    "ANYNET.DEPTHS": [1, 1],
    "ANYNET.WIDTHS": [8, 16],
    "ANYNET.STRIDES": [1, 2],
    "BN.NUM_SAMPLES_PRECISE": 128,
    "OPTIM.MAX_EPOCH": 2,
    "OPTIM.WARMUP_EPOCHS": 0,
    "OPTIM.EMA_UPDATE_PERIOD": 4,
    "OPTIM.EMA_ALPHA": 1e-3,
    "TRAIN.BATCH_SIZE": 96,
    "TEST.BATCH_SIZE": 96,
    "TRAIN.IM_SIZE": 8,
    "TEST.IM_SIZE": 8,
    "LOG.TENSORBOARD": "off",
    "LOG_PERIOD": 5,
    "DEVICE": "cpu",
}


def tiny_words(out_dir: Path, **keys: Any) -> list[str]:
    """Return the overrides of a tiny digits run; `SECTION__KEY=value` changes a key."""
    changed = {name.replace("__", "."): value for name, value in keys.items()}
    return overrides({key: TINY[key] for key in TINY if _has_effect(key, changed)} | {"OUT_DIR": out_dir} | changed)


def _has_effect(key: str, changed: dict[str, Any]) -> bool:
    """Tell whether a key of TINY still does something beside what is changed: an idle one is refused."""
    if key.startswith("ANYNET."):
        return changed.get("MODEL.TYPE", "anynet") == "anynet"
    switches = {"OPTIM.EMA_ALPHA": "OPTIM.EMA_UPDATE_PERIOD", "BN.NUM_SAMPLES_PRECISE": "BN.USE_PRECISE_STATS"}
    return bool(changed.get(switches.get(key, ""), True))


def tiny_cfg(out_dir: Path, **keys: Any) -> CfgNode:
    """Return the config of a tiny digits run."""
    return load_cfg(DIGITS, tiny_words(out_dir, **keys))


def start_tool(tool: str, *words: Any) -> subprocess.Popen:
    """Start `python tools/TOOL WORDS`; all that it prints goes to its stdout."""
    command = [sys.executable, str(ROOT / "tools" / tool), *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_tool(tool: str, *words: Any) -> subprocess.CompletedProcess:
    """Run `python tools/TOOL WORDS`."""
    command = [sys.executable, str(ROOT / "tools" / tool), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


def run_tool_here(tool: str, *words: Any, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run the same in this process, which spares seconds: torch is imported already."""
    command = [str(ROOT / "tools" / tool), *map(str, words)]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.object(sys, "argv", list(command)),
        pytest.raises(SystemExit) as end,
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        runpy.run_path(command[0], run_name="__main__")
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(command, end.value.code, *texts)
