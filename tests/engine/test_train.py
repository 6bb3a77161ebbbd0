"""Whole runs on digits: what they write, what they refuse, and every switch."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from pycls import engine
from pycls.core.checkpoint import best_path, last_path, load_checkpoint
from pycls.core.config import load_cfg
from pycls.core.distributed import barrier, rank
from pycls.core.launch import launch
from pycls.core.stop_signals import PeerLostError
from pycls.engine import EXIT_STOPPED, train
from pycls.models import build_model
from tests.helpers.paths import ROOT
from tests.helpers.runs import DIGITS, overrides, tiny_cfg, tiny_words


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run: its result and folder."""
    os.environ["PYCLS_TEST_SECRET"] = "hunter2"
    out_dir = tmp_path_factory.mktemp("run")
    return train(tiny_cfg(out_dir, OPTIM__MAX_EPOCH=5, TRAIN__KEEP=2, LOG__TENSORBOARD="on")), out_dir


def test_it_learns_and_says_what_it_wrote(finished):
    result, out_dir = finished
    assert result.top1_err < 40 and result.count == 355 and result.epochs == 5 and not result.interrupted
    names = {path.name for path in result.files}
    assert {"config.yaml", "stdout.log", "metrics.jsonl", "checkpoints", "curves.png", "test_confusion.png"} <= names
    assert all(path.exists() for path in result.files)
    assert list((out_dir / "tensorboard").glob("events*"))


def test_the_newest_checkpoints_are_kept(finished):
    _, out_dir = finished
    names = sorted(path.name for path in (out_dir / "checkpoints").iterdir())
    assert names == ["best.pyth", "last.pyth", "model_epoch_0004.pyth", "model_epoch_0005.pyth"]


def test_a_checkpoint_is_plain_and_complete(finished):
    _, out_dir = finished
    saved = load_checkpoint(last_path(out_dir))  # weights_only
    assert saved["classes"] == list("0123456789") and saved["pixels"]["channels"] == "RGB"
    assert saved["epoch"] == 4 and saved["position"] == {"epoch": 5, "step": 0}
    cfg = load_cfg(str(out_dir / "config.yaml"))
    assert build_model(cfg).load_state_dict(saved["model_state"]).missing_keys == []


def test_log_lines_have_pycls_s_format(finished):
    _, out_dir = finished
    text = (out_dir / "stdout.log").read_text()
    lines = [json.loads(m) for m in re.findall(r"\[recorder\.py: *\d+\]: json_stats: (.*)", text)]
    by_type = {line["_type"]: line for line in lines}
    pycls = {
        "train_iter": "epoch iter time_avg time_diff eta top1_err top5_err loss lr mem",
        "train_epoch": "epoch time_avg time_epoch eta top1_err top5_err loss lr mem",
        "test_epoch": "epoch time_avg time_epoch top1_err top5_err min_top1_err min_top5_err mem",
        "test_ema_epoch": "epoch time_avg time_epoch top1_err top5_err min_top1_err min_top5_err mem",
    }
    for kind, names in pycls.items():
        assert set(names.split()) <= by_type[kind].keys(), kind
    assert {"images_per_sec", "data_wait_pct"} <= by_type["train_iter"].keys()
    assert by_type["train_iter"]["iter"] == "15/15" and by_type["train_epoch"]["epoch"] == "5/5"
    assert re.fullmatch(r"\d\d,\d\d:\d\d:\d\d", by_type["train_epoch"]["eta"])
    assert by_type["cfg"]["OPTIM"]["MAX_EPOCH"] == 5 and by_type["complexity"]["params"] > 1000
    assert re.search(r'"lr": \d\.\d{4}[,}]', text), "four decimals"


def test_metrics_are_the_same_records_in_full_precision(finished):
    _, out_dir = finished
    records = [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]
    kinds = [r["_type"] for r in records]
    assert kinds.count("train_epoch") == kinds.count("test_epoch") == kinds.count("test_ema_epoch") == 5
    assert kinds.count("train_iter") == 15, "three windows of at most five in fifteen steps"
    losses = [r["loss"] for r in records if r["_type"] == "train_epoch"]
    assert losses[-1] < losses[0] and any(round(loss, 4) != loss for loss in losses)


def test_nothing_of_the_environment_is_written(finished):
    _, out_dir = finished
    for path in out_dir.rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


def test_evaluation_gives_the_error_that_training_saw(finished, tmp_path):
    _, out_dir = finished
    saved = load_checkpoint(best_path(out_dir))
    result = engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(out_dir), NUM_GPUS=1))
    assert result.top1_err == min(saved["test_err"], saved["ema_err"]) and result.count == 355
    summary = json.loads((tmp_path / "test.json").read_text())
    assert summary["count"] == 355 and summary["top1_err"] == result.top1_err


