"""Two processes train as one: replicated (DDP) or sharded (FSDP), whatever else is switched on."""

import json
import shutil

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

from pycls.core.checkpoint import epoch_path, last_path, load_checkpoint
from pycls.core.config import load_cfg
from pycls.core.distributed import all_reduce_sum, rank, world_size
from pycls.core.launch import launch
from pycls.core.weights import load_weights
from pycls.engine import train
from pycls.engine.checks import check_supported
from pycls.engine.network.precision import pick_precision
from pycls.engine.run import build_stepper
from pycls.engine.state import build_state, fingerprint, pack_state
from pycls.losses import soft_targets
from tests.helpers.parity_fill import make_input
from tests.helpers.runs import DIGITS, ROOT, overrides, tiny_cfg, tiny_words

CPU = torch.device("cpu")
EXAMPLE = ROOT / "configs/fsdp/example.yaml"
VIT = {
    "MODEL__TYPE": "vit",
    "VIT__PATCH_SIZE": 4,
    "VIT__NUM_LAYERS": 2,
    "VIT__NUM_HEADS": 2,
    "VIT__HIDDEN_DIM": 8,
    "VIT__MLP_DIM": 12,
    "OPTIM__EMA_UPDATE_PERIOD": 1,
    "OPTIM__EMA_ALPHA": 1e-2,
}
SHARDED = {"FSDP__ENABLED": True, "NUM_GPUS": 2}
BF16 = {"TRAIN__MIXED_PRECISION": True}
ACCUMULATING = {"OPTIM__ACCUM_STEPS": 3, "OPTIM__GRAD_CLIP": 0.1}
AGAIN = {"TRAIN__ACTIVATION_CHECKPOINT": True}
# What must be the same on two processes as on one, in float64 where there is no bf16.
SAME = {
    "ddp, all at once": AGAIN | ACCUMULATING | {"MODEL__HEAD": "introspective", "OPTIM__SAM_RHO": 0.5},
    "ddp, frozen": {"TRAIN__FROZEN": ["stem", "encoder.block_0"]},
    "fsdp, adamw": SHARDED | {"OPTIM__OPTIMIZER": "adamw"},
    "fsdp, lamb, lookahead": SHARDED | {"OPTIM__OPTIMIZER": "lamb", "OPTIM__LOOKAHEAD_STEPS": 2},
    "fsdp, accumulating": SHARDED | ACCUMULATING | {"FSDP__RESHARD_AFTER_FW": False},
    "fsdp, all at once": SHARDED | AGAIN | ACCUMULATING | {"MODEL__HEAD": "introspective", "OPTIM__SAM_RHO": 0.5},
    "fsdp, frozen": SHARDED | {"TRAIN__FROZEN": ["stem", "encoder.block_0"]},
    "fsdp, bf16, recomputed": SHARDED | AGAIN | BF16,
    "fsdp, bf16, bf16 layer norms": SHARDED | BF16 | {"FSDP__LAYER_NORM_FP32": False},
}
# Batch norm sees each process's images only: here the two kinds of two processes are compared.
RESNET = {"TRAIN__FROZEN": ["s1"], "BN__SYNC": False, "OPTIM__SAM_RHO": 0.5}
ALONE = {"FSDP__ENABLED": False, "NUM_GPUS": 1}


