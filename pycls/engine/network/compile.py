"""torch.compile of networks: in training (TRAIN.COMPILE, COMPILE_MODE) and in evaluation (TEST.COMPILE)."""

from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.distributed import pick_device, requested_world_size
from pycls.models.layers.introspective import introspective_head

# Modes that record CUDA graphs: all kernels of a pass are then started by one call.
GRAPH_MODES = ("reduce-overhead", "max-autotune")


def check_compile(cfg: CfgNode) -> None:
    """Raise ValueError for a TRAIN.COMPILE_MODE that could not be honored."""
    if cfg.TRAIN.COMPILE_MODE not in GRAPH_MODES:
        return
    device, accum_steps, rho = pick_device(cfg.DEVICE).type, cfg.OPTIM.ACCUM_STEPS, cfg.OPTIM.SAM_RHO
    refused = {
        f"DEVICE {device}": device != "cuda",
        "more than one process": requested_world_size(cfg.NUM_GPUS) > 1,
        # The next pass writes its gradients where those of this one lie.
        f"OPTIM.ACCUM_STEPS {accum_steps}": accum_steps > 1,
        f"OPTIM.SAM_RHO {rho}": rho > 0,
    }
    for setting, is_set in refused.items():
        if is_set:
            hint = "use default or max-autotune-no-cudagraphs"
            raise ValueError(
                f"TRAIN.COMPILE_MODE {cfg.TRAIN.COMPILE_MODE} records CUDA graphs, which cannot be combined with "
                f"{setting}; {hint}"
            )


def compile_for_training(model: nn.Module, cfg: CfgNode) -> nn.Module:
    """Return the network as TRAIN.COMPILE and TRAIN.COMPILE_MODE ask for it; the weights are those of `model`."""
    if not cfg.TRAIN.COMPILE:
        return model
    compiled: Any = torch.compile(model, mode=cfg.TRAIN.COMPILE_MODE)
    return RecordedNetwork(compiled) if cfg.TRAIN.COMPILE_MODE in GRAPH_MODES else compiled


class RecordedNetwork(nn.Module):
    """A network compiled into CUDA graphs; each call in training begins a step.

    What the call before has returned is overwritten, and so are gradients that its backward has left behind.
    """

    def __init__(self, compiled: nn.Module):
        super().__init__()
        self._compiled = compiled

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K), which hold until the next call."""
        torch.compiler.cudagraph_mark_step_begin()
        return self._compiled(images)


class CompiledNetwork(nn.Module):
    """A network compiled for the largest batch so far; a short one, such as the last, goes through the plain network.

    To compile for one batch of its kind would take longer than it saves. ValueError for an introspective head, whose
    uncertainties are read by a hook, which compiled code does not call.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        if introspective_head(model) is not None:
            raise ValueError("TEST.COMPILE True: a network with an introspective head is not compiled; set it False")
        self._plain, self._compiled = model, torch.compile(model, dynamic=False)
        self._batch_size = 0

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K)."""
        self._batch_size = max(self._batch_size, len(images))
        return self._compiled(images) if len(images) == self._batch_size else self._plain(images)
