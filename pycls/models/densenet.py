"""DenseNet (Huang et al., arXiv 1608.06993), named as torchvision's, and LIP-DenseNet (arXiv 1908.04156)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.registry import pick
from pycls.models.layers.basic import Style, build_style, conv2d, named_sequential
from pycls.models.layers.checks import check_im_size
from pycls.models.layers.stems import STEMS
from pycls.models.lip import LIP, bottleneck_logit, simple_logit

BOTTLENECK = 4  # width of a layer's 3x3 input / growth

# depth: layers of each dense block, channels that a layer adds, channels of the stem
DEPTHS = {
    121: ((6, 12, 24, 16), 32, 64),
    161: ((6, 12, 36, 24), 48, 96),
    169: ((6, 12, 32, 32), 32, 64),
    201: ((6, 12, 48, 32), 32, 64),
}


class DenseLayer(nn.Module):
    """x and `growth` new channels behind it: (N, C, H, W) -> (N, C + growth, H, W)."""

    def __init__(self, w_in: int, growth: int, style: Style):
        super().__init__()
        width = BOTTLENECK * growth
        self.norm1, self.relu1, self.conv1 = style.norm(w_in), style.act(), conv2d(w_in, width, 1)
        self.norm2, self.relu2, self.conv2 = style.norm(width), style.act(), conv2d(width, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        y = self.conv2(self.relu2(self.norm2(y)))
        return torch.cat([x, y], 1)


def dense_block(w_in: int, depth: int, growth: int, style: Style) -> nn.Sequential:
    """Chain `depth` layers: (N, w_in, H, W) -> (N, w_in + depth * growth, H, W)."""
    layers = [(f"denselayer{i + 1}", DenseLayer(w_in + i * growth, growth, style)) for i in range(depth)]
    return named_sequential(layers)


def transition(w_in: int, pool: str, style: Style) -> nn.Sequential:
    """Halve width and resolution: (N, w_in, H, W) -> (N, w_in / 2, H / 2, W / 2)."""
    w_out = w_in // 2
    layers = [("norm", style.norm(w_in)), ("relu", style.act()), ("conv", conv2d(w_in, w_out, 1))]
    return named_sequential([*layers, ("pool", POOLS[pool](w_out))])


def lip_2x2(width: int) -> LIP:
    """Return the pooling of a LIP-DenseNet's transition: (N, width, H, W) -> (N, width, H / 2, W / 2)."""
    return LIP(bottleneck_logit(width), kernel_size=2, stride=2, padding=0)


POOLS = {"avg": lambda width: nn.AvgPool2d(2), "lip": lip_2x2}


class DenseNet(nn.Module):
    """`features` and `classifier`: (N, 3, S, S) -> (N, K). `pool`: of the transitions; with "lip" the stem's, too."""

    def __init__(
        self,
        depths: Sequence[int],
        growth: int,
        stem_w: int,
        pool: str,
        num_classes: int,
        style: Style | None = None,
    ):
        super().__init__()
        style = style or Style()
        stem_pool = LIP(simple_logit(stem_w, "1")) if pool == "lip" else nn.MaxPool2d(3, stride=2, padding=1)
        layers = [("conv0", conv2d(3, stem_w, 7, stride=2)), ("norm0", style.norm(stem_w)), ("relu0", style.act())]
        layers.append(("pool0", stem_pool))
        width = stem_w
        for i, depth in enumerate(depths, start=1):
            layers.append((f"denseblock{i}", dense_block(width, depth, growth, style)))
            width += depth * growth
            if i < len(depths):
                layers.append((f"transition{i}", transition(width, pool, style)))
                width //= 2
        self.features = named_sequential([*layers, ("norm5", style.norm(width))])
        self.relu5, self.avg_pool = style.act(), nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, num_classes)
        init_densenet(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu5(self.features(x))
        return self.classifier(self.avg_pool(x).flatten(1))


def init_densenet(model: nn.Module) -> None:
    """Initialize in place as torchvision and the authors of LIP: He normal by fan-in, bias of the classifier 0.

    Their logit networks begin like any other convolution, so LIP-DenseNet does not start as average pooling.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def build_densenet(cfg: CfgNode) -> DenseNet:
    """Build the network of MODEL.DEPTH and DENSENET.POOL: (N, 3, S, S) -> (N, K)."""
    pick(POOLS, cfg.DENSENET.POOL, "DENSENET.POOL")
    if cfg.MODEL.DEPTH not in DEPTHS:
        near = min(DEPTHS, key=lambda known: abs(known - cfg.MODEL.DEPTH))
        raise ValueError(
            f"MODEL.DEPTH: {cfg.MODEL.DEPTH} is no depth of a densenet; expected {', '.join(map(str, DEPTHS))} "
            f"(nearest: {near})"
        )
    check_im_size(cfg.TRAIN.IM_SIZE, STEMS["res_stem_in"].stride * 8)
    return DenseNet(*DEPTHS[cfg.MODEL.DEPTH], cfg.DENSENET.POOL, cfg.MODEL.NUM_CLASSES, build_style(cfg))