def test_evaluation_refuses_other_classes_and_missing_files(finished, tmp_path):
    _, out_dir = finished
    saved = load_checkpoint(best_path(out_dir))
    saved["classes"][3] = "cat"
    torch.save(saved, tmp_path / "cats.pyth")
    with pytest.raises(ValueError, match="has 10 without 'cat' with '3' that it was not trained on"):
        engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=tmp_path / "cats.pyth"))
    with pytest.raises(ValueError, match=r"TEST\.WEIGHTS .*nothing\.pyth"):
        engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=tmp_path / "nothing.pyth"))
    with pytest.raises(ValueError, match=r"TEST\.WEIGHTS is not set"):
        engine.test(tiny_cfg(tmp_path))


def test_evaluation_refuses_the_weights_of_a_deeper_network(finished, tmp_path):
    train(tiny_cfg(tmp_path / "deep", OPTIM__MAX_EPOCH=1, ANYNET__DEPTHS=[1, 2]))
    deep = best_path(tmp_path / "deep")
    with pytest.raises(ValueError, match=r"not the weights of this network: .* tensors not in the network"):
        engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=deep))
    saved = load_checkpoint(deep)
    del saved["model_state"]["head.fc.bias"]
    torch.save(saved | {"ema_state": None, "ema_err": None}, tmp_path / "part.pyth")
    with pytest.raises(ValueError, match=r"1 tensors missing \(head\.fc\.bias\)"):
        engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=tmp_path / "part.pyth", ANYNET__DEPTHS=[1, 2]))


@pytest.mark.parametrize(("key", "value"), [("BN__EPS", 1e-3), ("MODEL__ACTIVATION_FUN", "silu")])
def test_evaluation_refuses_another_arithmetic_of_the_same_tensors(finished, tmp_path, key, value):
    name = key.replace("__", r"\.")
    with pytest.raises(ValueError, match=rf"its network has {name} .*, this config says {value}; what it computes"):
        engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(finished[1]), **{key: value}))


def test_other_pixels_than_in_training_are_warned_of(finished, tmp_path):
    _, out_dir = finished
    engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(out_dir), DATA_LOADER__ANTIALIAS=False))
    assert "was made with antialias True, now it is False" in (tmp_path / "stdout.log").read_text()


def test_data_wait_is_that_of_the_training_steps(finished):
    _, out_dir = finished
    records = [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= r["data_wait_pct"] <= 100 for r in records if "data_wait_pct" in r)


def test_weights_start_a_new_run(finished, tmp_path):
    _, out_dir = finished
    result = train(tiny_cfg(tmp_path, TRAIN__WEIGHTS=best_path(out_dir), OPTIM__MAX_EPOCH=1, OPTIM__BASE_LR=1e-5))
    assert result.top1_err < 40, "one epoch at no learning rate keeps what was learnt"


@pytest.fixture(scope="module")
def first_epoch(tmp_path_factory):
    """The folder of a run's first epoch, to be copied."""
    out_dir = tmp_path_factory.mktemp("first")
    train(tiny_cfg(out_dir, OPTIM__MAX_EPOCH=1))
    return out_dir


@pytest.mark.parametrize(("period", "minutes"), [(1, 1e-9), (7, 0), (7, 1e-9)])
def test_a_loss_that_is_not_finite_stops_and_keeps_what_was_saved(first_epoch, tmp_path, period, minutes):
    shutil.copytree(first_epoch, tmp_path, dirs_exist_ok=True)
    before = last_path(tmp_path).read_bytes()
    keys = {"OPTIM__MAX_EPOCH": 3, "OPTIM__BASE_LR": 1e30, "LOG_PERIOD": period, "TRAIN__CHECKPOINT_MINUTES": minutes}
    with pytest.raises(FloatingPointError, match=r"(epoch 2, step \d+)") as error:
        train(tiny_cfg(tmp_path, **keys))
    assert minutes or last_path(tmp_path).read_bytes() == before
    weights = load_checkpoint(last_path(tmp_path))["model_state"].values()
    assert all(torch.isfinite(w).all() for w in weights if w.is_floating_point())
    if minutes == 0:
        assert all(word in str(error.value) for word in ("loss is", "learning rate", ".png")), error.value


SWITCHES = {
    "bf16, channels last, torch backend": {
        "TRAIN__MIXED_PRECISION": True,
        "TRAIN__CHANNELS_LAST": True,
        "DATA_LOADER__BACKEND": "torch",
        "DATA_LOADER__NUM_WORKERS": 1,
    },
    "fp16, accumulation, clipping": {
        "TRAIN__MIXED_PRECISION": True,
        "TRAIN__AMP_DTYPE": "fp16",
        "OPTIM__ACCUM_STEPS": 2,
        "OPTIM__GRAD_CLIP": 1.0,
    },
    "per iteration, mixing": {
        "OPTIM__LR_PER_ITER": True,
        "OPTIM__WARMUP_EPOCHS": 1,
        "TRAIN__MIXUP_ALPHA": 0.2,
        "TRAIN__CUTMIX_ALPHA": 1.0,
        "TRAIN__MIX_PROB": 0.5,
    },
    "neither precise BN nor EMA, mixing single images": {
        "BN__USE_PRECISE_STATS": False,
        "OPTIM__EMA_UPDATE_PERIOD": 0,
        "TRAIN__CUTMIX_ALPHA": 1.0,
        "TRAIN__MIX_MODE": "elem",
    },
}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_trains(tmp_path, name):
    result = train(tiny_cfg(tmp_path, **SWITCHES[name]))
    assert result.top1_err < 88 and result.epochs == 2


