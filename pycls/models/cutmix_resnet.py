"""ResNets of the CutMix line (Yun et al., arXiv 1905.04899), named as torchvision's; LIP-ResNet takes its blocks here.

For ImageNet they equal torchvision's (stride on the 3x3), with a depth of 200 besides; for CIFAR every change of shape
is a projection, unlike the `resnet` family (bottlenecks project in the first stage, too).
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.registry import pick
from pycls.models.layers.basic import Style, build_style, conv2d, init_convs, named_sequential
from pycls.models.layers.checks import check_im_size, is_small
from pycls.models.layers.residual import Chain, Residual
from pycls.models.layers.stems import STEMS, Stem

MakeBlock = Callable[[int, int, int], nn.Module]  # (w_in, width, stride) -> a block

IMAGENET_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


def projection(w_in: int, w_out: int, stride: int, style: Style, names: tuple[str, str] = ("0", "1")) -> nn.Sequential:
    """Return 1x1 convolution and BatchNorm: (N, w_in, H, W) -> (N, w_out, H / stride, W / stride)."""
    return named_sequential([(names[0], conv2d(w_in, w_out, 1, stride=stride)), (names[1], style.norm(w_out))])


class BasicBlock(Residual):
    """relu(shortcut(x) + 3x3, 3x3): (N, w_in, H, W) -> (N, width, H', W')."""

    expansion = 1

    def __init__(self, w_in: int, width: int, stride: int, style: Style):
        super().__init__()
        self.conv1, self.bn1 = conv2d(w_in, width, 3, stride=stride), style.norm(width)
        self.relu = style.act()
        self.conv2, self.bn2 = conv2d(width, width, 3), style.norm(width, final=True)
        self.downsample = None
        if stride != 1 or w_in != width:
            self.downsample = projection(w_in, width, stride, style)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.kept(self.bn2(self.conv2(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(Residual):
    """relu(shortcut(x) + 1x1, 3x3, 1x1): (N, w_in, H, W) -> (N, 4 * width, H', W')."""

    expansion = 4

    def __init__(self, w_in: int, width: int, stride: int, style: Style, shortcut_names: tuple[str, str] = ("0", "1")):
        super().__init__()
        w_out = width * self.expansion
        self.conv1, self.bn1 = conv2d(w_in, width, 1), style.norm(width)
        self.conv2, self.bn2 = conv2d(width, width, 3, stride=stride), style.norm(width)
        self.conv3, self.bn3 = conv2d(width, w_out, 1), style.norm(w_out, final=True)
        self.relu = style.act()
        self.downsample = None
        if stride != 1 or w_in != w_out:
            self.downsample = projection(w_in, w_out, stride, style, shortcut_names)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.kept(self.bn3(self.conv3(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class TorchResNet(Chain):
    """`conv1`, `bn1`, `maxpool`, `layer1` .., `fc`: (N, 3, S, S) -> (N, K)."""

    def __init__(
        self,
        stem: Stem,
        pool: nn.Module,
        depths: Sequence[int],
        widths: Sequence[int],
        expansion: int,
        make_block: MakeBlock,
        num_classes: int,
        style: Style,
    ):
        super().__init__()
        w_in = widths[0]
        self.conv1, self.bn1 = conv2d(3, w_in, stem.kernel, stride=stem.conv_stride), style.norm(w_in)
        self.relu, self.maxpool = style.act(), pool
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            blocks = []
            for index in range(depth):
                stride = 2 if index == 0 and stage > 0 else 1
                blocks.append(make_block(w_in, width, stride))
                w_in = width * expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(w_in, num_classes)
        init_convs(self)


def cifar_depths(depth: int, is_bottleneck: bool, family: str) -> tuple[int, int, int]:
    """Return the blocks of the 3 stages of a network of `depth` layers; ValueError for depths that make none."""
    per_block = 9 if is_bottleneck else 6
    if depth < per_block + 2 or (depth - 2) % per_block:
        near = max(1, round((depth - 2) / per_block)) * per_block + 2
        kind = "bottleneck" if is_bottleneck else "basic"
        raise ValueError(
            f"MODEL.DEPTH: {depth} is no depth of a CIFAR {family} of {kind} blocks; expected {per_block}n + 2 "
            f"(nearest: {near})"
        )
    return ((depth - 2) // per_block,) * 3


def imagenet_depths(depth: int, family: str) -> tuple[int, ...]:
    """Return the blocks of the 4 stages of an ImageNet network; ValueError naming the depths there are."""
    if depth not in IMAGENET_DEPTHS:
        near = min(IMAGENET_DEPTHS, key=lambda known: abs(known - depth))
        choices = ", ".join(map(str, IMAGENET_DEPTHS))
        raise ValueError(
            f"MODEL.DEPTH: {depth} is no depth of an ImageNet {family}; expected {choices} (nearest: {near})"
        )
    return IMAGENET_DEPTHS[depth]


TRANSFORMS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "basic_transform": BasicBlock,
    "bottleneck_transform": Bottleneck,
}


def build_cutmix_resnet(cfg: CfgNode) -> TorchResNet:
    """Build the network of MODEL.DEPTH: (N, 3, S, S) -> (N, K); RESNET.TRANS_FUN picks the block for CIFAR only."""
    style = build_style(cfg)
    pool: nn.Module
    depths: Sequence[int]
    widths: Sequence[int]
    if is_small(cfg):
        block = pick(TRANSFORMS, cfg.RESNET.TRANS_FUN, "RESNET.TRANS_FUN")
        depths, widths = cifar_depths(cfg.MODEL.DEPTH, block is Bottleneck, "cutmix_resnet"), (16, 32, 64)
        stem, pool = STEMS["res_stem_cifar"], nn.Identity()
    else:
        depths, widths = imagenet_depths(cfg.MODEL.DEPTH, "cutmix_resnet"), (64, 128, 256, 512)
        block = BasicBlock if cfg.MODEL.DEPTH < 50 else Bottleneck
        stem, pool = STEMS["res_stem_in"], nn.MaxPool2d(3, stride=2, padding=1)
    check_im_size(cfg.TRAIN.IM_SIZE, stem.stride * 2 ** (len(depths) - 1))

    def make_block(w_in: int, width: int, stride: int) -> nn.Module:
        return block(w_in, width, stride, style)

    return TorchResNet(stem, pool, depths, widths, block.expansion, make_block, cfg.MODEL.NUM_CLASSES, style)
