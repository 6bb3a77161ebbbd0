"""Published weights of other libraries: where they are, and the view of an image that their figures were made with."""

from collections.abc import Iterable
from dataclasses import dataclass

from pycls.core.registry import did_you_mean

RGB = tuple[float, float, float]
_Color = tuple[float, ...]


@dataclass(frozen=True)
class Published:
    """Weights of one network and their evaluation preset."""

    network: str
    tag: str
    url: str
    crop_px: int
    resize_px: int  # length of the shorter side before the crop
    interpolation: str
    mean: RGB
    std: RGB
    top1_err: float | None = None  # on ImageNet's validation images, percent; None where the library does not say
    top5_err: float | None = None
    antialias: bool = True

    def differences(
        self, crop_px: int, resize_px: int, interpolation: str, antialias: bool, mean: _Color, std: _Color
    ) -> list[str]:
        """Return in words how the view in force differs from the preset; its figures hold only where it does not."""
        pairs = {
            "TRAIN.IM_SIZE": (crop_px, self.crop_px),
            "TEST.IM_SIZE": (resize_px, self.resize_px),
            "TEST.INTERPOLATION": (interpolation, self.interpolation),
            "DATA_LOADER.ANTIALIAS": (antialias, self.antialias),
            "mean": (tuple(mean), self.mean),
            "standard deviation": (tuple(std), self.std),
        }
        return [f"{name} is {now}, published with {theirs}" for name, (now, theirs) in pairs.items() if now != theirs]


def pick_tag(network: str, tag: str, known: Iterable[str]) -> str:
    """Return `tag`; ValueError with the tags of the network unless it is one of them."""
    known = list(known)
    if tag not in known:
        choices = ", ".join(known) or "none"
        raise ValueError(f"weights of {network}: unknown tag '{tag}'{did_you_mean(tag, known)} (choices: {choices})")
    return tag
