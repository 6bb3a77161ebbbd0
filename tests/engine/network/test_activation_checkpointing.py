"""Activation checkpointing changes memory and time, and no number."""

import copy

import pytest
import torch
from torch import nn

from pycls.core.checkpoint import last_path, load_checkpoint
from pycls.core.config import load_cfg
from pycls.core.module_names import find_blocks
from pycls.engine import train
from pycls.engine.network.activation_checkpointing import recompute_blocks
from pycls.models import build_model
from tests.helpers.model_records import cfg_of
from tests.helpers.runs import tiny_cfg
from tests.models.test_model_table import COMMON, EXAMPLES


def backward(model, images):
    """Return the logits, and the bytes that forward keeps for backward outside of recomputed blocks."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.nbytes
        return tensor

    torch.manual_seed(3)  # of dropout and drop-connect
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model.train()(images)
    logits.square().sum().backward()
    return logits.detach(), sum(kept.values())


@pytest.mark.parametrize("family", ["anynet", "cutmix_resnet", "effnet", "mobilenet", "pyramidnet", "vit"])
def test_gradients_statistics_and_chances_are_those_without(family):
    torch.manual_seed(0)
    plain = build_model(cfg_of(COMMON | {"MODEL.TYPE": family} | EXAMPLES[family]))
    recomputed = copy.deepcopy(plain)
    recompute_blocks(recomputed)
    images = torch.randn(4, 3, 32, 32)
    (expected, plain_bytes), (logits, kept_bytes) = backward(plain, images), backward(recomputed, images)
    assert torch.equal(logits, expected) and kept_bytes < 0.6 * plain_bytes
    for (name, a), (same_name, b) in zip(plain.named_parameters(), recomputed.named_parameters(), strict=True):
        assert name == same_name and torch.equal(a.grad, b.grad), name
    for (name, a), (same_name, b) in zip(plain.state_dict().items(), recomputed.state_dict().items(), strict=True):
        assert name == same_name and torch.equal(a, b), name


def test_a_run_with_it_ends_with_the_same_bits(tmp_path):
    keys = {"OPTIM__MAX_EPOCH": 1, "OPTIM__ACCUM_STEPS": 2, "OPTIM__SAM_RHO": 0.1, "BN__USE_PRECISE_STATS": False}
    states = []
    for name, switch in (("without", False), ("with", True)):
        train(tiny_cfg(tmp_path / name, TRAIN__ACTIVATION_CHECKPOINT=switch, **keys))
        states.append(load_checkpoint(last_path(tmp_path / name)))
    for kind in ("model_state", "ema_state"):
        expected, found = (state[kind] for state in states)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.gpu
def test_a_gpu_needs_less_memory():
    torch.manual_seed(0)
    plain = build_model(cfg_of(COMMON | {"MODEL.TYPE": "lip_resnet"} | EXAMPLES["lip_resnet"])).cuda()
    recomputed = copy.deepcopy(plain)
    recompute_blocks(recomputed)
    images, peaks = torch.randn(32, 3, 64, 64, device="cuda"), []
    for model in (plain, recomputed):
        torch.cuda.reset_peak_memory_stats()
        backward(model, images)
        peaks.append(torch.cuda.max_memory_allocated())
    assert peaks[1] < peaks[0]
    for a, b in zip(plain.buffers(), recomputed.buffers(), strict=True):
        assert torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-5)


class Block(nn.Module):
    """Doubles its input where it lies."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x.mul_(2))


def test_a_block_that_overwrites_its_input_fails_loudly():
    network = nn.Sequential(Block(), Block())
    assert find_blocks(network) == [network[0], network[1]]
    recompute_blocks(network)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        network(torch.randn(2, 4)).sum().backward()


def test_what_cannot_be_recomputed_is_refused():
    with pytest.raises(ValueError, match="has no blocks"):
        recompute_blocks(nn.Sequential(nn.Linear(4, 4)))
    with pytest.raises(ValueError, match=r"TRAIN\.ACTIVATION_CHECKPOINT True and TRAIN\.COMPILE True"):
        load_cfg(None, ["TRAIN.ACTIVATION_CHECKPOINT", "True", "TRAIN.COMPILE", "True"])
