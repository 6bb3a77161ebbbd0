"""Cost of a network for one image: multiply-adds, parameters, activations.

A copy without data (on the meta device) sees one image; hooks on its layers note what each does, functional.py what is
computed between them. The network itself is neither run nor changed.
"""

import copy
import itertools
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from pycls.core.config.im_size import ImSize, sides
from pycls.core.registry import pick
from pycls.core.weights.input_channels import input_channels
from pycls.models.complexity.conventions import CONVENTIONS, Convention, Rule
from pycls.models.complexity.functional import Products


def complexity(model: nn.Module, im_size: ImSize, convention: str = "macs") -> dict[str, int]:
    """Return {"flops", "params", "acts"} for one image of `im_size` pixels; see CONVENTIONS for what counts.

    Activations are pycls's in every convention: outputs of convolutions, linear layers, attention products, max pools.
    """
    rows = layer_table(model, im_size, convention)
    return {
        "flops": sum(row["flops"] for row in rows),
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "acts": sum(row["acts"] for row in rows),
    }


def layer_table(model: nn.Module, im_size: ImSize, convention: str = "macs") -> list[dict]:
    """Return a row per layer call, in order: name, type, output_shape (of one image), flops, params, acts.

    A module with layers inside has a row, after theirs, if it computes or has parameters of its own.
    """
    table = LayerTable(pick(CONVENTIONS, convention, "convention"))
    twin = meta_twin(model)
    for name, layer in twin.named_modules():
        table.watch(name, layer)
    with table.products:
        show_image(twin, im_size)
    return table.rows


def show_image(twin: nn.Module, im_size: ImSize) -> Tensor:
    """Run a network without data on one image of `im_size` pixels and return its output, shape without data."""
    dtype = next((parameter.dtype for parameter in twin.parameters()), torch.float32)
    # The plain form of attention shows its two products; the fused ones are a single operation.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        return twin(torch.empty(1, input_channels(twin), *sides(im_size), dtype=dtype, device="meta"))


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
    twin = copy.deepcopy(model, memo).eval()
    for layer in twin.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.forward = _same  # type: ignore[method-assign,assignment]  # PyTorch computes the shapes of a batch norm in Python, which takes longest of all
    return twin


def _same(x: Tensor) -> Tensor:
    return x


class LayerTable:
    """The rows of one forward pass, written by hooks when a module's call ends."""

    def __init__(self, convention: Convention):
        self.rows: list[dict] = []
        self.products = Products()
        self._convention = convention
        self._counted: set[int] = set()  # parameters that have been in a row: a shared layer's count at its first call

    def watch(self, name: str, layer: nn.Module) -> None:
        """Write a row at the end of each call of `layer`."""

        def end(layer: nn.Module, inputs: tuple, output: object) -> None:
            self._end(name, layer, inputs, output)

        layer.register_forward_pre_hook(lambda *_: self.products.open())
        layer.register_forward_hook(end)

    def _end(self, name: str, layer: nn.Module, inputs: tuple, output: object) -> None:
        flops, acts = self.products.close()
        rule = self._rule(layer)
        is_row = rule or acts or not any(layer.children()) or any(True for _ in layer.parameters(recurse=False))
        y = first_tensor(output)
        if not is_row or y is None:
            return
        if rule:
            flops = rule(layer, inputs[0], y)
        elif not self._convention.functional:
            flops = 0
        self.rows.append(
            {
                "name": name,
                "type": type(layer).__name__,
                "output_shape": tuple(y.shape[1:]),
                "flops": flops,
                "params": self._new_params(layer),
                "acts": acts,
            }
        )

    def _rule(self, layer: nn.Module) -> Rule | None:
        """Return the rule of a layer; none where what is computed counts and the layer computes in a way of its own."""
        kind = kind_with_rule(layer, self._convention.rules)
        if kind is None or (self._convention.functional and type(layer).forward is not kind.forward):
            return None
        return self._convention.rules[kind]

    def _new_params(self, layer: nn.Module) -> int:
        new = [p for p in layer.parameters() if id(p) not in self._counted]
        self._counted.update(map(id, new))
        return sum(p.numel() for p in new)


def kind_with_rule(layer: nn.Module, rules: Mapping[type[nn.Module], Rule]) -> type[nn.Module] | None:
    """Return the layer's class or its nearest base class that has a rule."""
    return next((kind for kind in type(layer).__mro__ if kind in rules), None)


def first_tensor(output: object) -> Tensor | None:
    """Return a module's output, or the first of several; None if it is no tensor."""
    first = output[0] if isinstance(output, (tuple, list)) and output else output
    return first if isinstance(first, Tensor) else None
