"""The introspective head of IDML: a classifier that also learns how ambiguous an image is (Wang et al.).

Beside the logits of its features f, a network learns an uncertainty embedding u = relu(V f + c). In training, each
logit is drawn towards 1, the further the longer u is and the nearer f lies to the proxy of the class. In evaluation
the logits are the plain ones. Mathematics and names of tensors as published: `fc`, and `uncertainty` behind all others.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pycls.models.layers.basic import at_least_float32

DISTANCE_SCALE = 5.0  # a constant of the published head
# Of a squared distance: its own square is still a number, so that gradients stay finite.
_LEAST_DISTANCE = {torch.float32: 1e-12, torch.float64: 1e-100}


def introspective_logits(
    features: Tensor, uncertainty: Tensor, weight: Tensor, bias: Tensor, proxy_bias: bool = True
) -> Tensor:
    """Return the training logits z + (1 - z) p, (N, K), of the plain logits z and their pulls p.

    Arguments and numbers are those of `class_pulls`.
    """
    logits, pulls = class_pulls(features, uncertainty, weight, bias, proxy_bias)
    return torch.lerp(logits, torch.ones_like(logits), pulls)


def class_pulls(
    features: Tensor, uncertainty: Tensor, weight: Tensor, bias: Tensor, proxy_bias: bool = True
) -> tuple[Tensor, Tensor]:
    """Return logits z = f W' + b and pulls 1 - exp(-|u|^2 / (5 d)) in 0 .. 1, (N, K) both, in float32 or wider.

    Features f (N, D) and uncertainty u (N, U) are those of N images, weight W (K, D) and bias b (K,) the classifier's;
    d is the squared distance of f to the proxy of a class. With `proxy_bias` that is its weights plus its bias on every
    coordinate, as in the published code; without, its weights.
    """
    features, uncertainty, weight, bias = map(at_least_float32, (features, uncertainty, weight, bias))
    with torch.autocast(features.device.type, enabled=False):  # distances are small differences of large sums
        logits = F.linear(features, weight, bias)
        distances = proxy_distances(features, weight, bias, logits, proxy_bias)
        return logits, -torch.expm1(-uncertainty.square().sum(1, keepdim=True) / (DISTANCE_SCALE * distances))


def proxy_distances(features: Tensor, weight: Tensor, bias: Tensor, logits: Tensor, proxy_bias: bool) -> Tensor:
    """Return |f - P|^2, (N, K), from the logits: no second product of features and weights is needed.

    It never falls below what rounding leaves of |f|^2 + |P|^2, where a difference would mean nothing and could be
    negative.
    """
    products, proxies = logits - bias, weight
    if proxy_bias:
        products = products + features.sum(1, keepdim=True) * bias
        proxies = weight + bias.unsqueeze(1)
    norms = features.square().sum(1, keepdim=True) + proxies.square().sum(1)
    least = (torch.finfo(norms.dtype).eps * norms.detach()).clamp(min=_LEAST_DISTANCE[norms.dtype])
    return torch.maximum(norms - 2 * products, least)


class Introspective(nn.Linear):
    """A classifier (N, D) -> (N, K): introspective logits in training, plain ones in evaluation."""

    def __init__(self, plain: nn.Linear, uncertainty: nn.Linear, proxy_bias: bool):
        super().__init__(plain.in_features, plain.out_features, device="meta")
        self.weight, self.bias = plain.weight, plain.bias
        self.proxy_bias = proxy_bias
        self._outside = (uncertainty,)  # in a tuple: it is a layer of the whole network, not of this one

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        return introspective_logits(features, self.embed(features), self.weight, self.bias, self.proxy_bias)

    def embed(self, features: Tensor) -> Tensor:
        """Return the uncertainty embedding of features, (N, D) -> (N, U), in float32 or wider, as `class_pulls`."""
        (layer,) = self._outside
        with torch.autocast(features.device.type, enabled=False):  # half precision would overflow, and stop at infinity
            return F.relu(F.linear(*map(at_least_float32, (features, layer.weight, layer.bias))))

    def pulls(self, features: Tensor) -> Tensor:
        """Return the pulls of features on all classes, (N, D) -> (N, K): 0 is certain, at 1 a logit is moot."""
        return class_pulls(features, self.embed(features), self.weight, self.bias, self.proxy_bias)[1]


def add_introspective_head(model: nn.Module, num_classes: int, width: int, proxy_bias: bool = True) -> None:
    """Turn the classifier of a network, its last linear layer, into an Introspective one, with `width` uncertainties.

    ValueError for a network whose last layer is not linear, and for one with two classifiers.
    """
    layers = [(name, m) for name, m in model.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    name, plain = layers[-1]
    if not isinstance(plain, nn.Linear) or plain.out_features != num_classes or plain.bias is None:
        raise ValueError(
            f"MODEL.HEAD: introspective needs a network that ends in a linear classifier with a bias, but the last "
            f"layer of this one is {name}, {plain}; expected MODEL.HEAD linear"
        )
    if len(layers) > 1 and _are_twins(plain, layers[-2][1]):  # as distilled networks of timm: they return the mean
        raise ValueError(
            f"MODEL.HEAD: introspective needs a network with one classifier, but this one has two, {layers[-2][0]} and "
            f"{name}; expected MODEL.HEAD linear"
        )
    uncertainty = nn.Linear(plain.in_features, width)
    model.set_submodule(name, Introspective(plain, uncertainty, proxy_bias))
    model.add_module("uncertainty", uncertainty)


def _are_twins(one: nn.Linear, other: nn.Module) -> bool:
    """Tell whether two layers stand beside each other; one behind the other only square ones have the same shape."""
    is_square = one.in_features == one.out_features
    return isinstance(other, nn.Linear) and other.weight.shape == one.weight.shape and not is_square


def introspective_head(model: nn.Module) -> Introspective | None:
    """Return the introspective classifier of a network, None if it has another one."""
    return next((module for module in model.modules() if isinstance(module, Introspective)), None)


def with_pulls(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return logits (N, K) of a network in evaluation mode, and its head's pulls on them, (N, K), 0 .. 1.

    A pull on the predicted class is the uncertainty of the prediction. None where there is no introspective head.
    """
    head = introspective_head(model)
    if head is None:
        return model(images), None
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(head.pulls(*inputs)))
    try:
        return model(images), seen[0]
    finally:
        hook.remove()
