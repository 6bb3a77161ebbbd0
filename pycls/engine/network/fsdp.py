"""Sharded training (FSDP): every process keeps a part of each weight, its gradient and its optimizer state.

PyTorch's `fully_shard` gathers the weights of a block when it is needed. See docs/SCALE.md.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.distributed import pick_device, requested_world_size, world_size
from pycls.core.module_names import find_blocks

# timm's Muon orthogonalises sharded weights otherwise than whole ones, and learns something else.
UNSHARDED_OPTIMIZERS = ("muon",)


def check_sharding(cfg: CfgNode) -> None:
    """Raise ValueError for what FSDP.ENABLED True cannot be combined with."""
    if not cfg.FSDP.ENABLED:
        return
    if requested_world_size(cfg.NUM_GPUS) == 1:
        raise ValueError("FSDP.ENABLED True shards over processes, and there is one: set NUM_GPUS 2 or more, or False")
    device = pick_device(cfg.DEVICE).type
    refused = {
        f"DEVICE {device}": device not in ("cuda", "cpu"),
        "TRAIN.CHANNELS_LAST True": cfg.TRAIN.CHANNELS_LAST is True,
        "TRAIN.COMPILE True": cfg.TRAIN.COMPILE,
        f"OPTIM.OPTIMIZER {cfg.OPTIM.OPTIMIZER}": cfg.OPTIM.OPTIMIZER in UNSHARDED_OPTIMIZERS,
    }
    for setting, is_set in refused.items():
        if is_set:
            raise ValueError(f"FSDP.ENABLED True cannot be combined with {setting} (docs/SCALE.md)")


def shard_network(
    model: nn.Module,
    device: torch.device,
    dtype: torch.dtype | None = None,
    reshard_after_forward: bool = True,
    layer_norm_fp32: bool = True,
) -> None:
    """Move a network to the device and shard it in place: each block, and what lies outside of them as one more unit.

    With `dtype` blocks gather their weights in that type, half of what is sent; layer norms and what lies outside of
    blocks stay float32, as under autocast alone, and gradients are summed in float32. Without `layer_norm_fp32` layer
    norms are in `dtype` too, and so is what flows between blocks. Networks with batch norms gather float32 anyway, for
    their precise statistics are computed in it. ValueError for a network without blocks.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    blocks = find_blocks(model)
    if not blocks:
        raise ValueError(
            "FSDP.ENABLED True: this network has no blocks to shard; those of MODEL.TYPE vit, resnet, regnet have"
        )
    mesh = init_device_mesh(device.type, (world_size(),))
    policy = MixedPrecisionPolicy()
    if dtype and not _find(nn.modules.batchnorm._BatchNorm, model):
        policy = MixedPrecisionPolicy(dtype, torch.float32, cast_forward_inputs=not layer_norm_fp32)
    for block in blocks:
        for norm in _find(nn.LayerNorm, block) if policy.param_dtype and layer_norm_fp32 else []:
            fully_shard(norm, mesh=mesh, reshard_after_forward=reshard_after_forward)
        fully_shard(block, mesh=mesh, reshard_after_forward=reshard_after_forward, mp_policy=policy)
    fully_shard(model, mesh=mesh, reshard_after_forward=False)  # its backward pass begins where forward ends


def _find(kind: type[nn.Module], model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


@contextlib.contextmanager
def gathered(model: nn.Module, reshard_after_forward: bool) -> Iterator[None]:
    """Let every process hold whole weights for a while, so that each may run the network as often as it likes.

    `reshard_after_forward` is what blocks do afterwards. Nothing happens to a network that is not sharded.
    """
    units: list[Any] = [module for module in model.modules() if hasattr(module, "unshard")]
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for unit in units:
            unit.reshard()
            unit.set_reshard_after_forward(reshard_after_forward and unit is not model, recurse=False)
