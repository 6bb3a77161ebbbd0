"""What a network computes beyond its tensors: what has to be equal where a file's names are translated."""

from dataclasses import dataclass

from torch import nn

_ACTIVATIONS = {nn.ReLU: "relu", nn.ReLU6: "relu6", nn.SiLU: "silu", nn.GELU: "gelu", nn.Hardswish: "hard_swish"}
BLURS = "blurs_first"  # attribute of a convolution that blurs its input


@dataclass(frozen=True)
class Arithmetic:
    """How the networks of a family compute."""

    bn_eps: float
    activation: str  # as MODEL.ACTIVATION_FUN calls it
    strides: tuple[int, ...] = ()  # of the convolutions in the stem and in each stage; 0, or none: not compared
    tf_padding: bool = False  # strided convolutions pad as TensorFlow does


def differences(model: nn.Module, needed: Arithmetic) -> dict[str, str]:
    """Return {"BN.EPS 0.001": "1e-05"}: what a network of ours would need to compute so, and what it has instead."""
    pairs = {
        f"BN.EPS {needed.bn_eps}": (_listed(bn_eps(model)), _listed({needed.bn_eps})),
        f"MODEL.ACTIVATION_FUN {needed.activation}": (_listed(_activations(model)), needed.activation),
        "MODEL.BLURPOOL False": (str(any(getattr(module, BLURS, False) for module in model.modules())), "False"),
    }
    if needed.strides:
        pairs["RESNET.STRIDE_1X1 False"] = (str(_strides_1x1(model)), "False")
        pairs[f"EN.TF_PADDING {needed.tf_padding}"] = (str(_pads_as_tensorflow(model)), str(needed.tf_padding))
        there, wanted = _compared(_strides(model), needed.strides)
        pairs[f"convolutions of strides {wanted} in stem and stages"] = (there, wanted)
    return {what: there for what, (there, wanted) in pairs.items() if there and there != wanted}


def bn_eps(model: nn.Module) -> set[float]:
    """Return the epsilons of a network's batch norms."""
    return {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)}


def _listed(values: set) -> str:
    return ", ".join(map(str, sorted(values)))


def _activations(model: nn.Module) -> set[str]:
    kinds = {type(module) for module in model.modules()}
    return {name for kind, name in _ACTIVATIONS.items() if kind in kinds}


def _strides_1x1(model: nn.Module) -> bool:
    """Tell whether bottlenecks stride in their first 1x1 convolution, as the paper's, and not in the 3x3."""
    return any(
        name.endswith(".f.a") and module.kernel_size == (1, 1) and module.stride[0] > 1
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
    )


def _pads_as_tensorflow(model: nn.Module) -> bool:
    strided = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.stride[0] > 1]
    return any(getattr(module, "tf_padding", False) for module in strided)


def _compared(there: list[int], wanted: tuple[int, ...]) -> tuple[str, str]:
    """Return the strides of a network and those wanted as text, equal where there is none to compare with."""
    numbers = [(ours, theirs or ours) for ours, theirs in zip(there, wanted, strict=False)]
    ours, theirs = (", ".join(map(str, column)) for column in zip(*numbers, strict=True)) if numbers else ("", "")
    return ours, theirs


def _strides(model: nn.Module) -> list[int]:
    """Return the stride of the stem's convolution and the largest one in each stage, s1, s2, ..."""
    found: dict[str, int] = {}
    for name, module in model.named_modules():
        part = name.partition(".")[0]
        if isinstance(module, nn.Conv2d) and part != "head":
            found[part] = max(found.get(part, 1), module.stride[0])
    return list(found.values())
