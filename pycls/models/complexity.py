"""Cost of a network for one image: multiply-adds, parameters, activations.

A copy without data (on the meta device) sees one image; hooks on its layers note what each does. The network itself is
neither run nor changed.
"""

import copy
import itertools
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pycls.core.tables import pick
from pycls.models.attention import SelfAttention

# (layer, output for one image) -> (flops, acts)
Rule = Callable[[nn.Module, Tensor], tuple[int, int]]


def complexity(model: nn.Module, im_size: int, convention: str = "macs") -> dict[str, int]:
    """Return {"flops", "params", "acts"} for one image of `im_size` pixels a side; see CONVENTIONS for what counts."""
    rows = layer_table(model, im_size, convention)
    return {
        "flops": sum(row["flops"] for row in rows),
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "acts": sum(row["acts"] for row in rows),
    }


def layer_table(model: nn.Module, im_size: int, convention: str = "macs") -> list[dict]:
    """Return a row per layer call, in order: name, type, output_shape (of one image), flops, params, acts."""
    rules = pick(CONVENTIONS, convention, "convention")
    twin = meta_twin(model)
    rows: list[dict] = []
    for name, layer in twin.named_modules():
        rule = rule_for(layer, rules)
        owns_parameters = any(True for _ in layer.parameters(recurse=False))
        if rule or owns_parameters or not any(layer.children()):
            layer.register_forward_hook(row_hook(name, rule or count_nothing, rows))
    dtype = next((parameter.dtype for parameter in twin.parameters()), torch.float32)
    with torch.no_grad():
        twin(torch.empty(1, 3, im_size, im_size, dtype=dtype, device="meta"))
    return rows


def meta_twin(model: nn.Module) -> nn.Module:
    """Return a copy in eval mode whose tensors have shapes but no data, without the hooks of the original."""
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    memo: dict[int, object] = {}  # what deepcopy finds here it takes instead of making a copy
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        empty = torch.empty_like(tensor, device="meta")
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    for module in model.modules():
        memo[id(module._forward_hooks)] = OrderedDict()
        memo[id(module._forward_pre_hooks)] = OrderedDict()
    return copy.deepcopy(model, memo).eval()


def row_hook(name: str, rule: Rule, rows: list[dict]) -> Callable:
    """Return a forward hook that appends the layer's row; its parameters count at the first call only."""

    def hook(layer: nn.Module, inputs: tuple, output) -> None:
        output = output[0] if isinstance(output, tuple) else output
        flops, acts = rule(layer, output)
        is_first = all(row["name"] != name for row in rows)
        params = sum(p.numel() for p in layer.parameters(recurse=False)) if is_first else 0
        rows.append(
            {
                "name": name,
                "type": type(layer).__name__,
                "output_shape": tuple(output.shape[1:]),
                "flops": flops,
                "params": params,
                "acts": acts,
            }
        )

    return hook


def rule_for(layer: nn.Module, rules: dict[type, Rule]) -> Rule | None:
    """Return the rule of the layer's class or of its nearest base class."""
    return next((rules[kind] for kind in type(layer).__mro__ if kind in rules), None)


def weight_macs(layer: nn.Module, output: Tensor) -> tuple[int, int]:
    """Count the weights that each output element takes, one more where there is a bias."""
    per_output = layer.weight[0].numel() + (layer.bias is not None)
    return per_output * output.numel(), output.numel()


def attention_macs(layer: SelfAttention, output: Tensor) -> tuple[int, int]:
    """Count queries, keys and values with their biases, and both products with the attention matrix, stored too.

    The output projection is a layer of its own.
    """
    _, tokens, width = output.shape
    flops = 3 * width * (width + 1) * tokens + 2 * width * tokens**2
    return flops, 4 * width * tokens + layer.num_heads * tokens**2


def count_acts_only(layer: nn.Module, output: Tensor) -> tuple[int, int]:
    """Count the output, no arithmetic."""
    return 0, output.numel()


def count_nothing(layer: nn.Module, output: Tensor) -> tuple[int, int]:
    """Count neither arithmetic nor output: normalisation, activations, global pooling, dropout."""
    return 0, 0


# "macs", as pycls counts: multiply-adds of convolutions and linear layers, their outputs and those of max pools.
# The weight of a linear layer is (out, in), that of a convolution (out, in / groups, k, k): one rule serves both.
CONVENTIONS: dict[str, dict[type, Rule]] = {
    "macs": {
        nn.Conv2d: weight_macs,
        nn.Linear: weight_macs,
        SelfAttention: attention_macs,
        nn.MaxPool2d: count_acts_only,
    },
}
