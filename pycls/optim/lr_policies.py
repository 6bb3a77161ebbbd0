"""Learning-rate policies as functions of the epoch, which may be fractional.

Each maker takes plain values and returns `epoch -> fraction of BASE_LR`; formulas as in pycls (cos: Loshchilov & Hutter
2017, section 3, without restarts).
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

Policy = Callable[[float], float]


def cos_policy(max_epoch: int, min_lr: float) -> Policy:
    """Return half a cosine from 1 to `min_lr`."""
    return lambda epoch: (1 - min_lr) * 0.5 * (1 + math.cos(math.pi * epoch / max_epoch)) + min_lr


def lin_policy(max_epoch: int, min_lr: float) -> Policy:
    """Return a straight line from 1 to `min_lr`."""
    return lambda epoch: (1 - min_lr) * (1 - epoch / max_epoch) + min_lr


def exp_policy(max_epoch: int, min_lr: float) -> Policy:
    """Return an exponential from 1 to `min_lr`, which must be positive."""
    if min_lr <= 0:
        raise ValueError(f"OPTIM.LR_POLICY exp needs OPTIM.MIN_LR above 0, got {min_lr}")
    return lambda epoch: min_lr ** (epoch / max_epoch)


def steps_policy(steps: Sequence[float], lr_mult: float) -> Policy:
    """Return `lr_mult` to the power of the number of steps passed; `steps` begins with 0."""
    return lambda epoch: lr_mult ** (bisect_right(steps, epoch) - 1)


def poly_policy(max_epoch: int, min_lr: float, power: float) -> Policy:
    """Return (1 - epoch / max_epoch) ** power, scaled to go from 1 to `min_lr`."""
    return lambda epoch: (1 - min_lr) * max(0.0, 1 - epoch / max_epoch) ** power + min_lr


def cyclic_policy(max_epoch: int, min_lr: float, start_lr: float, peak_epoch: float) -> Policy:
    """Return straight lines from `start_lr` to 1 at `peak_epoch` and on to `min_lr`, FFCV's schedule for ImageNet."""
    return _peaked(max_epoch, min_lr, start_lr, peak_epoch, lambda part: part)


def one_cycle_policy(max_epoch: int, min_lr: float, start_lr: float, peak_epoch: float) -> Policy:
    """Return half cosines from `start_lr` to 1 at `peak_epoch` and on to `min_lr` (Smith & Topin 2017, as torch's)."""
    return _peaked(max_epoch, min_lr, start_lr, peak_epoch, lambda part: 0.5 * (1 - math.cos(math.pi * part)))


def _peaked(max_epoch: int, min_lr: float, start_lr: float, peak_epoch: float, ease: Policy) -> Policy:
    """Join two ramps at the peak; `ease` maps the part of a ramp that has passed, 0..1, to that of its height."""
    if not 0 < peak_epoch < max_epoch:
        raise ValueError(f"OPTIM.PEAK_EPOCH must lie between 0 and OPTIM.MAX_EPOCH {max_epoch}, got {peak_epoch}")

    def policy(epoch: float) -> float:
        if epoch <= peak_epoch:
            return start_lr + (1 - start_lr) * ease(epoch / peak_epoch)
        return 1 + (min_lr - 1) * ease((epoch - peak_epoch) / (max_epoch - peak_epoch))

    return policy


def with_warmup(policy: Policy, warmup_epochs: int, warmup_factor: float) -> Policy:
    """Return the policy times a linear ramp from `warmup_factor` to 1 (Goyal et al. 2017, section 2.2).

    As in pycls the policy keeps decaying underneath, so that the peak is a little below 1.
    """
    if warmup_epochs == 0:
        return policy

    def ramp(epoch: float) -> float:
        alpha = min(epoch / warmup_epochs, 1.0)
        return warmup_factor * (1 - alpha) + alpha

    return lambda epoch: policy(epoch) * (ramp(epoch) if epoch < warmup_epochs else 1.0)
