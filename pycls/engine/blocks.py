"""The blocks of a network: the units that are sharded (FSDP) and recomputed (activation checkpointing)."""

from torch import nn

from pycls.optim.optimizers import block_names


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks in the order of the parameters: numbered layers (s1.b2, encoder.block_0) with layers inside.

    These are the layers of OPTIM.LAYER_DECAY. What lies outside of them (stem, head) is in none.
    """
    names = dict.fromkeys(block_names(name for name, _ in model.named_parameters()).values())
    modules = [model.get_submodule(name) for name in names if name]
    return [module for module in modules if _is_called(module)]


def _is_called(module: nn.Module) -> bool:
    """Tell a block from a mere list of modules."""
    return type(module).forward is not nn.Module.forward
