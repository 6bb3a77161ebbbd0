"""A checkpoint that lacks a part, or has an odd one, is passed over; one of another run is not."""

import copy
import math

import pytest
import torch

from pycls.core.checkpoint import epoch_path, last_path, save_checkpoint
from pycls.core.config import dump_cfg, with_value
from pycls.core.weights.parts import UnreadableFile
from pycls.engine.restoring.restore import check_saved, newest_state, unpack_state
from pycls.engine.setup import pixel_contract
from pycls.engine.state import build_state, pack_state
from tests.helpers.runs import tiny_cfg

DATA = {"training": [100, 1, 2], "test": [50, 3, 4]}
NUM_STEPS = 15


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A config, the state of its run, and a checkpoint after two epochs."""
    cfg = with_value(tiny_cfg(tmp_path_factory.mktemp("run"), OPTIM__MAX_EPOCH=4), "MODEL.NUM_CLASSES", 10)
    state = build_state(cfg, torch.device("cpu"), torch.amp.GradScaler("cpu", enabled=False))
    state.model(torch.randn(4, 3, 8, 8)).square().mean().backward()
    state.optimizer.step()
    state.epoch, state.test_err, state.best_err = 2, 50.0, 40.0
    about = {"classes": list("0123456789"), "pixels": pixel_contract(cfg), "data": DATA}
    return cfg, state, copy.deepcopy(pack_state(state, cfg, {"sums": torch.zeros(4), "steps": 0}, **about))


def saved_in(folder, run, newest):
    """Return the run's config with `newest` as its last checkpoint, and a whole one of an epoch before."""
    cfg, _, saved = run
    for path in (last_path(folder), epoch_path(folder, 1)):
        path.unlink(missing_ok=True)
    save_checkpoint(saved | {"epoch": 0, "position": {"epoch": 1, "step": 0}}, epoch_path(folder, 1))
    save_checkpoint(newest, last_path(folder))
    return with_value(cfg, "OUT_DIR", str(folder))


def first(state):
    return next(iter(state))


def changed(saved, **parts):
    return saved | parts


def inside(saved, part, name, value):
    return saved | {part: saved[part] | {name: value}}


NEEDED = ("epoch", "position", "test_err", "ema_err", "best_err", "model_state", "ema_state", "optimizer_state")
NEEDED += ("scaler_state", "meter", "cfg", "classes", "pixels")
SCALER = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000, "_growth_tracker": 0}
ODD = {
    **{f"has no {name}": lambda s, name=name: {k: v for k, v in s.items() if k != name} for name in NEEDED},
    **{f"{name} is x": lambda s, name=name: changed(s, **{name: "x"}) for name in NEEDED if name != "cfg"},
    "epoch is 1.0": lambda s: changed(s, epoch=1.0),
    "epoch is True": lambda s: changed(s, epoch=True),
    "best_err is nan": lambda s: changed(s, best_err=math.nan),
    "test_err is -1": lambda s: changed(s, test_err=-1),
    "position is {'epoch': 2, 'step': 'three'}": lambda s: inside(s, "position", "step", "three"),
    "position is {'epoch': 2, 'step': -1}": lambda s: inside(s, "position", "step", -1),
    "position is {'epoch': 2, 'step': nan}": lambda s: inside(s, "position", "step", math.nan),
    "position is {'epoch': 2.0, 'step': 0}": lambda s: inside(s, "position", "epoch", 2.0),
    "position is epoch 9, step 0, but its run has 4 epochs": lambda s: inside(s, "position", "epoch", 9),
    "position is epoch 3, step 0, but its last finished epoch 1": lambda s: inside(s, "position", "epoch", 3),
    "position is epoch 2, step 7, but meter has 0": lambda s: inside(s, "position", "step", 7),
    "position is step 9999, an epoch has 15": lambda s: inside(
        inside(s, "position", "step", 9999), "meter", "steps", 9999
    ),
    "config): expected sections": lambda s: changed(s, cfg="x"),
    "config): not valid YAML": lambda s: changed(s, cfg="\0\1"),
    "config): TRAIN.DATASET is missing": lambda s: changed(s, cfg=s["cfg"][:800]),
    "has 9 classes, its network 10": lambda s: changed(s, classes=s["classes"][1:]),
    "classes is a list": lambda s: changed(s, classes=list(range(10))),
    "ema_state is None, its run had OPTIM.EMA_UPDATE_PERIOD 4": lambda s: changed(s, ema_state=None),
    "scaler_state is a dict": lambda s: changed(s, scaler_state=SCALER | {"scale": math.nan}),
    "meter is a dict": lambda s: inside(s, "meter", "steps", 1.5),
    "data is a dict": lambda s: changed(s, data={"training": [1, 2]}),
    "model_state lacks": lambda s: changed(s, model_state=dict(list(s["model_state"].items())[1:])),
    "model_state has odd": lambda s: inside(s, "model_state", "odd", torch.zeros(1)),
    "expected (8, 3, 3, 3) float32": lambda s: inside(s, "model_state", first(s["model_state"]), torch.zeros(3)),
    "ema_state: stem.conv.weight is (8, 3, 3, 3) float64": lambda s: inside(
        s, "ema_state", first(s["ema_state"]), torch.zeros(8, 3, 3, 3).double()
    ),
    "numbers that are not finite": lambda s: inside(
        s, "model_state", first(s["model_state"]), torch.full((8, 3, 3, 3), math.inf)
    ),
    "optimizer_state is empty": lambda s: inside(s, "optimizer_state", "state", {}),
    "optimizer_state has param_groups": lambda s: inside(s, "optimizer_state", "param_groups", []),
    "not a checkpoint of this program's training": lambda s: {"model_state": s["model_state"]},
}


