"""Everything a run must remember: networks, optimizer, scaler, position, best error; their way into a checkpoint."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config import dump_cfg
from pycls.core.dtensor import local_part, whole, whole_state
from pycls.core.weights.formats import score
from pycls.core.weights.usable import num_bytes
from pycls.engine.network.freeze import freeze
from pycls.engine.network.fsdp import shard_network
from pycls.engine.network.precision import DTYPES
from pycls.engine.network.single_image import check_single_image
from pycls.engine.network.step_memory import check_training_step
from pycls.models import build_model
from pycls.models.complexity.size import check_weights
from pycls.optim import build_optimizer
from pycls.optim.ema import EMA, ema_rate


@dataclass
class TrainState:
    """The state of a run; `epoch` and `step` say which step comes next, both from 0."""

    model: nn.Module
    ema: EMA | None
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    epoch: int = 0
    step: int = 0
    best_err: float = math.inf  # percent top-1, of the model or its EMA, whichever was better
    best_loss: float = math.inf
    test_err: float | None = None  # percent top-1 after the last finished epoch; None: it was not evaluated
    test_loss: float | None = None
    ema_err: float | None = None
    ema_loss: float | None = None

    def is_best(self, err: float, loss: float) -> bool:
        """Tell whether an evaluation is better than all before: its error, or among equal errors its loss, is lower."""
        return score(err, loss) < score(self.best_err, self.best_loss)


def evaluation_is_due(cfg: CfgNode, epoch: int) -> bool:
    """Tell whether an epoch, from 0, ends with an evaluation: every TRAIN.EVAL_PERIOD-th one does, and the last."""
    return (epoch + 1) % cfg.TRAIN.EVAL_PERIOD == 0 or epoch + 1 == cfg.OPTIM.MAX_EPOCH


def network_bytes(cfg: CfgNode) -> int:
    """Return the size of a config's network, of which nothing is allocated."""
    with torch.device("meta"):
        return num_bytes(build_model(cfg))


def check_network(cfg: CfgNode) -> None:
    """Raise the ValueErrors of network, frozen parts and optimizer; nothing is allocated, no data set is read.

    So does what would not fit into memory: the weights, and on a CPU, where a GPU would say so itself, a step.
    """
    with torch.device("meta"):
        model = build_model(cfg)
    check_weights(model, f"MODEL.TYPE {cfg.MODEL.TYPE}")
    freeze(model, cfg.TRAIN.FROZEN)
    build_optimizer(cfg, model)
    check_single_image(cfg, model)
    check_training_step(cfg, model)


def build_state(cfg: CfgNode, device: torch.device, scaler: torch.amp.GradScaler) -> TrainState:
    """Build the networks from RNG_SEED alone (the same on every process), and the optimizer.

    Networks to be sharded are built in the host's memory: whole they may not fit on the device.
    """
    torch.manual_seed(cfg.RNG_SEED)
    model = build_model(cfg)
    if cfg.TRAIN.CHANNELS_LAST is True:  # auto is settled before a run is built
        model = model.to(memory_format=torch.channels_last)
    if cfg.BN.SYNC:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    model = model.to("cpu" if cfg.FSDP.ENABLED else device)
    freeze(model, cfg.TRAIN.FROZEN)
    ema = build_ema(cfg, model)
    if cfg.FSDP.ENABLED:
        for network in [model, ema.model] if ema else [model]:
            shard(cfg, network, device)
    return TrainState(model, ema, build_optimizer(cfg, model), scaler)


def shard(cfg: CfgNode, model: nn.Module, device: torch.device) -> None:
    """Move a network to the device and shard it as the FSDP keys say, in place."""
    dtype = DTYPES[cfg.TRAIN.AMP_DTYPE] if cfg.TRAIN.MIXED_PRECISION else None
    shard_network(model, device, dtype, cfg.FSDP.RESHARD_AFTER_FW, cfg.FSDP.LAYER_NORM_FP32)


def build_ema(cfg: CfgNode, model: nn.Module) -> EMA | None:
    """Build the moving average of a model, None when OPTIM.EMA_UPDATE_PERIOD is 0."""
    optim = cfg.OPTIM
    if optim.EMA_UPDATE_PERIOD == 0:
        return None
    rate = ema_rate(optim.EMA_ALPHA, cfg.TRAIN.BATCH_SIZE, optim.MAX_EPOCH, optim.EMA_UPDATE_PERIOD)
    return EMA(model, rate, optim.EMA_UPDATE_PERIOD, optim.WARMUP_EPOCHS, optim.EMA_RAMP)


def pack_state(state: TrainState, cfg: CfgNode, meter: dict, **about: Any) -> dict[str, Any]:
    """Return the checkpoint, tensors and plain types only, with pycls's names; `epoch` is the last finished one.

    `about` is what else it says of the run: classes, pixels, data.

    All processes call this, for the main one to have all of a sharded state.
    """
    return {
        "epoch": state.epoch - 1,
        "position": {"epoch": state.epoch, "step": state.step},
        "test_err": state.test_err,
        "test_loss": state.test_loss,
        "ema_err": state.ema_err,
        "ema_loss": state.ema_loss,
        "best_err": state.best_err,
        "best_loss": state.best_loss,
        "model_state": whole_state(state.model.state_dict()),
        "ema_state": whole_state(state.ema.model.state_dict()) if state.ema else None,
        "optimizer_state": whole_state(state.optimizer.state_dict()),
        "scaler_state": state.scaler.state_dict(),
        "meter": meter,
        "cfg": dump_cfg(cfg),
        "torch": str(torch.__version__),
        **about,
    }


def fingerprint(state: TrainState) -> tuple[int, int, float]:
    """Return what must be equal on every process before training: position and a sum over all weights."""
    weights = sum(whole(p.detach().abs().sum(dtype=torch.float32)).item() for p in state.model.parameters())
    return state.epoch, state.step, weights


def weights_are_finite(state: TrainState) -> bool:
    """Tell whether every weight and statistic is a finite number; reads from the device."""
    tensors = [local_part(t) for t in state.model.state_dict().values() if t.is_floating_point()]
    return bool(torch.stack([torch.isfinite(t).all() for t in tensors]).all())