def test_compiled_and_plain_checkpoints_are_interchangeable(tmp_path):
    compiled = {"TRAIN__COMPILE": True, "TEST__COMPILE": True, "TRAIN__CUTMIX_ALPHA": 1.0}
    train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=1, **compiled))
    assert not any("_orig_mod" in key for key in load_checkpoint(last_path(tmp_path))["model_state"])
    assert train(tiny_cfg(tmp_path)).epochs == 2


def test_two_processes_stop_together(tmp_path):
    words = tiny_words(tmp_path, NUM_GPUS=2, OPTIM__MAX_EPOCH=200, LOG_PERIOD=2)
    command = [sys.executable, str(ROOT / "tools/train_net.py"), "--cfg", DIGITS, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes)
    end = time.monotonic() + 120
    while not last_path(tmp_path).exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    for number in 5 * (signal.SIGTERM, signal.SIGUSR2, signal.SIGUSR1):
        os.killpg(process.pid, number)  # as a scheduler sends it: to all processes of the job
    output, _ = process.communicate(timeout=120)
    assert process.returncode == EXIT_STOPPED and "Traceback" not in output, output
    assert (tmp_path / "unfinished").exists()
    saved = load_checkpoint(last_path(tmp_path))
    assert (saved["position"]["epoch"], saved["position"]["step"]) >= (0, 2)
    assert not any(key.startswith("module.") for key in saved["model_state"])


def test_a_process_that_is_killed_ends_all_and_each_says_so(capfd):
    with pytest.raises(PeerLostError, match=r"^rank 1 \(process \d+ on .*\), last seen at .* was ended by SIGKILL"):
        launch(kill_rank_1, (), 2, "gloo", 5.0)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "rank 1" in line]
    assert re.match(r"error: rank 0 \(process \d+ on .*\), at the start: rank 1 .*; the same command goes on", line)


def kill_rank_1():
    if rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    barrier()


def test_one_process_failing_ends_all_with_its_error():
    with pytest.raises(ValueError, match=r"^cannot be honored by rank 1 \(process 1\)$"):
        launch(fail_on_rank_1, (), 2, "gloo", 5.0)


def a_large_result():
    return "x" * 3_000_000


def test_a_large_result_comes_back():
    assert len(launch(a_large_result, (), 2, "gloo", 5.0)) == 3_000_000


def fail_on_rank_1():
    if rank() == 1:
        raise ValueError("cannot be honored by rank 1")
    barrier()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"TRAIN.AUGMENT": "RandAugment_N2_M0.5"}, r"write M15, or set TRAIN\.AUGMENT_OPS pycls"),
        ({"FSDP.ENABLED": True}, r"FSDP\.ENABLED"),
        ({"LAUNCH.MODE": "slurm"}, r"LAUNCH\.MODE 'slurm' is not available"),
        ({"DATA_LOADER.MODE": "ffcv"}, r"DATA_LOADER\.MODE 'ffcv' is not available"),
        ({"BN.SYNC": True, "DEVICE": "cpu"}, r"BN\.SYNC"),
        ({"TRAIN.DATASET": ""}, r"TRAIN\.DATASET is not set"),
        ({"MODEL.NUM_CLASSES": 12}, r"MODEL\.NUM_CLASSES"),
        ({"TRAIN.BATCH_SIZE": 2000}, r"TRAIN\.BATCH_SIZE"),
        ({"TRAIN.IM_SIZE": 32, "TEST.IM_SIZE": 16}, r"TEST\.IM_SIZE"),
        ({"DATA_LOADER.BACKEND": "memory"}, r"DATA_LOADER\.BACKEND"),
        ({"DATA_LOADER.BACKEND": "dali_gpu", "DEVICE": "cpu"}, r"dali_gpu"),
    ],
)
def test_what_cannot_be_honored_is_an_error_in_the_first_second(tmp_path, keys, words):
    cfg = load_cfg(DIGITS, overrides({"OUT_DIR": tmp_path} | keys))
    with pytest.raises(ValueError, match=words) as error:
        train(cfg)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_device_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="DEVICE cuda: not available"):
        train(tiny_cfg(tmp_path, DEVICE="cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("keys", [{}, {"TRAIN__MIXED_PRECISION": True}, {"TRAIN__CHANNELS_LAST": "auto"}], ids=str)
def test_a_gpu_trains(tmp_path, keys):
    result = train(tiny_cfg(tmp_path, DEVICE="cuda", OPTIM__MAX_EPOCH=5, **keys))
    assert result.top1_err < 40
