"""An optimizer's state is put back only if it is one of these parameters: fused kernels do not look."""

import copy
import math

import pytest
import torch
from torch import nn

from pycls.core.config import load_cfg
from pycls.core.weights.parts import UnreadableFile
from pycls.engine.restoring.optimizer_state import check_optimizer, load_optimizer
from pycls.optim import OPTIMIZERS, build_optimizer
from pycls.optim.state_shapes import kept_entries


def build(name, *words, layout=torch.contiguous_format):
    cfg = load_cfg(None, ["OPTIM.OPTIMIZER", name, "OPTIM.BASE_LR", "0.01", *words])
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 4)).to(memory_format=layout)
    return cfg, net, build_optimizer(cfg, net)


def go(net, optimizer, steps):
    for step in steps:
        optimizer.zero_grad()
        net(torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(step))).square().sum().backward()
        optimizer.step()


def check(cfg, optimizer, saved):
    check_optimizer(saved, optimizer, kept_entries(cfg, optimizer), "a.pyth: optimizer_state")


def moment(entries):
    """Return the name of the first entry of a parameter that is as large as it."""
    return next(name for name, value in entries.items() if isinstance(value, torch.Tensor) and value.dim())


def resized(state):
    state["state"][0][moment(state["state"][0])] = torch.zeros(1)


def of_doubles(state):
    name = moment(state["state"][0])
    state["state"][0][name] = state["state"][0][name].double()


def without(state):
    del state["state"][0][moment(state["state"][0])]


def with_more(state):
    state["state"][0]["odd"] = torch.zeros(8)


def no_tensor(state):
    state["state"][0][moment(state["state"][0])] = "x"


def of_another(state):
    state["state"][99] = state["state"][0]


def swapped(state):
    first, last = min(state["state"]), max(state["state"])
    state["state"][first], state["state"][last] = state["state"][last], state["state"][first]


def regrouped(state):
    state["param_groups"][0]["params"] = state["param_groups"][0]["params"][::-1]


def emptied(state):
    state["state"] = {}


def of_no_number(state):
    state["state"][0][moment(state["state"][0])][0] = math.nan


def negated(state):
    name = moment(state["state"][0])
    state["state"][0][name] = torch._neg_view(state["state"][0][name])  # which fused kernels do not take


def at_an_odd_rate(state):
    state["param_groups"][0]["lr"] = "0.1"


DAMAGES = [resized, of_doubles, without, with_more, no_tensor, of_another, swapped, regrouped, emptied]
DAMAGES += [of_no_number, negated, at_an_odd_rate]


@pytest.mark.parametrize("lookahead", [0, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_of_other_parameters_is_refused_whatever_the_optimizer(name, lookahead):
    cfg, net, optimizer = build(name, "OPTIM.LOOKAHEAD_STEPS", str(lookahead))
    go(net, optimizer, range(4))
    saved = optimizer.state_dict()
    check(cfg, optimizer, saved)
    for damage in DAMAGES:
        damaged = copy.deepcopy(saved)
        damage(damaged)
        with pytest.raises(UnreadableFile, match=r"^a\.pyth: optimizer_state"):
            check(cfg, optimizer, damaged)


@pytest.mark.parametrize(
    "step", [math.nan, math.inf, -1, 2.5, "3", None, torch.tensor([1.0, 2.0]), torch.tensor(math.nan)]
)
@pytest.mark.parametrize("name", ["adamw", "lamb"])  # it counts for each parameter, in its groups
def test_counters_are_whole_numbers(name, step):
    cfg, net, optimizer = build(name)
    go(net, optimizer, range(1))
    saved = copy.deepcopy(optimizer.state_dict())
    (saved["state"][0] if name == "adamw" else saved["param_groups"][0])["step"] = step
    with pytest.raises(UnreadableFile, match="step"):
        check(cfg, optimizer, saved)


def test_what_was_never_trained_has_nothing_to_be_put_back():
    cfg, net, optimizer = build("adam")
    go(net, optimizer, range(2))
    saved = copy.deepcopy(optimizer.state_dict())
    del saved["state"][1]
    check(cfg, optimizer, saved)
    load_optimizer(optimizer, saved, kept_entries(cfg, optimizer)[0])
    go(net, optimizer, range(2))


def test_the_rate_of_the_last_step_is_kept_as_a_run_that_goes_on_after_it_takes_none():
    cfg, _, optimizer = build("sgd")
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lr"] = 0.001
    _, _, resumed = build("sgd")
    load_optimizer(resumed, saved, kept_entries(cfg, resumed)[0])
    assert resumed.state_dict() == saved


def test_moments_lie_in_memory_as_their_parameters_do():
    """A run may go on in another memory layout; fused kernels take both for one row of numbers."""
    _, whole, optimizer = build("sgd")
    go(whole, optimizer, range(6))
    _, first, optimizer = build("sgd")
    go(first, optimizer, range(3))
    cfg, second, resumed = build("sgd", layout=torch.channels_last)
    second.load_state_dict(first.state_dict())
    load_optimizer(resumed, optimizer.state_dict(), kept_entries(cfg, resumed)[0])
    go(second, resumed, range(3, 6))
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "rmsprop_tf"])
def test_momentum_that_there_was_none_of_begins_with_zeros(name):
    cfg, net, optimizer = build(name, "OPTIM.MOMENTUM", "0", "OPTIM.NESTEROV", "False")
    go(net, optimizer, range(2))
    saved = copy.deepcopy(optimizer.state_dict())
    check(cfg, optimizer, saved)
    cfg, other, resumed = build(name, "OPTIM.NESTEROV", "False")
    other.load_state_dict(net.state_dict())
    load_optimizer(resumed, saved, kept_entries(cfg, resumed)[0])
    go(other, resumed, range(2, 3))
    go(net, optimizer, range(2, 3))
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7), "the first step is the same"