@pytest.mark.parametrize("words", ODD)
def test_what_is_not_whole_is_told_in_one_line(run, words):
    cfg, state, saved = run
    with pytest.raises(UnreadableFile) as caught:
        check_saved(ODD[words](saved), state, cfg, DATA, NUM_STEPS, "last.pyth")
    assert str(caught.value).startswith("last.pyth") and words in str(caught.value) and "\n" not in str(caught.value)


def test_it_is_passed_over(tmp_path, run):
    _, state, saved = run
    cfg = saved_in(tmp_path, run, ODD["has no meter"](saved))
    newest = newest_state(state, cfg, DATA, NUM_STEPS)
    assert newest.path == epoch_path(tmp_path, 1) and list(newest.passed_over) == [last_path(tmp_path)]


def test_with_none_left_it_is_not_begun_anew(tmp_path, run):
    _, state, saved = run
    cfg = saved_in(tmp_path, run, ODD["has no meter"](saved))
    epoch_path(tmp_path, 1).write_bytes(b"")
    with pytest.raises(ValueError, match=r"last\.pyth: has no meter; none of 2 checkpoints there can be used: move"):
        newest_state(state, cfg, DATA, NUM_STEPS)


def test_what_is_whole_is_taken(tmp_path, run):
    cfg, state, saved = run
    older = {name: part for name, part in saved.items() if name not in ("data", "best_loss", "test_loss", "ema_loss")}
    for whole in (older, changed(saved, best_err=math.inf, test_err=None), changed(saved, scaler_state=SCALER)):
        check_saved(whole, state, cfg, DATA, NUM_STEPS, "last.pyth")
    cfg = saved_in(tmp_path, run, saved)
    newest = newest_state(state, cfg, DATA, NUM_STEPS)
    assert newest.path == last_path(tmp_path) and not newest.passed_over
    unpack_state(state, newest.saved, cfg, "last.pyth")
    assert (state.epoch, state.best_err) == (2, 40.0)


def test_one_of_another_run_is_not_passed_over(run):
    cfg, state, saved = run
    other = dump_cfg(with_value(cfg, "ANYNET.STEM_W", 16))
    for text, words in ((other, r"ANYNET\.STEM_W 16, this config says 8"), (saved["cfg"], r"RNG_SEED 1, .* says 7")):
        with pytest.raises(ValueError, match=f"belongs to a run with {words}") as caught:
            now = with_value(cfg, "RNG_SEED", 7) if text == saved["cfg"] else cfg
            check_saved(changed(saved, cfg=text), state, now, DATA, NUM_STEPS, "last.pyth")
        assert not isinstance(caught.value, UnreadableFile)
