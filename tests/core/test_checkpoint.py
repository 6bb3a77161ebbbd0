"""Checkpoint files survive crashes, damage and attacks."""

import os
import pickle

import pytest
import torch

from pycls.core.atomic_io import unfinished_name
from pycls.core.checkpoint import (
    best_path,
    epoch_path,
    last_path,
    link_checkpoint,
    load_checkpoint,
    load_newest,
    prune_checkpoints,
    remove_temporaries,
    save_checkpoint,
)


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
def test_a_damaged_last_falls_back_to_the_one_before(tmp_path, damage):
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
    saved, path, passed_over = load_newest(tmp_path)
    assert saved["n"] == 1 and path == epoch_path(tmp_path, 1)
    assert [other.name for other in passed_over] == ["last.pyth", "model_epoch_0002.pyth"]
    assert all(reason.startswith(str(other)) for other, reason in passed_over.items())


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
    unfinished_name(tmp_path / "metrics.jsonl").touch()
    (tmp_path / ".mine.tmp").touch()  # a user's
    remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.glob("*.tmp")] == [".mine.tmp"]
    assert [path.name for path in last_path(tmp_path).parent.iterdir()] == ["last.pyth"]


def test_linking_a_file_to_itself_leaves_nothing_behind(tmp_path):
    save_checkpoint({"n": 1}, epoch_path(tmp_path, 1))
    for _ in range(2):
        link_checkpoint(epoch_path(tmp_path, 1), last_path(tmp_path))
    assert len(list(last_path(tmp_path).parent.iterdir())) == 2


def test_nothing_readable_is_an_error_not_a_fresh_start(tmp_path):
    last_path(tmp_path).parent.mkdir()
    last_path(tmp_path).write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"last\.pyth: not a readable checkpoint .* move .* away"):
        load_newest(tmp_path)
    assert load_newest(tmp_path / "fresh") is None


def test_files_are_ordered_by_number_not_as_text(tmp_path):
    for number in (9999, 10000, 2):
        save_checkpoint({"n": number}, epoch_path(tmp_path, number))
    assert load_newest(tmp_path).saved["n"] == 10000


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