def parts_of(keys):
    """Return state and stepper of a tiny network."""
    cfg = tiny_cfg("unused", **keys)
    torch.set_default_dtype(torch.float32 if cfg.TRAIN.MIXED_PRECISION else torch.float64)
    precision = pick_precision(CPU, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    state = build_state(cfg, CPU, precision.scaler())
    return cfg, state, build_stepper(cfg, state, precision)


def take_step(stepper, number, scale=1.0):
    """Take a step on this process's part of 12 images; return the loss of all."""
    dtype, size = torch.get_default_dtype(), 12 // world_size()
    mine = slice(rank() * size, rank() * size + size)
    images, targets = make_input((12, 3, 8, 8), number).to(dtype), soft_targets(torch.arange(12) % 10, 10, 0.1, dtype)
    loss, _ = stepper.step(images[mine] * scale, targets[mine], lr=0.05)
    return all_reduce_sum(loss.clone()).item() / world_size()


def train_briefly(keys):
    """Return losses of three steps, weights of the network and of its EMA (main process), and the fingerprint."""
    cfg, state, stepper = parts_of(keys)
    losses = []
    for number in range(3):
        losses.append(take_step(stepper, number))
        state.ema.update(state.model, epoch=1, step=number)
    packed = pack_state(state, cfg, {})
    weights = {kind: packed[kind] for kind in ("model_state", "ema_state")}
    return losses, weights if rank() == 0 else None, fingerprint(state)[2]


def on_two_processes(folder):
    """Do everything that needs two processes, as starting them takes longer; save what comes out, by what it is."""
    found = {name: train_briefly(VIT | keys) for name, keys in SAME.items()}
    found["resnet, ddp"], found["resnet, fsdp"] = train_briefly(RESNET), train_briefly(RESNET | SHARDED | AGAIN)
    found["rounds"] = [num_rounds(keys) for keys in ({}, ACCUMULATING)]
    found["sharded rounds"] = [num_sharded_rounds(keys) for keys in ({}, ACCUMULATING)]
    found["overflow"] = overflow()
    found["loaded"] = loaded(VIT | SHARDED, f"{folder}/vit.pyth")
    if rank() == 0:
        torch.save(found, f"{folder}/found.pyth")
    torch.set_default_dtype(torch.float32)
    for name in ("sharded", "then_sharded"):
        train(run_cfg(f"{folder}/{name}", **SHARDED))


def num_rounds(keys):
    """Return how often a step sums gradients of all processes."""
    _, _, stepper = parts_of(VIT | keys)
    assert isinstance(stepper.net, DistributedDataParallel)
    rounds = []

    def count(_, bucket):
        rounds.append(bucket)
        return torch.distributed.all_reduce(bucket.buffer(), async_op=True).get_future().then(lambda f: f.value()[0])

    stepper.net.register_comm_hook(None, count)
    take_step(stepper, 0)
    return len(rounds)


def num_sharded_rounds(keys):
    """Return the same of a sharded network."""
    _, _, stepper = parts_of(VIT | SHARDED | keys)
    with ReduceScatters() as mode:
        take_step(stepper, 0)
    assert mode.count > 0
    return mode.count


class ReduceScatters(TorchDispatchMode):
    """Counts how often gradients are summed and handed out."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += "reduce_scatter" in func.name()
        return func(*args, **(kwargs or {}))


def overflow():
    """Let one process overflow in fp16; return what the scaler and the weights do."""
    _, state, stepper = parts_of(VIT | SHARDED | BF16 | {"TRAIN__AMP_DTYPE": "fp16", "OPTIM__GRAD_CLIP": 1.0})
    before = fingerprint(state)[2]
    take_step(stepper, 0, scale=float("inf") if rank() else 1.0)
    after, scale = fingerprint(state)[2], stepper.scaler.get_scale()
    take_step(stepper, 0)
    return before, after, scale, fingerprint(state)[2]


def loaded(keys, path):
    """Return the weights of a network that were loaded from a file."""
    cfg, state, _ = parts_of(keys)
    load_weights(state.model, path)
    return pack_state(state, cfg, {})["model_state"]


def on_one_process(folder):
    """Return and save the same of one process; the run that was left alone is the first half of another."""
    try:
        found = {name: train_briefly(VIT | keys | ALONE) for name, keys in SAME.items()}
        torch.save({"model_state": found["fsdp, adamw"][1]["model_state"]}, folder / "vit.pyth")
        found["loaded"] = loaded(VIT, folder / "vit.pyth")
    finally:
        torch.set_default_dtype(torch.float32)
    train(run_cfg(folder / "whole"))
    go_on_from_epoch_1(folder / "whole", folder / "then_sharded")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the whole runs are."""
    return tmp_path_factory.mktemp("parallel")


@pytest.fixture(scope="module")
def one_and_two(folder):
    """What one process does, and what two do."""
    one = on_one_process(folder)
    launch(on_two_processes, (str(folder),), 2, "gloo", 5.0)
    return one, torch.load(folder / "found.pyth")


@pytest.mark.parametrize("name", SAME)
def test_two_processes_do_what_one_does(one_and_two, name):
    (losses, weights, total), found = one_and_two[0][name], one_and_two[1][name]
    tolerance = 2e-3 if "bf16" in name else 1e-7  # AdamW blows up rounding of gradients that are zero
    assert losses[2] != losses[1] and losses == pytest.approx(found[0], rel=1e-3 if "bf16" in name else 1e-12)
    assert total == pytest.approx(found[2], rel=1e-4)
    assert_same_weights(weights, found[1], tolerance)


def assert_same_weights(expected, found, tolerance):
    for kind, state in expected.items():
        assert state.keys() == found[kind].keys()
        for key, value in state.items():
            assert type(found[kind][key]) is torch.Tensor
            assert torch.allclose(value, found[kind][key], rtol=0, atol=tolerance), (kind, key)


def test_batch_norms_and_frozen_stages_may_be_sharded(one_and_two):
    replicated, sharded = (one_and_two[1][f"resnet, {kind}"] for kind in ("ddp", "fsdp"))
    assert replicated[0] == pytest.approx(sharded[0], rel=1e-12)
    assert_same_weights(replicated[1], sharded[1], 1e-12)


@pytest.mark.parametrize("kind", ["rounds", "sharded rounds"])
def test_accumulation_sums_over_processes_once_a_step(one_and_two, kind):
    plain, accumulating = one_and_two[1][kind]
    assert plain == accumulating > 0


def test_an_overflow_on_one_process_skips_the_step_on_all(one_and_two):
    before, after, scale, later = one_and_two[1]["overflow"]
    assert after == before != later
    assert scale == 2.0**15


def test_weights_of_a_file_are_cut_up(one_and_two):
    expected, found = one_and_two[0]["loaded"], one_and_two[1]["loaded"]
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())


