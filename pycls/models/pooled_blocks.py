"""AnyNet blocks that pool where they would stride, as LIP-ResNet's (arXiv 1908.04156, section 4)."""

from collections.abc import Callable

from torch import Tensor, nn

from pycls.core.registry import pick
from pycls.models.layers.basic import Style, conv2d
from pycls.models.layers.blocks import ResBasicBlock, ResBlock, ResBottleneckBlock, Stage
from pycls.models.layers.residual import Residual
from pycls.models.lip import POOLINGS, Pooling


class PooledBlock(Residual):
    """A residual block whose strided convolution becomes pooling and a 1x1, and whose shortcut pools before its 1x1.

    (N, w_in, H, W) -> (N, stage.width, H / stride, W / stride). What the logits of both poolings share, `trunk`, sees
    the block's input.
    """

    def __init__(
        self, block: type[ResBlock], pooling: Pooling, w_in: int, stride: int, stage: Stage, se_r: float, style: Style
    ):
        super().__init__()
        plain = block(w_in, stride, stage, se_r, style)
        self.strided, conv = next((name, m) for name, m in plain.f.named_children() if is_strided(m))
        assert isinstance(conv, nn.Conv2d)
        setattr(plain.f, self.strided, conv2d(conv.in_channels, conv.out_channels, 1, groups=conv.groups))
        self.trunk = pooling.trunk(w_in)
        self.pool_proj, self.proj, self.bn = pooling.pool(w_in, stride), conv2d(w_in, stage.width, 1), plain.bn
        self.pool_f, self.f = pooling.pool(conv.in_channels, stride), plain.f
        self.af = plain.af

    def forward(self, x: Tensor) -> Tensor:
        trunk = self.trunk(x)
        shortcut = self.bn(self.proj(self.pool_proj(x, trunk)))
        for name, layer in self.f.named_children():
            if name == self.strided:
                x = self.pool_f(x, trunk)
            x = layer(x)
        return self.af(shortcut + self.kept(x))


def is_strided(layer: nn.Module) -> bool:
    """Tell a convolution that lowers the resolution."""
    return isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)


def pooled_block(block: Callable[..., nn.Module], pooling: Pooling, key: str) -> Callable[..., nn.Module]:
    """Return a block that pools where it would stride; ValueError naming `key` for blocks that have no shortcut."""
    if block not in (ResBasicBlock, ResBottleneckBlock):
        raise ValueError(f"{key}: only res_basic_block and res_bottleneck_block can pool instead of striding")

    def make(w_in: int, stride: int, stage: Stage, se_r: float, style: Style) -> nn.Module:
        if stride == 1:
            return block(w_in, stride, stage, se_r, style)
        return PooledBlock(block, pooling, w_in, stride, stage, se_r, style)

    return make


def pick_pooling(name: str, key: str) -> Pooling | None:
    """Return how a network pools, None for an empty name."""
    return pick(POOLINGS, name, key) if name else None
