"""ResNet and ResNeXt as AnyNets (He et al., arXiv 1512.03385; Xie et al., arXiv 1611.05431)."""

from collections.abc import Callable

from torch import nn
from yacs.config import CfgNode

from pycls.core.registry import pick
from pycls.models.anynet import AnyNet, pick_pooling, pooled_block
from pycls.models.layers.basic import build_style
from pycls.models.layers.blocks import ResBasicBlock, ResBottleneckBlock, Stage
from pycls.models.layers.checks import SMALL_IMAGE_DATASETS, check_im_size, is_small
from pycls.models.layers.stems import STEMS

TRANSFORMS = {"basic_transform": ResBasicBlock, "bottleneck_transform": ResBottleneckBlock}

IMAGENET_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def cifar_stages(depth: int) -> list[Stage]:
    """Return the 3 stages of a CIFAR network of `depth` = 6n + 2 layers; ValueError for other depths."""
    if depth < 8 or (depth - 2) % 6:
        near = max(8, round((depth - 2) / 6) * 6 + 2)
        raise ValueError(
            f"MODEL.DEPTH: {depth} is no depth of a CIFAR-style resnet; expected 6n + 2 such as 20, 32, 44, 56, 110 "
            f"(nearest: {near})"
        )
    num_blocks = (depth - 2) // 6
    return [Stage(num_blocks, width, stride) for width, stride in ((16, 1), (32, 2), (64, 2))]


def imagenet_stages(depth: int, num_groups: int, width_per_group: int, stride_1x1: bool) -> list[Stage]:
    """Return the 4 stages of an ImageNet network; ValueError for depths other than 50, 101 and 152."""
    if depth not in IMAGENET_DEPTHS:
        choices = ", ".join(map(str, IMAGENET_DEPTHS))
        near = min(IMAGENET_DEPTHS, key=lambda known: abs(known - depth))
        raise ValueError(
            f"MODEL.DEPTH: {depth} is no depth of an ImageNet resnet; expected {choices} (nearest: {near}); "
            f"6n + 2 belongs to the small data sets ({', '.join(SMALL_IMAGE_DATASETS)})"
        )
    stages = []
    for i, num_blocks in enumerate(IMAGENET_DEPTHS[depth]):
        # 256 is a power of two, so the multiplier is exact: width_b = num_groups * width_per_group * 2^i.
        bot_mul = num_groups * width_per_group / 256
        stages.append(Stage(num_blocks, 256 * 2**i, 1 if i == 0 else 2, bot_mul, width_per_group * 2**i, stride_1x1))
    return stages


def build_resnet(cfg: CfgNode) -> AnyNet:
    """Build the network of MODEL.DEPTH and the RESNET keys: (N, 3, S, S) -> (N, K); TRAIN.DATASET picks the variant."""
    block: Callable[..., nn.Module] = pick(TRANSFORMS, cfg.RESNET.TRANS_FUN, "RESNET.TRANS_FUN")
    small = is_small(cfg)
    stages = _build_small_stages(cfg) if small else _build_imagenet_stages(cfg)
    stem = STEMS["res_stem_cifar" if small else "res_stem_in"]
    check_im_size(cfg.TRAIN.IM_SIZE, 4 if small else 32)
    pooling = pick_pooling(cfg.RESNET.POOL, "RESNET.POOL")
    if pooling:
        block = pooled_block(block, pooling, "RESNET.POOL")
    stem_w, num_classes = 16 if small else 64, cfg.MODEL.NUM_CLASSES
    return AnyNet(stem, stem_w, block, stages, num_classes, style=build_style(cfg), pooling=pooling)


def _build_small_stages(cfg: CfgNode) -> list[Stage]:
    if cfg.RESNET.TRANS_FUN != "basic_transform":
        raise ValueError(
            f"RESNET.TRANS_FUN: the resnet for TRAIN.DATASET {cfg.TRAIN.DATASET} has basic_transform only, "
            f"got {cfg.RESNET.TRANS_FUN}"
        )
    return cifar_stages(cfg.MODEL.DEPTH)


def _build_imagenet_stages(cfg: CfgNode) -> list[Stage]:
    keys = cfg.RESNET
    return imagenet_stages(cfg.MODEL.DEPTH, keys.NUM_GROUPS, keys.WIDTH_PER_GROUP, keys.STRIDE_1X1)
