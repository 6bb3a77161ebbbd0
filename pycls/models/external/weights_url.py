"""Names of published weights, such as torchvision://resnet50/IMAGENET1K_V2 and timm://resnet50.a1_in1k."""

import re
from collections.abc import Callable

from pycls.core.registry import pick
from pycls.models.external.pretrained_cfg import Published
from pycls.models.external.timm_models import timm_weights
from pycls.models.external.torchvision_models import torchvision_weights

SOURCES: dict[str, Callable[[str, str], Published]] = {"timm": timm_weights, "torchvision": torchvision_weights}

_NAME = re.compile(r"([a-z]+)://([^/.]+)[/.]?(.*)")


def weights_url(name: str) -> tuple[str, Published | None]:
    """Return the address of published weights and what is known of them; (name, None) for a path, a URL, anything else.

    A name is library://network/tag. ValueError for an unknown network or tag, with the nearest or all known ones.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1] in ("http", "https"):
        return name, None
    library, network, tag = match.groups()
    published = pick(SOURCES, library, f"weights {name}")(network, tag)
    return published.url, published
