"""PyramidNet: a residual network that widens in every block (Han, Kim, Kim; CVPR 2017, arXiv 1610.02915).

Structure, names and initialization are those of the CutMix line (arXiv 1905.04899), so that its checkpoints load.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.models.cutmix_resnet import IMAGENET_DEPTHS, cifar_depths
from pycls.models.layers.basic import Style, build_style, conv2d, init_convs
from pycls.models.layers.checks import check_im_size, is_small
from pycls.models.layers.residual import Chain, Residual
from pycls.models.layers.stems import STEMS, Stem


def pyramid_widths(start: int, alpha: float, depths: Sequence[int]) -> list[list[int]]:
    """Return the width of each block of each stage, from `start` to `start + alpha` in equal steps (equation 3).

    The sum is kept unrounded, and a half rounds to the even number, as in the published networks.
    """
    step, width = alpha / sum(depths), float(start)
    stages: list[list[int]] = []
    for depth in depths:
        stages.append([])
        for _ in range(depth):
            width += step
            stages[-1].append(round(width))
    return stages


class PyramidBlock(Residual):
    """shortcut(x) + branch(x): (N, w_in, H, W) -> (N, width * expansion, H', W').

    The shortcut has no parameters: a 2x2 average where the block strides, and nothing is added to the new channels.
    """

    def __init__(self, w_in: int, width: int, stride: int, is_bottleneck: bool, style: Style):
        super().__init__()
        kernel, first_stride = (1, 1) if is_bottleneck else (3, stride)
        self.bn1, self.conv1 = style.norm(w_in), conv2d(w_in, width, kernel, stride=first_stride)
        self.bn2, self.conv2 = style.norm(width), conv2d(width, width, 3, stride=stride // first_stride)
        self.bn3 = style.norm(width)
        self.is_bottleneck = is_bottleneck
        if is_bottleneck:
            self.conv3, self.bn4 = conv2d(width, 4 * width, 1), style.norm(4 * width)
        self.relu = style.act()
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return add_to_first(self.pool(x), self.kept(self.branch(x)))

    def branch(self, x: Tensor) -> Tensor:
        """Return what is learnt: no activation before the first convolution nor after the last norm."""
        y = self.conv1(self.bn1(x))
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.bn3(y)
        return self.bn4(self.conv3(self.relu(y))) if self.is_bottleneck else y


def add_to_first(x: Tensor, y: Tensor) -> Tensor:
    """Add x (N, C, H, W) to the first C channels of y, in y's own memory; return y.

    It equals padding x with zero channels, without making that copy.
    """
    y[:, : x.shape[1]] += x
    return y


class PyramidNet(Chain):
    """`conv1`, `bn1`, `layer1` .., `bn_final`, `fc`: (N, 3, S, S) -> (N, K)."""

    def __init__(
        self,
        stem: Stem,
        widths: Sequence[Sequence[int]],
        is_bottleneck: bool,
        num_classes: int,
        style: Style | None = None,
    ):
        super().__init__()
        style = style or Style()
        stem_w = w_in = 64 if stem.max_pool else 16
        self.conv1, self.bn1 = conv2d(3, stem_w, stem.kernel, stride=stem.conv_stride), style.norm(stem_w)
        if stem.max_pool:  # only the ImageNet stem has an activation
            self.relu1, self.maxpool = style.act(), nn.MaxPool2d(3, stride=2, padding=1)
        for number, stage in enumerate(widths, start=1):
            blocks = []
            for index, width in enumerate(stage):
                stride = 2 if index == 0 and number > 1 else 1
                blocks.append(PyramidBlock(w_in, width, stride, is_bottleneck, style))
                w_in = width * (4 if is_bottleneck else 1)
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.bn_final, self.relu_final = style.norm(w_in), style.act()
        self.avgpool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(w_in, num_classes)
        init_convs(self)


def imagenet_stages(depth: int, is_bottleneck: bool) -> tuple[Sequence[int], bool]:
    """Return (blocks of the 4 stages, whether they are bottlenecks); a ResNet's depth decides both itself."""
    if depth in IMAGENET_DEPTHS:
        return IMAGENET_DEPTHS[depth], depth >= 50
    per_block = 12 if is_bottleneck else 8  # layers of one block in each of the four stages
    num_blocks = (depth - 2) // per_block
    if num_blocks < 1:
        raise ValueError(f"MODEL.DEPTH: {depth} layers make no pyramidnet; expected at least {per_block + 2}")
    return (num_blocks,) * 4, is_bottleneck


def build_pyramidnet(cfg: CfgNode) -> PyramidNet:
    """Build the network of MODEL.DEPTH and the PYRAMIDNET keys: (N, 3, S, S) -> (N, K)."""
    depth, alpha, is_bottleneck = cfg.MODEL.DEPTH, cfg.PYRAMIDNET.ALPHA, cfg.PYRAMIDNET.BOTTLENECK
    if is_small(cfg):
        stem, start = STEMS["res_stem_cifar"], 16
        depths: Sequence[int] = cifar_depths(depth, is_bottleneck, "pyramidnet")
    else:
        stem, start = STEMS["res_stem_in"], 64
        depths, is_bottleneck = imagenet_stages(depth, is_bottleneck)
    check_im_size(cfg.TRAIN.IM_SIZE, stem.stride * 2 ** (len(depths) - 1))
    widths = pyramid_widths(start, alpha, depths)
    return PyramidNet(stem, widths, is_bottleneck, cfg.MODEL.NUM_CLASSES, build_style(cfg))
