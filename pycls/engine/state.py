"""Everything a run must remember: networks, optimizer, scaler, position, best error; and its way into a checkpoint."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config import decides, declaration, dump_cfg, flatten, load_cfg_text
from pycls.core.dtensor import load_whole, local_part, shard_like, whole, whole_state
from pycls.core.logging import get_logger
from pycls.core.machine import memory_gb
from pycls.core.weights.formats import score
from pycls.engine.network.freeze import freeze
from pycls.engine.network.fsdp import shard_network
from pycls.engine.network.precision import DTYPES
from pycls.engine.network.single_image import check_single_image
from pycls.models import build_model
from pycls.optim import build_optimizer
from pycls.optim.ema import EMA, ema_rate

logger = get_logger(__name__)


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


def check_network(cfg: CfgNode) -> None:
    """Raise the ValueErrors of network, frozen parts and optimizer; nothing is allocated, no data set is read."""
    with torch.device("meta"):
        model = build_model(cfg)
    size_gb = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()) / 1e9
    if size_gb > memory_gb():
        raise ValueError(
            f"MODEL.TYPE {cfg.MODEL.TYPE}: the network has {size_gb:,.0f} GB of weights, this machine "
            f"{memory_gb():,.0f} GB of memory; lower its widths, depths or MODEL.NUM_CLASSES"
        )
    freeze(model, cfg.TRAIN.FROZEN)
    build_optimizer(cfg, model)
    check_single_image(cfg, model)


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


def unpack_state(state: TrainState, saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Put a checkpoint back; one of another program or another run raises ValueError."""
    if "position" not in saved:
        raise ValueError(
            f"{where}: not a checkpoint of this program's training; to start from its weights set TRAIN.WEIGHTS"
        )
    _check_same_run(load_cfg_text(saved["cfg"], where), cfg, saved["position"]["epoch"], where)
    load_whole(state.model, saved["model_state"])
    if state.ema is not None:
        if saved["ema_state"] is None:
            raise ValueError(f"{where}: was saved without an EMA model; set OPTIM.EMA_UPDATE_PERIOD 0 to continue it")
        load_whole(state.ema.model, saved["ema_state"])
    _load_optimizer(state.optimizer, saved["optimizer_state"])
    if saved["scaler_state"]:
        state.scaler.load_state_dict(saved["scaler_state"])
    state.epoch, state.step = saved["position"]["epoch"], saved["position"]["step"]
    state.best_err, state.test_err, state.ema_err = saved["best_err"], saved["test_err"], saved["ema_err"]
    # Older checkpoints hold no losses: their best stays until an error is lower.
    state.best_loss = saved.get("best_loss", -math.inf if math.isfinite(state.best_err) else math.inf)
    state.test_loss, state.ema_loss = saved.get("test_loss"), saved.get("ema_loss")


# What optimizers of timm count in their groups, besides the numbers of the parameters.
_IN_GROUPS = ("params", "step", "lookahead_step")


def _load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Put moments and counters back; settings (weight decay ...) are those of the config, as the log says."""
    groups = zip(saved["param_groups"], optimizer.param_groups, strict=True)
    kept = [{**new, **{name: old[name] for name in _IN_GROUPS if name in old}} for old, new in groups]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        number: {name: shard_like(value, parameters[number]) for name, value in entries.items()}
        for number, entries in saved["state"].items()
    }
    optimizer.load_state_dict({**saved, "param_groups": kept, "state": state})


def _check_same_run(saved: CfgNode, cfg: CfgNode, epoch: int, where: str) -> None:
    """Raise ValueError for a config of another run, or one that a finished run could not follow; warn of the rest."""
    old = dict(flatten(saved))
    is_over = epoch >= cfg.OPTIM.MAX_EPOCH
    if epoch > cfg.OPTIM.MAX_EPOCH:
        raise ValueError(
            f"{where}: has {epoch} epochs, OPTIM.MAX_EPOCH is {cfg.OPTIM.MAX_EPOCH}; choose another OUT_DIR"
        )
    for key, value in flatten(cfg):
        if old[key] == value or decides(key) == "nothing":
            continue
        hint = "choose another OUT_DIR, or go on with the old value"
        if decides(key) == "network" or declaration(key).fixed:
            raise ValueError(f"{where}: belongs to a run with {key} {old[key]}, this config says {value}; {hint}")
        if is_over and not _holds_after_training(key):
            raise ValueError(f"{where}: its run ended with {key} {old[key]}, this config says {value}; {hint}")
        logger.warning("Resuming with %s %s; the run so far had %s", key, value, old[key])


def _holds_after_training(key: str) -> bool:
    """Tell whether the evaluation of a finished run may follow another value; OPTIM.MAX_EPOCH was larger."""
    of_both_phases = decides(key) == "data" and not key.startswith("TRAIN.")
    return decides(key) == "evaluation" or of_both_phases or key == "OPTIM.MAX_EPOCH"


def fingerprint(state: TrainState) -> tuple[int, int, float]:
    """Return what must be equal on every process before training: position and a sum over all weights."""
    weights = sum(whole(p.detach().abs().sum(dtype=torch.float32)).item() for p in state.model.parameters())
    return state.epoch, state.step, weights


def weights_are_finite(state: TrainState) -> bool:
    """Tell whether every weight and statistic is a finite number; reads from the device."""
    tensors = [local_part(t) for t in state.model.state_dict().values() if t.is_floating_point()]
    return bool(torch.stack([torch.isfinite(t).all() for t in tensors]).all())
