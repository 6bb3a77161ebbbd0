"""Vision transformer with a patch or a convolutional stem.

Dosovitskiy et al., arXiv 2010.11929 (patches); Xiao et al., arXiv 2106.14881 (convolutional stem). No dropout.
"""

import math

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.config.im_size import ImSize, sides
from pycls.core.registry import pick
from pycls.models.layers.attention import SelfAttention
from pycls.models.layers.basic import named_sequential
from pycls.models.layers.vit_stems import VIT_STEMS, init_stem

CLASSIFIER_TYPES = {"token": True, "pooled": False}  # whether there is a class token


class EncoderBlock(nn.Module):
    """Attention and a two-layer perceptron, each normalized first and added: (N, L, D) -> (N, L, D)."""

    def __init__(self, width: int, num_heads: int, mlp_width: int, ln_eps: float):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=ln_eps)
        self.self_attention = named_sequential([("block", SelfAttention(width, num_heads))])
        self.ln_2 = nn.LayerNorm(width, eps=ln_eps)
        linear_1, linear_2 = nn.Linear(width, mlp_width), nn.Linear(mlp_width, width)
        self.mlp_block = named_sequential([("linear_1", linear_1), ("af", nn.GELU()), ("linear_2", linear_2)])

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attention(self.ln_1(x))
        return x + self.mlp_block(self.ln_2(x))


class ViT(nn.Module):
    """Stem, class token (or the mean of all tokens), learned positions, encoder, head: (N, 3, H, W) -> (N, K).

    Positions exist for images of `im_size` pixels only; the forward pass raises ValueError for another size.
    """

    def __init__(
        self,
        stem: nn.Sequential,
        im_size: ImSize,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        width: int,
        mlp_width: int,
        num_classes: int,
        has_token: bool = True,
        ln_eps: float = 1e-5,
    ):
        super().__init__()
        self.im_size = sides(im_size)
        self.stem = stem
        self.class_token = nn.Parameter(torch.zeros(1, 1, width)) if has_token else None
        num_tokens = math.prod(side // patch_size for side in self.im_size) + has_token
        self.pos_embedding = nn.Parameter(torch.empty(num_tokens, 1, width))  # sequence first, as in pycls's files
        blocks = [(f"block_{i}", EncoderBlock(width, num_heads, mlp_width, ln_eps)) for i in range(num_layers)]
        self.encoder = named_sequential([*blocks, ("ln", nn.LayerNorm(width, eps=ln_eps))])
        self.head = named_sequential([("head_fc", nn.Linear(width, num_classes))])
        init_vit(self)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[2:]) != self.im_size:
            there, size = f"{self.im_size[0]} x {self.im_size[1]}", f"{x.shape[2]} x {x.shape[3]}"
            raise ValueError(f"this ViT has positions for {there} pixels, the image is {size}")
        x = self.stem(x).flatten(2).transpose(1, 2)  # (N, tokens, D)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.encoder(x + self.pos_embedding.squeeze(1))
        return self.head(x[:, 0] if self.class_token is not None else x.mean(dim=1))


@torch.no_grad()
def init_vit(model: ViT) -> None:
    """Initialize in place as pycls; attention keeps what its constructor gave, the classifier starts at zero."""
    model.pos_embedding.normal_(std=0.02)
    init_stem(model.stem)
    for block in model.encoder.children():
        if isinstance(block, EncoderBlock):
            for linear in (layer for layer in block.mlp_block if isinstance(layer, nn.Linear)):
                nn.init.xavier_uniform_(linear.weight)
                linear.bias.normal_(std=1e-6)
    for layer in model.head:
        if isinstance(layer, nn.Linear):
            layer.weight.zero_()
            layer.bias.zero_()


def build_vit(cfg: CfgNode) -> ViT:
    """Build the network of the VIT keys for TRAIN.IM_SIZE: (N, 3, S, S) -> (N, K)."""
    keys, im_size = cfg.VIT, cfg.TRAIN.IM_SIZE
    _check_divides("VIT.NUM_HEADS", keys.NUM_HEADS, "VIT.HIDDEN_DIM", keys.HIDDEN_DIM)
    for side in sides(im_size):
        _check_divides("VIT.PATCH_SIZE", keys.PATCH_SIZE, "TRAIN.IM_SIZE", side)
    return ViT(
        pick(VIT_STEMS, keys.STEM_TYPE, "VIT.STEM_TYPE")(cfg),
        im_size,
        keys.PATCH_SIZE,
        keys.NUM_LAYERS,
        keys.NUM_HEADS,
        keys.HIDDEN_DIM,
        keys.MLP_DIM,
        cfg.MODEL.NUM_CLASSES,
        has_token=pick(CLASSIFIER_TYPES, keys.CLASSIFIER_TYPE, "VIT.CLASSIFIER_TYPE"),
        ln_eps=cfg.LN.EPS,
    )


def _check_divides(key: str, divisor: int, of_key: str, value: int) -> None:
    if value % divisor:
        near = max(divisor, round(value / divisor) * divisor)
        raise ValueError(f"{of_key} {value} is no multiple of {key} {divisor}; the nearest is {near}")
