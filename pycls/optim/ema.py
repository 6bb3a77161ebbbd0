"""Exponential moving average of weights and buffers."""

import copy
import math

import torch
from torch import nn

from pycls.core.dtensor import local_part


def ema_rate(ema_alpha: float, batch_size: int, max_epoch: int, update_period: int) -> float:
    """Return the share of the new weights in one update, pycls's rule, at most 1."""
    return min(1.0, ema_alpha * batch_size / max_epoch * update_period)


class EMA:
    """A copy of a model that follows it: old * (1 - rate) + new * rate every `update_period` steps of an epoch.

    During warm-up epochs the copy equals the model. Floating-point buffers (batch norm statistics) are averaged too;
    integer ones (its counter) are copied, where pycls truncates them. With `ramp` update t after the warm-up takes at
    least 9 / (10 + t) of the new weights, so that the average forgets its beginning (the rule of TensorFlow's
    ExponentialMovingAverage).
    """

    def __init__(self, model: nn.Module, rate: float, update_period: int, warmup_epochs: int, ramp: bool = False):
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.rate, self.update_period, self.warmup_epochs = rate, update_period, warmup_epochs
        self.ramp = ramp

    @torch.no_grad()
    def update(self, model: nn.Module, epoch: int, step: int, num_steps: int = 0) -> None:
        """Take in the model's weights if this step of the epoch is due (step 0, then every `update_period`).

        A ramp needs `num_steps`, the steps of an epoch.
        """
        if step % self.update_period:
            return
        rate = self._rate_at(epoch, step, num_steps)
        old, new = _entries(self.model), _entries(model)
        floats = [i for i, entry in enumerate(old) if entry.is_floating_point()]
        torch._foreach_lerp_([old[i] for i in floats], [new[i] for i in floats], rate)
        for i in set(range(len(old))) - set(floats):
            old[i].copy_(new[i])

    def _rate_at(self, epoch: int, step: int, num_steps: int) -> float:
        if epoch < self.warmup_epochs:
            return 1.0
        if not self.ramp:
            return self.rate
        assert num_steps > 0, "a ramp counts updates"
        updates = (epoch - self.warmup_epochs) * math.ceil(num_steps / self.update_period) + step // self.update_period
        return max(self.rate, 9 / (10 + updates))


def _entries(model: nn.Module) -> list[torch.Tensor]:
    return [local_part(tensor) for tensor in model.state_dict().values()]
