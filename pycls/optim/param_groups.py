"""Parameter groups with their weight decay and their factor on the learning rate."""

from collections.abc import Iterator

from torch import nn

from pycls.core.module_names import classifier_weights, in_classifier, layer_numbers

_BATCH_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def named_roles(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, str]]:
    """Yield (name, parameter, role) in `named_parameters` order; role: "bn", "ln", "bias" or "rest".

    pycls looks for "bn" and "ln" in the name, which also catches `subnet`; here the module's type decides, which gives
    the same groups for its networks.
    """
    norms = {id(p): "bn" for m in model.modules() if isinstance(m, _BATCH_NORMS) for p in m.parameters(recurse=False)}
    norms |= {id(p): "ln" for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters(recurse=False)}
    for name, parameter in model.named_parameters():
        other = "bias" if "bias" in name.rsplit(".", 1)[-1] else "rest"
        yield name, parameter, norms.get(id(parameter), other)


def param_groups(model: nn.Module, weight_decays: dict[str, float], lr_scales: dict[str, float]) -> list[dict]:
    """Return optimizer groups in pycls's order (bn, ln, bias, rest), empty ones left out, so that its states load.

    Each is cut by the factor on the learning rate of its parameters, `lr_scale` of the group.
    """
    members: dict[tuple[str, float], list[nn.Parameter]] = {
        (role, scale): [] for role in ("bn", "ln", "bias", "rest") for scale in sorted(set(lr_scales.values()))
    }
    for name, parameter, role in named_roles(model):
        if parameter.requires_grad:
            members[role, lr_scales[name]].append(parameter)
    return [
        {"params": params, "weight_decay": weight_decays[role], "lr_scale": scale}
        for (role, scale), params in members.items()
        if params
    ]


def lr_scales(model: nn.Module, backbone_ratio: float = 1.0, layer_decay: float = 1.0) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter by name, 1 in the classifier, or in both of two.

    `backbone_ratio` is that of all others, times `layer_decay` for each layer above them (Clark et al. 2020).
    """
    parameters = dict(model.named_parameters())
    classifiers, layers = classifier_weights(parameters), layer_numbers(parameters)
    top = layers[classifiers[0]] if classifiers else max(layers.values())
    scales = {name: backbone_ratio * layer_decay ** (top - layer) for name, layer in layers.items()}
    return {name: 1.0 if any(in_classifier(name, c) for c in classifiers) else s for name, s in scales.items()}