# ---- whole runs


def run_cfg(out_dir, **keys):
    """Return the config of a small run, made from the example; the processes evaluate different numbers of batches."""
    small = {"MODEL__NUM_CLASSES": 10, "TRAIN__DATASET": "digits", "TEST__DATASET": "digits", "TRAIN__AUGMENT": ""}
    small |= {"TRAIN__MIXUP_ALPHA": 0.0, "TRAIN__CUTMIX_ALPHA": 0.0, "TRAIN__MIXED_PRECISION": False, "NUM_GPUS": 1}
    small |= {"FSDP__RESHARD_AFTER_FW": True, "OPTIM__EMA_UPDATE_PERIOD": 4, "TRAIN__BATCH_SIZE": 240}
    small |= {"TEST__BATCH_SIZE": 118, "TRAIN__KEEP": 0, "DATA_LOADER__NUM_WORKERS": 1, "FSDP__ENABLED": False}
    return load_cfg(str(EXAMPLE), tiny_words(out_dir, **VIT | small | keys))


def go_on_from_epoch_1(source, target):
    last_path(target).parent.mkdir(parents=True)
    shutil.copy(epoch_path(source, 1), last_path(target))


def evaluation_losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["_type"].startswith("test")]


def test_a_run_goes_on_sharded_or_not(one_and_two, folder):
    whole = folder / "whole"
    go_on_from_epoch_1(folder / "sharded", folder / "then_whole")
    train(run_cfg(folder / "then_whole"))
    expected = load_checkpoint(last_path(whole))
    for name in ("sharded", "then_sharded", "then_whole"):
        found = load_checkpoint(last_path(folder / name))
        assert found.keys() == expected.keys() and found["position"] == {"epoch": 2, "step": 0}
        assert evaluation_losses(folder / name)[-2:] == pytest.approx(evaluation_losses(whole)[-2:], rel=1e-4)
        theirs, moments = (saved["optimizer_state"]["state"] for saved in (found, expected))
        assert theirs.keys() == moments.keys()
        assert all(torch.allclose(moments[i]["exp_avg"], theirs[i]["exp_avg"], atol=1e-5) for i in moments)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("keys", [SHARDED, {"NUM_GPUS": 2}], ids=["fsdp", "ddp"])
def test_two_gpus_train(tmp_path, keys):
    result = train(run_cfg(tmp_path, **keys | BF16 | AGAIN | ACCUMULATING, DEVICE="cuda"))
    assert result.epochs == 2 and result.count == 355
    losses = evaluation_losses(tmp_path)
    assert losses[2] < losses[0]


# ---- what is refused


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"NUM_GPUS": 1}, r"FSDP\.ENABLED True shards over processes, and there is one"),
        ({"OPTIM.OPTIMIZER": "muon"}, r"cannot be combined with OPTIM\.OPTIMIZER muon"),
        ({"TRAIN.CHANNELS_LAST": True}, r"cannot be combined with TRAIN\.CHANNELS_LAST True"),
        ({"TRAIN.COMPILE": True}, r"cannot be combined with TRAIN\.COMPILE True"),
    ],
)
def test_what_cannot_be_sharded_is_refused(keys, words):
    defaults = {"FSDP.ENABLED": True, "NUM_GPUS": 2, "DEVICE": "cpu"}
    with pytest.raises(ValueError, match=words):
        check_supported(load_cfg(DIGITS, overrides(defaults | keys)))
