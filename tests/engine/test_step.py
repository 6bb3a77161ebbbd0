"""One step: the same mathematics however it is cut up, and no waiting for the device."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from pycls.core.config import load_cfg
from pycls.core.distributed import rank
from pycls.core.launch import launch
from pycls.engine.network.ddp import distribute
from pycls.engine.network.precision import Precision, pick_precision
from pycls.engine.step import Stepper, seed_step
from pycls.losses import cross_entropy, soft_targets
from pycls.optim import build_optimizer
from tests.helpers.parity_fill import fill_, make_input

CPU = torch.device("cpu")


def small_net():
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    return fill_(net).double()


def stepper_of(net, accum_steps=1, grad_clip=0.0, precision=None, wrapped=None):
    optimizer = build_optimizer(load_cfg(None), net)
    precision = precision or Precision(CPU)
    return Stepper(wrapped or net, cross_entropy, optimizer, precision.scaler(), precision, accum_steps, grad_clip)


def batch(start=0, end=12, dtype=torch.float64):
    images = make_input((12, 3, 8, 8), 3).to(dtype)
    return images[start:end], soft_targets(torch.arange(12) % 5, 5, 0.1, dtype)[start:end]


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def plain_steps():
    net = small_net()
    stepper = stepper_of(net)
    for _ in range(2):
        stepper.step(*batch(), lr=0.1)
    return weights(net)


def test_accumulation_is_the_same_step():
    net = small_net()
    stepper = stepper_of(net, accum_steps=3)
    for _ in range(2):
        loss, logits = stepper.step(*batch(), lr=0.1)
    assert torch.allclose(weights(net), plain_steps(), rtol=1e-12)
    assert logits.shape == (12, 5) and loss.shape == ()


def distributed_steps():
    """Return the weights after two steps, without and with accumulation."""
    nets = [small_net(), small_net()]
    for accum_steps, net in enumerate(nets, 1):
        stepper = stepper_of(net, accum_steps, wrapped=distribute(net, CPU))
        for _ in range(2):
            stepper.step(*batch(6 * rank(), 6 * rank() + 6), lr=0.1)
    return [weights(net).tolist() for net in nets]


def test_two_processes_take_the_same_step_as_one():
    for found in launch(distributed_steps, (), 2, "gloo", 5.0):
        assert torch.allclose(torch.tensor(found, dtype=torch.float64), plain_steps(), rtol=1e-12)


def test_clipping_bounds_the_whole_gradient():
    net = small_net()
    stepper_of(net, grad_clip=1e-3).step(*batch(), lr=0.1)
    norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_a_group_learns_at_its_share_of_the_rate():
    net = small_net()
    stepper = stepper_of(net)
    for group, share in zip(stepper.optimizer.param_groups, (0.25, 1.0), strict=True):
        group["lr_scale"] = share
    stepper.step(*batch(), lr=0.1)
    assert [group["lr"] for group in stepper.optimizer.param_groups] == [0.025, 0.1]


@pytest.mark.parametrize("accum_steps", [1, 3])
def test_sam_takes_the_gradient_uphill(accum_steps):
    def gradient(net):
        net.zero_grad()
        cross_entropy(net(batch()[0]), batch()[1]).backward()
        return [p.grad.clone() for p in net.parameters()]

    net, expected = small_net(), small_net()
    first = gradient(expected)
    norm = torch.cat([g.flatten() for g in first]).norm()
    with torch.no_grad():
        for p, g in zip(expected.parameters(), first, strict=True):
            p += 0.05 * g / norm
    uphill = gradient(expected)
    stepper = replace(stepper_of(net, accum_steps), sam_rho=0.05)
    before = weights(net)
    loss, _ = stepper.step(*batch(), lr=0.0)
    assert torch.equal(weights(net), before), "it comes back"
    assert loss.item() == pytest.approx(cross_entropy(net(batch()[0]), batch()[1]).item(), rel=1e-12)
    found = [p.grad for p in net.parameters()]
    assert all(torch.allclose(a, b, rtol=1e-9) for a, b in zip(found, uphill, strict=True))
    assert not torch.allclose(found[0], first[0], rtol=1e-3)


def test_sam_leaves_batch_norm_the_statistics_of_the_weights():
    nets = [nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), *small_net()[2:]).double() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    for net, rho in zip(nets, (0.0, 0.5), strict=True):
        replace(stepper_of(net), sam_rho=rho).step(*batch(), lr=0.1)
    assert torch.equal(nets[0][1].running_mean, nets[1][1].running_mean)
    assert nets[1][1].num_batches_tracked == 1


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_mixed_precision_stays_close_to_full(name):
    full, mixed = small_net().float(), small_net().float()
    full_loss, _ = stepper_of(full).step(*batch(dtype=torch.float32), lr=0.05)
    precision = pick_precision(CPU, True, name)
    stepper = stepper_of(mixed, precision=precision)
    loss, logits = stepper.step(*batch(dtype=torch.float32), lr=0.05)
    assert loss.dtype == torch.float32 and logits.dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[name]
    assert loss.item() == pytest.approx(full_loss.item(), rel=0.02)
    assert (weights(mixed) - weights(full)).norm() < 0.02 * weights(full).norm()
    assert stepper.scaler.is_enabled() == (name == "fp16")


def test_step_seeds_differ_and_repeat():
    def draw(*words):
        seed_step(*words)
        return torch.rand(3).tolist()

    places = [(1, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)]
    draws = [draw(*place) for place in places]
    assert len({tuple(d) for d in draws}) == 5
    assert [draw(*place) for place in places] == draws


def test_nothing_is_shared_between_two_networks_in_one_process():
    first, second = small_net(), small_net()
    before = copy.deepcopy(second.state_dict())
    stepper_of(first).step(*batch(), lr=0.1)
    assert all(torch.equal(v, before[k]) for k, v in second.state_dict().items())
