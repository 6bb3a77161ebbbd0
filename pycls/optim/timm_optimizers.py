"""Optimizers of timm (optional package timm): LAMB, Lion, Muon, TensorFlow's RMSprop, and lookahead around any."""

import importlib.util
from typing import Any

import torch
from yacs.config import CfgNode

Groups = list[dict]


def build_rmsprop_tf(cfg: CfgNode, groups: Groups) -> torch.optim.Optimizer:
    """Return RMSprop as TensorFlow has it (EfficientNet's): epsilon inside the root, the mean of squares from 1."""
    optim = cfg.OPTIM
    return _timm("RMSpropTF")(groups, lr=optim.BASE_LR, alpha=optim.ALPHA, momentum=optim.MOMENTUM, **_eps(cfg))


def build_lamb(cfg: CfgNode, groups: Groups) -> torch.optim.Optimizer:
    """Return LAMB (You et al. 2020) as timm's recipes use it: it clips the whole gradient to norm 1 by itself."""
    return _timm("Lamb")(groups, lr=cfg.OPTIM.BASE_LR, betas=_betas(cfg), **_eps(cfg))


def build_lion(cfg: CfgNode, groups: Groups) -> torch.optim.Optimizer:
    """Return Lion (Chen et al. 2023)."""
    return _timm("Lion")(groups, lr=cfg.OPTIM.BASE_LR, betas=_betas(cfg))


def build_muon(cfg: CfgNode, groups: Groups) -> torch.optim.Optimizer:
    """Return Muon (Jordan et al. 2024) for weights of two dimensions or more, AdamW for the rest, at one rate.

    torch.optim.Muon takes matrices only; timm's flattens convolutions too and scales updates to AdamW's size.
    """
    optim = cfg.OPTIM
    options = {"momentum": optim.MOMENTUM, "nesterov": optim.NESTEROV, "betas": _betas(cfg)}
    return _timm("Muon")(groups, lr=optim.BASE_LR, **options)


def build_lookahead(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Wrap an optimizer: every few steps the weights go back towards slow ones (Zhang et al. 2019)."""
    return _timm("Lookahead")(optimizer, alpha=cfg.OPTIM.LOOKAHEAD_ALPHA, k=cfg.OPTIM.LOOKAHEAD_STEPS)


def _timm(name: str) -> Any:
    if importlib.util.find_spec("timm") is None:
        raise ValueError(f'{name} is timm\'s, which is not installed: pip install "timm>=1.0.23" (the extra timm)')
    import timm.optim

    return getattr(timm.optim, name)


def _betas(cfg: CfgNode) -> tuple[float, float]:
    return cfg.OPTIM.BETA1, cfg.OPTIM.BETA2


def _eps(cfg: CfgNode) -> dict[str, float]:
    return {"eps": cfg.OPTIM.EPSILON} if cfg.OPTIM.EPSILON else {}
