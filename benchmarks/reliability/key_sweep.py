"""Try every config key with extreme values, in small processes: each works or is refused by one line.

`python -m benchmarks.reliability.key_sweep [KEY ...]` prints what did neither within 10 s and 2 GB, and exits with 1.
"""

import contextlib
import io
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import psutil
import torch

from benchmarks.reliability.config_attacks import key_attacks
from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.engine.train import check_training
from pycls.models import build_model
from pycls.optim import build_lr_policy, build_optimizer

MOST_SEC, MOST_WAIT_SEC, MOST_BYTES = 10.0, 100.0, 2 * 10**9  # of the processor, by the clock, of memory
REFUSED, WORKED, WRONG = 0, 1, 2
_DIGITS = str(Path(__file__).parents[2] / "configs/quickstart/digits.yaml")
# Keys of a network that takes no time, beside which the others are tried.
_TINY = {
    "MODEL.TYPE": "anynet",
    "ANYNET.STEM_TYPE": "res_stem_cifar",
    "ANYNET.STEM_W": "8",
    "ANYNET.BLOCK_TYPE": "res_basic_block",
    "ANYNET.DEPTHS": "[1, 1]",
    "ANYNET.WIDTHS": "[8, 16]",
    "ANYNET.STRIDES": "[1, 2]",
    "TRAIN.BATCH_SIZE": "64",
    "TRAIN.IM_SIZE": "8",
    "TEST.IM_SIZE": "8",
    "DEVICE": "cpu",
    "DATA_LOADER.NUM_WORKERS": "1",
}
# What has to hold for a key of a section, or of a name, to be read.
_WITH = {
    "RESNET": "MODEL.TYPE resnet MODEL.DEPTH 50 TRAIN.DATASET imagenet TRAIN.IM_SIZE 64",
    "REGNET": "MODEL.TYPE regnet TRAIN.IM_SIZE 64",
    "EN": "MODEL.TYPE effnet TRAIN.IM_SIZE 64 EN.STEM_W 8 EN.DEPTHS [1,1] EN.WIDTHS [8,8] EN.STRIDES [1,2] "
    "EN.EXP_RATIOS [1,2] EN.KERNELS [3,3] EN.HEAD_W 16",
    "MB": "MODEL.TYPE mobilenet TRAIN.IM_SIZE 64",
    "VIT": "MODEL.TYPE vit TRAIN.IM_SIZE 16 VIT.PATCH_SIZE 4 VIT.NUM_LAYERS 1 VIT.NUM_HEADS 2 VIT.HIDDEN_DIM 8 "
    "VIT.MLP_DIM 16",
    "DENSENET": "MODEL.TYPE densenet MODEL.DEPTH 121 TRAIN.IM_SIZE 64",
    "PYRAMIDNET": "MODEL.TYPE pyramidnet MODEL.DEPTH 20 PYRAMIDNET.BOTTLENECK False",
    "IDML": "MODEL.HEAD introspective",
    "MODEL.DEPTH": "MODEL.TYPE resnet",
    "MODEL.NAME": "MODEL.TYPE timm",
    "MODEL.SCALING_FACTOR": "MODEL.SCALING_TYPE dwr",
    "TRAIN.CROP_PADDING": "",
}


def build_all(key: str, text: str, out_dir: str) -> None:
    """Load a config with one extreme value and build whatever a training would, without training."""
    needed = _WITH.get(key, _WITH.get(key.split(".")[0], "")).split()
    tiny = {name: value for name, value in _TINY.items() if "MODEL.TYPE" not in needed or "ANYNET" not in name}
    base = [word for pair in tiny.items() for word in pair]
    cfg = load_cfg(_DIGITS, [*base, "OUT_DIR", out_dir, *needed, key, text])
    check_training(cfg)
    model = build_model(cfg)
    build_optimizer(cfg, model)
    build_lr_policy(cfg)
    if cfg.TRAIN.DATASET == "digits":
        with contextlib.closing(build_loader(cfg, "train", torch.device("cpu"))) as loader:
            for batch in loader.epoch(0):
                model(batch.images)
                break


def attempt(key: str, text: str, out_dir: str) -> tuple[int, str]:
    """Return the verdict of this process and what was said."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            build_all(key, text, out_dir)
    except ValueError as error:
        said = str(error)
        is_line = 0 < len(said) < 1000 and "\n" not in said.strip() and said.isprintable()
        return REFUSED if is_line else WRONG, said
    except BaseException:
        return WRONG, traceback.format_exc()
    return WORKED, ""


def run(key: str, text: str, out_dir: str) -> tuple[int, str, float, float]:
    """Attempt in a child that may take MOST_SEC and MOST_BYTES; return (verdict, words, seconds, GB)."""
    words = Path(out_dir) / "words"
    words.unlink(missing_ok=True)
    start, peak, busy = time.monotonic(), 0, 0.0
    child = os.fork()
    if child == 0:
        os.setsid()
        sys.stderr = sys.stdout = io.StringIO()
        code, said = attempt(key, text, out_dir)
        words.write_text(said, errors="backslashreplace")
        os._exit(code)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - start
        if done:
            break
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(child)
            peak = max(peak, process.memory_info().rss)
            used = process.cpu_times()
            busy = used.user + used.system
        if busy > MOST_SEC or seconds > MOST_WAIT_SEC or peak > MOST_BYTES:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return WRONG, "too large" if peak > MOST_BYTES else "too slow", seconds, peak / 1e9
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    said = words.read_text() if words.exists() else f"ended by status {status}"
    code = os.waitstatus_to_exitcode(status)
    return (code if code in (REFUSED, WORKED, WRONG) else WRONG), said, seconds, peak / 1e9


def main(keys: list[str]) -> int:
    """Try all keys, or those that begin with one of the words."""
    torch.set_num_threads(1)
    found, wrong = Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for key, text in key_attacks():
            if keys and not key.startswith(tuple(keys)):
                continue
            verdict, said, seconds, gb = run(key, text, folder)
            found[verdict] += 1
            if verdict == WRONG:
                wrong += 1
                shown = said.strip().splitlines()[-1][:200] if said.strip() else "nothing"
                print(f"{key} {text[:60]!r} ({len(text)}): {seconds:.1f} s, {gb:.1f} GB: {shown}", flush=True)
    print(f"{sum(found.values())} values: {found[REFUSED]} refused, {found[WORKED]} worked, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
