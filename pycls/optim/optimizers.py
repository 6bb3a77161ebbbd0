"""Parameter groups with their weight decay and learning-rate scale."""

from collections.abc import Iterator

from torch import nn

from pycls.core.weights import classifier_weight, in_classifier

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


def param_groups(model: nn.Module, weight_decays: dict[str, float], backbone_lr_ratio: float = 1.0) -> list[dict]:
    """Return optimizer groups in pycls's order (bn, ln, bias, rest), empty ones left out, so that its states load.

    A ratio other than 1 cuts each in two, backbone and classifier; `lr_scale` is the factor on the policy's value.
    """
    scales = lr_scales(model, backbone_lr_ratio)
    members = {(role, scale): [] for role in ("bn", "ln", "bias", "rest") for scale in dict.fromkeys(scales.values())}
    for name, parameter, role in named_roles(model):
        if parameter.requires_grad:
            members[role, scales[name]].append(parameter)
    return [
        {"params": params, "weight_decay": weight_decays[role], "lr_scale": scale}
        for (role, scale), params in members.items()
        if params
    ]


def lr_scales(model: nn.Module, backbone_lr_ratio: float) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter by name: 1 in the classifier, the ratio elsewhere."""
    parameters = dict(model.named_parameters())
    classifier = classifier_weight(parameters)
    return {name: 1.0 if in_classifier(name, classifier) else backbone_lr_ratio for name in parameters}
