"""LIP-ResNet: a ResNet whose strided layers are local importance-based pooling (arXiv 1908.04156, section 4).

Structure, names and initialization are those of the authors' networks, so that their checkpoints load.
"""

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.models.cutmix_resnet import IMAGENET_DEPTHS, Bottleneck, TorchResNet
from pycls.models.layers.basic import Style, build_style, conv2d, init_weights
from pycls.models.layers.checks import check_im_size
from pycls.models.layers.residual import Residual
from pycls.models.layers.stems import STEMS
from pycls.models.lip import SharedLIP, shared_trunk, stem_lip, zero_logits

DEPTHS = (50, 101, 152)


class LIPBottleneck(Residual):
    """Bottleneck that halves the resolution: LIP and a 1x1 for the strided 3x3, LIP before the shortcut's 1x1.

    (N, w_in, H, W) -> (N, 4 * width, H / 2, W / 2). Both poolings take their logits from one trunk, which sees the
    block's input.
    """

    def __init__(self, w_in: int, width: int, style: Style):
        super().__init__()
        w_out = width * Bottleneck.expansion
        self.bottleneck_shared = shared_trunk(w_in)
        self.conv1, self.bn1 = conv2d(w_in, width, 1), style.norm(width)
        self.conv2 = nn.ModuleList([SharedLIP(width), conv2d(width, width, 1)])
        self.bn2 = style.norm(width)
        self.conv3, self.bn3 = conv2d(width, w_out, 1), style.norm(w_out)
        self.relu = style.act()
        self.downsample = nn.ModuleDict(
            {"lip": SharedLIP(w_in), "conv": conv2d(w_in, w_out, 1), "bn": style.norm(w_out)}
        )

    def forward(self, x: Tensor) -> Tensor:
        trunk = self.bottleneck_shared(x)
        pool, conv2 = self.conv2
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(conv2(pool(y, trunk))))
        y = self.kept(self.bn3(self.conv3(y)))
        shortcut = self.downsample["lip"](x, trunk)
        return self.relu(y + self.downsample["bn"](self.downsample["conv"](shortcut)))


@torch.no_grad()
def init_lip_resnet(model: nn.Module) -> None:
    """Initialize in place as the authors: every pooling starts as an average, every residual branch as 0."""
    init_weights(model)
    zero_logits(model)
    for block in model.modules():
        if isinstance(block, (Bottleneck, LIPBottleneck)):
            block.bn3.weight.zero_()


def build_lip_resnet(cfg: CfgNode) -> TorchResNet:
    """Build the network of MODEL.DEPTH, 50, 101 or 152: (N, 3, S, S) -> (N, K)."""
    depth, style, stem = cfg.MODEL.DEPTH, build_style(cfg), STEMS["res_stem_in"]
    if depth not in DEPTHS:
        raise ValueError(
            f"MODEL.DEPTH: {depth} is no depth of a lip_resnet; expected 50, 101 or 152, for which the paper's blocks "
            f"are defined (nearest: {min(DEPTHS, key=lambda known: abs(known - depth))})"
        )
    check_im_size(cfg.TRAIN.IM_SIZE, 32)

    def make_block(w_in: int, width: int, stride: int) -> nn.Module:
        if stride == 2:
            return LIPBottleneck(w_in, width, style)
        return Bottleneck(w_in, width, stride, style, shortcut_names=("conv", "bn"))

    depths, widths = IMAGENET_DEPTHS[depth], (64, 128, 256, 512)
    model = TorchResNet(stem, stem_lip(64), depths, widths, 4, make_block, cfg.MODEL.NUM_CLASSES, style)
    init_lip_resnet(model)
    return model
