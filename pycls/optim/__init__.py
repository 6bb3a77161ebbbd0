"""Optimizers, learning-rate policies and the moving average of weights."""

from collections.abc import Callable

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.dtensor import is_sharded
from pycls.core.registry import pick
from pycls.optim.lr_policies import (
    Policy,
    cos_policy,
    cyclic_policy,
    exp_policy,
    lin_policy,
    one_cycle_policy,
    poly_policy,
    steps_policy,
    with_warmup,
)
from pycls.optim.param_groups import lr_scales, param_groups
from pycls.optim.timm_optimizers import build_lamb, build_lion, build_lookahead, build_muon, build_rmsprop_tf


def build_sgd(cfg: CfgNode, groups: list[dict]) -> torch.optim.Optimizer:
    """Return SGD with momentum."""
    optim = cfg.OPTIM
    options = {"momentum": optim.MOMENTUM, "dampening": optim.DAMPENING, "nesterov": optim.NESTEROV}
    if optim.NESTEROV and (optim.MOMENTUM <= 0 or optim.DAMPENING != 0):
        raise ValueError(
            "OPTIM.NESTEROV True needs OPTIM.MOMENTUM above 0 and OPTIM.DAMPENING 0; set OPTIM.NESTEROV False"
        )
    kernel = _kernel(groups) if optim.DAMPENING == 0 else {}
    sgd = torch.optim.SGD(groups, lr=optim.BASE_LR, **kernel, **options)
    if kernel.get("fused") and optim.MOMENTUM > 0:
        _zero_momentum(sgd)
    return sgd


def _zero_momentum(sgd: torch.optim.SGD) -> None:
    """Start from zero momentum, which without dampening gives the same first step.

    The fused kernel leaves its buffers uninitialized when fp16's scaler skips the first step.
    """
    for group in sgd.param_groups:
        for parameter in group["params"]:
            sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def build_adam(cfg: CfgNode, groups: list[dict]) -> torch.optim.Optimizer:
    """Return Adam with L2 weight decay."""
    return torch.optim.Adam(groups, lr=cfg.OPTIM.BASE_LR, betas=_betas(cfg), **_kernel(groups))


def build_adamw(cfg: CfgNode, groups: list[dict]) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""
    return torch.optim.AdamW(groups, lr=cfg.OPTIM.BASE_LR, betas=_betas(cfg), **_kernel(groups))


def build_rmsprop(cfg: CfgNode, groups: list[dict]) -> torch.optim.Optimizer:
    """Return RMSprop as PyTorch has it: epsilon outside the root, the mean of squares starting from 0."""
    optim = cfg.OPTIM
    options = {"alpha": optim.ALPHA, "momentum": optim.MOMENTUM, **({"eps": optim.EPSILON} if optim.EPSILON else {})}
    return torch.optim.RMSprop(groups, lr=optim.BASE_LR, **options)


def _betas(cfg: CfgNode) -> tuple[float, float]:
    return cfg.OPTIM.BETA1, cfg.OPTIM.BETA2


def _kernel(groups: list[dict]) -> dict[str, bool]:
    """One pass over all parameters on CUDA and CPU; operation by operation where they are sharded."""
    parameters = [parameter for group in groups for parameter in group["params"]]
    if is_sharded(parameters[0]):
        return {"foreach": True}
    return {"fused": True} if {p.device.type for p in parameters} in ({"cuda"}, {"cpu"}) else {}


OPTIMIZERS: dict[str, Callable[[CfgNode, list[dict]], torch.optim.Optimizer]] = {
    "sgd": build_sgd,
    "adam": build_adam,
    "adamw": build_adamw,
    "rmsprop": build_rmsprop,
    "rmsprop_tf": build_rmsprop_tf,
    "lamb": build_lamb,
    "lion": build_lion,
    "muon": build_muon,
}

LR_POLICIES: dict[str, Callable[[CfgNode], Policy]] = {
    "cos": lambda cfg: cos_policy(cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.MIN_LR),
    "exp": lambda cfg: exp_policy(cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.MIN_LR),
    "lin": lambda cfg: lin_policy(cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.MIN_LR),
    "steps": lambda cfg: steps_policy(cfg.OPTIM.STEPS, cfg.OPTIM.LR_MULT),
    "poly": lambda cfg: poly_policy(cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.MIN_LR, cfg.OPTIM.LR_POWER),
    "cyclic": lambda cfg: cyclic_policy(*_peak(cfg)),
    "one_cycle": lambda cfg: one_cycle_policy(*_peak(cfg)),
}


def _peak(cfg: CfgNode) -> tuple[int, float, float, float]:
    optim = cfg.OPTIM
    if optim.WARMUP_EPOCHS:
        raise ValueError(f"OPTIM.LR_POLICY {optim.LR_POLICY} rises by itself; set OPTIM.WARMUP_EPOCHS 0")
    return optim.MAX_EPOCH, optim.MIN_LR, optim.START_LR, optim.PEAK_EPOCH


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over the model's parameters, in weight-decay groups (bn, ln, bias, rest)."""
    optim = cfg.OPTIM
    decays = {
        "bn": cfg.BN.CUSTOM_WEIGHT_DECAY if cfg.BN.USE_CUSTOM_WEIGHT_DECAY else optim.WEIGHT_DECAY,
        "ln": cfg.LN.CUSTOM_WEIGHT_DECAY if cfg.LN.USE_CUSTOM_WEIGHT_DECAY else optim.WEIGHT_DECAY,
        "bias": optim.BIAS_CUSTOM_WEIGHT_DECAY if optim.BIAS_USE_CUSTOM_WEIGHT_DECAY else optim.WEIGHT_DECAY,
        "rest": optim.WEIGHT_DECAY,
    }
    groups = param_groups(model, decays, lr_scales(model, optim.BACKBONE_LR_RATIO, optim.LAYER_DECAY))
    return optimizer_over(cfg, groups)


def optimizer_over(cfg: CfgNode, groups: list[dict]) -> torch.optim.Optimizer:
    """Return the optimizer over groups of parameters, each with its `weight_decay` and `lr_scale`."""
    optimizer = pick(OPTIMIZERS, cfg.OPTIM.OPTIMIZER, "OPTIM.OPTIMIZER")(cfg, groups)
    return build_lookahead(cfg, optimizer) if cfg.OPTIM.LOOKAHEAD_STEPS else optimizer


def build_lr_policy(cfg: CfgNode) -> Callable[[float], float]:
    """Return `epoch -> learning rate`; the epoch counts from 0 and may be fractional."""
    shape = pick(LR_POLICIES, cfg.OPTIM.LR_POLICY, "OPTIM.LR_POLICY")(cfg)
    policy = with_warmup(shape, cfg.OPTIM.WARMUP_EPOCHS, cfg.OPTIM.WARMUP_FACTOR)
    base_lr = cfg.OPTIM.BASE_LR
    return lambda epoch: policy(epoch) * base_lr
