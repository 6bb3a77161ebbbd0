"""The "flops" that fvcore counts, to hold beside our own.

fvcore traces a forward pass, and torch cannot trace convolutions without data: unlike our own counts this runs the
network on one image, on the CPU.
"""

import itertools
import warnings
from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from pycls.core.config.im_size import ImSize, sides
from pycls.core.weights.input_channels import input_channels


@dataclass(frozen=True)
class FvcoreFlops:
    """Counts for one image."""

    total: int
    by_module: dict[str, int]  # name -> what the module itself computes, those inside it left out
    unsupported: Counter[str]  # operation -> how often one was met that fvcore does not count

    def __str__(self) -> str:
        skipped = ", ".join(f"{name} x{count}" for name, count in sorted(self.unsupported.items()))
        return (
            "as fvcore: multiply-adds of convolutions, linear layers and matrix products, no biases; 2 an element of "
            f"affine batch norm, 1 an input of adaptive average pools; not counted: {skipped or 'nothing here'}"
        )


def fvcore_flops(model: nn.Module, im_size: ImSize) -> FvcoreFlops:
    """Count the network `model`, which is on the meta device and moves to the CPU, with weights of zero."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit, which fvcore needs, is deprecated
        from fvcore.nn import FlopCountAnalysis

        network = model.eval().to_empty(device="cpu")
        for tensor in itertools.chain(network.parameters(), network.buffers()):
            tensor.zero_()  # the memory holds anything: numbers near zero would take long
        counts = FlopCountAnalysis(network, torch.zeros(1, input_channels(network), *sides(im_size)))
        counts.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        nested = counts.by_module()
    own = {
        name: nested[name] - sum(nested[f"{name}.{child}" if name else child] for child, _ in module.named_children())
        for name, module in network.named_modules()
    }
    unsupported = Counter({name.removeprefix("aten::"): count for name, count in counts.unsupported_ops().items()})
    return FvcoreFlops(counts.total(), own, unsupported)
