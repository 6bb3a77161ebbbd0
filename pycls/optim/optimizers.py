"""Parameter groups with their weight decay."""

from collections.abc import Iterator

from torch import nn

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


def param_groups(model: nn.Module, weight_decays: dict[str, float]) -> list[dict]:
    """Return optimizer groups in pycls's order (bn, ln, bias, rest), empty ones left out, so that its states load."""
    members: dict[str, list[nn.Parameter]] = {role: [] for role in ("bn", "ln", "bias", "rest")}
    for _, parameter, role in named_roles(model):
        if parameter.requires_grad:
            members[role].append(parameter)
    return [{"params": params, "weight_decay": weight_decays[role]} for role, params in members.items() if params]
