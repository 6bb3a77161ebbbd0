"""Names in torchvision's published files that its networks no longer use: they load themselves with the same rules."""

import re

from torch import Tensor

AUXILIARY_HEADS = ("aux1.", "aux2.", "AuxLogits.")  # GoogLeNet, Inception v3: for training only
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")  # norm.1.weight, today norm1.weight


def todays_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of today's networks, without auxiliary heads."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(AUXILIARY_HEADS)}
    return {_DENSE_LAYER.sub(r"\1\2", name): tensor for name, tensor in kept.items()}
