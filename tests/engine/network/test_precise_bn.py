"""Precise BN: pycls's numbers, closed forms, and one result on every process."""

import json

import pytest
import torch
from torch import nn

from pycls.core.distributed import rank
from pycls.core.launch import launch
from pycls.engine.network.precise_bn import compute_precise_bn, num_precise_batches
from tests.helpers.parity_fill import make_input
from tests.helpers.paths import RECORDS

RECORD = json.loads((RECORDS / "pycls_misc_parity.json").read_text())["precise_bn"]


def recorded_batches():
    return [make_input((4, 2, 3, 3), 10 + i) for i in range(5)]


def test_recorded_numbers():
    norm = nn.BatchNorm2d(2)
    compute_precise_bn([norm], recorded_batches()[: num_precise_batches(12, 4, 5)])
    assert norm.running_mean.tolist() == pytest.approx(RECORD["running_mean"], rel=1e-6)
    assert norm.running_var.tolist() == pytest.approx(RECORD["running_var"], rel=1e-6)
    assert norm.num_batches_tracked == RECORD["num_batches_tracked"] and norm.momentum == 0.1


def test_a_batch_larger_than_the_sample_count_still_gives_one():
    assert num_precise_batches(num_samples=100, batch_size=128, num_batches=10) == 1, "pycls zeroes the statistics here"
    assert num_precise_batches(8192, 256, 10) == 10 and num_precise_batches(8192, 256, 100) == 32


def test_two_models_see_the_same_batches_and_buffers_stay_in_place():
    norms = [nn.BatchNorm2d(2), nn.BatchNorm2d(2)]
    buffers = [norm.running_mean for norm in norms]
    compute_precise_bn(norms, iter(recorded_batches()))
    assert all(norm.running_mean is buffer for norm, buffer in zip(norms, buffers, strict=True))
    assert torch.equal(norms[0].running_var, norms[1].running_var)
    expected = torch.stack([x.mean((0, 2, 3)) for x in recorded_batches()]).mean(0)
    assert torch.allclose(norms[0].running_mean, expected, atol=1e-7)


def statistics_on_a_process():
    norm = nn.BatchNorm2d(2)
    compute_precise_bn([norm], recorded_batches()[2 * rank() : 2 * rank() + 2])
    own = torch.stack([norm.running_mean, norm.running_var])
    everyone = [torch.empty_like(own) for _ in range(2)]
    torch.distributed.all_gather(everyone, own.detach())
    return [values.tolist() for values in everyone]


def test_two_processes_end_with_identical_statistics_over_both_shares():
    first, second = launch(statistics_on_a_process, (), 2, "gloo", 5.0)
    norm = nn.BatchNorm2d(2)
    compute_precise_bn([norm], recorded_batches()[:4])
    assert first == second
    assert first[0] == pytest.approx(norm.running_mean.tolist(), rel=1e-6)
    assert first[1] == pytest.approx(norm.running_var.tolist(), rel=1e-6)
