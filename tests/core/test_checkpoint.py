"""Checkpoint files survive crashes, damage and foreign layouts."""

import os
import pickle

import pytest
import torch
from torch import nn

from pycls.core.checkpoint import (
    best_path,
    epoch_path,
    last_path,
    link_checkpoint,
    load_checkpoint,
    load_newest,
    load_weights,
    prune_checkpoints,
    remove_temporaries,
    save_checkpoint,
)


def tiny_net(num_classes=4):
    torch.manual_seed(0)
    net = nn.Sequential()
    net.stem = nn.Conv2d(3, 2, 3, bias=False)
    net.bn = nn.BatchNorm2d(2)
    net.body = nn.ModuleList(nn.Linear(2, 2) for _ in range(8))
    net.fc = nn.Linear(2, num_classes)
    return net


def test_what_is_saved_is_loaded(tmp_path):
    state = {"a": torch.arange(3), "b": {"c": [1, "x", None, 2.5]}}
    save_checkpoint(state, tmp_path / "checkpoints/last.pyth")
    loaded = load_checkpoint(tmp_path / "checkpoints/last.pyth")
    assert torch.equal(loaded["a"], state["a"]) and loaded["b"] == state["b"]
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["last.pyth"], "no temporary file is left"


def test_a_failing_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = last_path(tmp_path)
    save_checkpoint({"n": 1}, path)

    def full_disk(state, file):
        file.write(b"PK half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match=r"last\.pyth: could not be saved .*No space left"):
        save_checkpoint({"n": 2}, path)
    assert load_checkpoint(path) == {"n": 1} and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_last_falls_back_to_the_one_before(tmp_path, damage, caplog):
    for number in (1, 2):
        save_checkpoint({"n": number, "w": torch.ones(5000)}, epoch_path(tmp_path, number))
    link_checkpoint(epoch_path(tmp_path, 2), last_path(tmp_path))
    data = bytearray(last_path(tmp_path).read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    new = {"cut": data[: len(data) // 2], "flip": data, "empty": b"", "text": b"not a checkpoint"}[damage]
    for path in (last_path(tmp_path), epoch_path(tmp_path, 2)):
        path.unlink()
        path.write_bytes(new)
    saved, path = load_newest(tmp_path)
    assert saved["n"] == 1 and path == epoch_path(tmp_path, 1)
    assert "falling back" in caplog.text and "last.pyth" in caplog.text


def test_a_file_that_cannot_be_read_just_now_is_not_passed_over(tmp_path, monkeypatch):
    save_checkpoint({"n": 1}, epoch_path(tmp_path, 1))

    def stale(*args, **kwargs):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(torch, "load", stale)
    with pytest.raises(OSError, match="Stale"):
        load_newest(tmp_path)


def test_what_a_killed_process_left_is_removed(tmp_path):
    save_checkpoint({"n": 1}, last_path(tmp_path))
    (last_path(tmp_path).parent / ".last.pyth.123.tmp").write_bytes(b"half")
    remove_temporaries(tmp_path)
    assert [path.name for path in last_path(tmp_path).parent.iterdir()] == ["last.pyth"]


def test_linking_a_file_to_itself_leaves_nothing_behind(tmp_path):
    save_checkpoint({"n": 1}, epoch_path(tmp_path, 1))
    for _ in range(2):
        link_checkpoint(epoch_path(tmp_path, 1), last_path(tmp_path))
    assert len(list(last_path(tmp_path).parent.iterdir())) == 2


def test_nothing_readable_is_an_error_not_a_fresh_start(tmp_path):
    last_path(tmp_path).parent.mkdir()
    last_path(tmp_path).write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="none of 1 checkpoints can be read"):
        load_newest(tmp_path)
    assert load_newest(tmp_path / "fresh") is None


def test_files_are_ordered_by_number_not_as_text(tmp_path):
    for number in (9999, 10000, 2):
        save_checkpoint({"n": number}, epoch_path(tmp_path, number))
    assert load_newest(tmp_path)[0]["n"] == 10000


def test_pruning_keeps_the_newest_and_last_and_best(tmp_path):
    for number in range(1, 6):
        save_checkpoint({"n": number}, epoch_path(tmp_path, number))
    link_checkpoint(epoch_path(tmp_path, 5), last_path(tmp_path))
    link_checkpoint(epoch_path(tmp_path, 1), best_path(tmp_path))
    prune_checkpoints(tmp_path, 2)
    names = sorted(p.name for p in last_path(tmp_path).parent.iterdir())
    assert names == ["best.pyth", "last.pyth", "model_epoch_0004.pyth", "model_epoch_0005.pyth"]
    assert load_checkpoint(best_path(tmp_path))["n"] == 1


class Attack:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_file_is_refused_and_runs_nothing(tmp_path, monkeypatch, legacy):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pyth"
    if legacy:
        path.write_bytes(pickle.dumps({"model_state": Attack()}))
    else:
        torch.save({"model_state": Attack()}, path)
    with pytest.raises(ValueError, match=r"evil\.pyth"):
        load_checkpoint(path)
    assert not (tmp_path / "pwned").exists()


def pycls_file(path, net, cfg="TRAIN:\n  DATASET: imagenet\n", **more):
    torch.save({"epoch": 99, "model_state": net.state_dict(), "optimizer_state": {}, "cfg": cfg, **more}, path)


def test_a_pycls_file_becomes_rgb(tmp_path):
    source, target = tiny_net(), tiny_net()
    nn.init.normal_(source.stem.weight)
    pycls_file(tmp_path / "a.pyth", source)
    report = load_weights(target, tmp_path / "a.pyth")
    image = torch.randn(1, 3, 8, 8)
    assert torch.allclose(target.stem(image), source.stem(image.flip(1)), atol=1e-6), "RGB in, as BGR before"
    assert "BGR" in str(report) and "stem.weight" in str(report) and not report.missing


@pytest.mark.parametrize(
    "cfg",
    ["TRAIN: {DATASET: cifar10}", "DATA_LOADER: {MODE: ffcv}", "DATA_LOADER: {BACKEND: torch}"],
)
def test_a_pycls_file_that_was_rgb_stays_so(tmp_path, cfg):
    source, target = tiny_net(), tiny_net()
    nn.init.normal_(source.stem.weight)
    pycls_file(tmp_path / "a.pyth", source, cfg)
    load_weights(target, tmp_path / "a.pyth")
    assert torch.equal(target.stem.weight, source.stem.weight)


def test_the_better_of_model_and_ema_is_taken(tmp_path):
    model, ema, target = tiny_net(), tiny_net(), tiny_net()
    nn.init.constant_(ema.fc.bias, 7.0)
    pycls_file(tmp_path / "a.pyth", model, ema_state=ema.state_dict(), test_err=30.0, ema_err=29.0)
    assert "ema_state" in str(load_weights(target, tmp_path / "a.pyth")) and target.fc.bias[0] == 7.0
    pycls_file(tmp_path / "a.pyth", model, ema_state=ema.state_dict(), test_err=30.0, ema_err=30.0)
    load_weights(target, tmp_path / "a.pyth")
    assert torch.equal(target.fc.bias, model.fc.bias)


def test_wrapper_prefixes_and_counter_buffers_are_dropped(tmp_path):
    source, target = tiny_net(), tiny_net(4)
    state = {f"module._orig_mod.{k}": v + 1 for k, v in source.state_dict().items()}
    state |= {"module.total_ops": torch.zeros(1), "module.fc.total_params": torch.zeros(1)}
    torch.save(state, tmp_path / "a.pth")
    report = load_weights(target, tmp_path / "a.pth")
    assert not report.missing and not report.unexpected and torch.equal(target.fc.bias, source.fc.bias + 1)


def test_another_head_is_reinitialised_and_said_so(tmp_path):
    pycls_file(tmp_path / "a.pyth", tiny_net(4))
    target = tiny_net(7)
    before = target.fc.weight.clone()
    report = load_weights(target, tmp_path / "a.pyth")
    assert report.reinitialised == ["fc.weight", "fc.bias"] and "re-initialised" in str(report)
    assert torch.equal(target.fc.weight, before)


def test_another_network_is_refused_and_left_alone(tmp_path):
    pycls_file(tmp_path / "a.pyth", nn.Conv2d(3, 2, 3))
    target = tiny_net()
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(ValueError, match=r"only 0% of the network's tensors"):
        load_weights(target, tmp_path / "a.pyth")
    assert all(torch.equal(v, before[k]) for k, v in target.state_dict().items())
