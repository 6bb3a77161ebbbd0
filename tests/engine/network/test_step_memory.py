"""A step that the memory cannot hold is refused before it is tried, and one that it can hold is not."""

import re

import pytest
import torch

from pycls.core.bounds.out_of_memory import memory_line
from pycls.core.config import load_cfg
from pycls.core.processes import rank
from pycls.engine.network import step_memory
from pycls.engine.network.step_memory import kept_bytes
from pycls.engine.profiling import network
from pycls.engine.profiling.largest_batch import largest_batch
from pycls.engine.state import check_network
from pycls.losses import LOSSES
from pycls.models import build_model
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words


@pytest.mark.parametrize("words", ["", "MODEL.TYPE vit VIT.PATCH_SIZE 4 VIT.HIDDEN_DIM 96 VIT.NUM_LAYERS 2"])
def test_what_is_counted_is_kept(words):
    """By autograd itself, of real tensors; attention keeps a little more than is counted."""
    cfg = load_cfg(DIGITS, ["MODEL.NUM_CLASSES", "10", *words.split()])
    model, num_images = build_model(cfg).train(), 8
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = model(torch.rand(num_images, 3, cfg.TRAIN.IM_SIZE, cfg.TRAIN.IM_SIZE))
    real = sum(kept.values()) / num_images
    assert out.shape == (num_images, 10) and 0.8 * real < kept_bytes(model, cfg.TRAIN.IM_SIZE) <= 1.01 * real


def test_a_batch_without_room_is_refused_and_the_one_that_fits_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(step_memory, "free_memory_bytes", lambda: 200_000)
    with pytest.raises(ValueError, match=r"TRAIN.BATCH_SIZE 96: a training step of 96 images takes 0.0 GB") as error:
        check_network(tiny_cfg(tmp_path))
    fits = int(re.search(r"at most (\d+) images fit", str(error.value))[1])
    check_network(tiny_cfg(tmp_path, TRAIN__BATCH_SIZE=fits))
    with pytest.raises(ValueError, match="at most"):
        check_network(tiny_cfg(tmp_path, TRAIN__BATCH_SIZE=fits + 1))
    check_network(tiny_cfg(tmp_path, OPTIM__ACCUM_STEPS=16))
    check_network(tiny_cfg(tmp_path, TRAIN__ACTIVATION_CHECKPOINT=True))


def test_timing_says_which_batch_fits(tmp_path):
    for key in ("TRAIN", "TEST"):
        words = [*tiny_words(tmp_path / "run"), f"{key}.BATCH_SIZE", "9999936", "TRAIN.IM_SIZE", "64"]
        done = run_tool_here("time_net.py", "--cfg", DIGITS, *words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert re.search(
            rf"{key}.BATCH_SIZE 9999936: .* of 9,999,936 images takes .* at most [\d,]+ images fit", done.stderr
        )


def test_a_gpu_that_is_too_small_is_asked_what_it_holds(tmp_path, monkeypatch):
    """With a stand-in for the device: more than 20 images in training, or 40 in evaluation, are too many."""

    def images(cfg, batch_size, device, layout):
        if batch_size > (20 if torch.is_grad_enabled() else 40):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has 1 GiB.")
        return torch.rand(batch_size, 3, 8, 8)

    monkeypatch.setattr(network, "_images", images)
    done = run_tool_here("time_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "run"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "out of memory on cpu in every format: TRAIN.BATCH_SIZE 16 fits, TEST.BATCH_SIZE 32 fits" in done.stderr
    assert "warning: fp32, contiguous: out of memory: TRAIN.BATCH_SIZE 16 fits" in done.stdout


def test_the_largest_batch_is_a_power_of_two_that_was_tried():
    def attempt(size):
        tried.append(size)
        if size > 37:
            raise torch.OutOfMemoryError

    tried: list[int] = []
    assert largest_batch(1000, attempt) == 32 and tried == [512, 256, 128, 64, 32]
    assert largest_batch(1000, attempt, step=3) == 24 and largest_batch(64, attempt, step=64) == 0


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. GPU 0 has 1 GiB. Of this. Set X."),
            "9 GiB. GPU",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
            "9 bytes",
        ),
        (MemoryError(), "the host has no more"),
        (MemoryError("out of memory: 9 GiB; lower x (process 1)"), "^out of memory: 9 GiB; lower x .process 1.$"),
        (RuntimeError("shapes differ"), "^$"),
        (ValueError("not enough memory"), "^$"),
    ],
)
def test_errors_of_memory_become_one_line(error, says):
    line = memory_line(error)
    assert re.search(says, line) and "\n" not in line and "Set X" not in line


def test_a_training_whose_memory_runs_out_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, "greedy", lambda cfg: lambda logits, targets: torch.empty(10**15))
    words = tiny_words(tmp_path / "run", MODEL__LOSS_FUN="greedy")
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *words)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "error: out of memory: " in done.stderr and "lower TRAIN.BATCH_SIZE" in done.stderr


def test_so_does_one_of_several_processes(monkeypatch):
    """The error of a child on its way to the parent."""

    def run(*args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    sent = []
    monkeypatch.setattr(rank, "run_in_group", run)
    monkeypatch.setattr(rank, "_send", lambda answers, what: sent.append(what))
    monkeypatch.setattr(rank.os, "environ", {})
    for name in ("die_with_parent", "handle_signals", "let_signals_in"):
        monkeypatch.setattr(rank, name, lambda *args: None)  # this process stays as it is
    with pytest.raises(SystemExit):
        rank.child_main(1, {"WORLD_SIZE": "2"}, run, (), rank.Group("gloo", 1.0, 1.0), None)
    assert sent[0].kind == "MemoryError"
    assert sent[0].message.startswith("out of memory: CUDA out of memory. Tried to allocate 9 GiB; lower ")
