"""One optimization step: forward, backward, update. Nothing in it waits for the device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pycls.engine.network.ddp import gradients_kept_local
from pycls.engine.network.precision import Precision
from pycls.losses import Loss
from pycls.optim.sam import climb


@dataclass(frozen=True)
class Stepper:
    """What a step needs; `net` is the network as it is called (compiled, distributed)."""

    net: nn.Module
    loss_fn: Loss
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    precision: Precision
    accum_steps: int = 1
    grad_clip: float = 0.0
    sam_rho: float = 0.0

    def step(self, images: Tensor, targets: Tensor, lr: float) -> tuple[Tensor, Tensor]:
        """Take one step on images (N, 3, S, S) and targets (N, K); return mean loss () and logits (N, K), detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
        loss, logits = self._backward(images, targets)
        if self.sam_rho:
            go_back = climb(self.net, self.sam_rho)  # the scaler's factor cancels out
            self._backward(images, targets)
            go_back()
        self._update()
        return loss, logits

    def _backward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Put the gradient into the weights' `grad`; return mean loss () and logits (N, K), detached."""
        self.optimizer.zero_grad(set_to_none=True)
        losses, logits = [], []
        pieces = list(zip(images.chunk(self.accum_steps), targets.chunk(self.accum_steps), strict=True))
        share = 1 / len(pieces)
        for number, (x, y) in enumerate(pieces):
            with gradients_kept_local(self.net, number + 1 < len(pieces)):
                with self.precision.autocast():
                    out = self.net(x)  # (N / accum_steps, K)
                    loss = self.loss_fn(out, y)
                self.scaler.scale(loss * share).backward()
            losses.append(loss.detach())
            logits.append(out.detach())
        return torch.stack(losses).mean(), torch.cat(logits)

    def _update(self) -> None:
        if self.grad_clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_((p for g in self.optimizer.param_groups for p in g["params"]), self.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Seed dropout and stochastic depth of one step, so that they do not depend on what ran before."""
    words = np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]) & (2**63 - 1))
