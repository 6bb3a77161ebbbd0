"""A snapshot is saved as what it was taken of, to the byte, and does not follow it."""

import io

import pytest
import torch
from torch import nn

from pycls.core.async_save import snapshot


def training_state(device="cpu"):
    """All that a checkpoint is made of, after two steps: tied weights, NHWC, odd views, moments, counters."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4), nn.Linear(4, 4))
    model[3].weight = model[2].weight
    model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    for _ in range(2):
        images = torch.rand(2, 3, 3, 3, device=device)
        model[:2](images).sum().backward()
        model[2](torch.rand(2, 4, device=device)).sum().backward()
        optimizer.step()
    flat = torch.arange(6.0, device=device)
    return {
        "model_state": model.state_dict(),
        "optimizer_state": optimizer.state_dict(),
        "views": [flat[2:4], flat[::2], torch.tensor(1.5, dtype=torch.bfloat16), torch.zeros(0)],
        "plain": {"epoch": 3, "cfg": "text", "nothing": None, "pair": (1, [2.5])},
    }


def saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_it_is_saved_with_the_same_bytes_and_stays_what_it_was():
    state = training_state()
    expected = saved(state)
    taken = snapshot(state)
    for group in (state["model_state"], state["optimizer_state"]["state"][0]):
        for tensor in group.values():
            tensor.zero_()
    state["views"][0].fill_(7)
    state["optimizer_state"]["param_groups"][0]["lr"] = 9.0
    state["plain"]["pair"][1].append("more")
    assert saved(state) != expected
    assert saved(taken) == expected


def test_a_shard_of_a_tensor_is_not_taken_for_the_whole():
    with pytest.raises(AssertionError, match="gathered first"):
        snapshot({"w": torch.rand(2).as_subclass(type("Shard", (torch.Tensor,), {}))})


@pytest.mark.gpu
def test_from_a_gpu_it_is_in_page_locked_memory_with_equal_values():
    state = training_state("cuda")
    taken = snapshot(state)
    for name, tensor in state["model_state"].items():
        copied = taken["model_state"][name]
        assert copied.device.type == "cpu" and copied.is_pinned()
        assert torch.equal(copied, tensor.cpu()) and copied.stride() == tensor.stride()
