"""The parts of a training run, built from the config once and shared by the functions that train."""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.async_save import Background
from pycls.core.atomic_io import set_aside
from pycls.core.checkpoint import Newest, folders_aside, remove_temporaries
from pycls.core.dtensor import is_sharded
from pycls.core.logging import get_logger
from pycls.core.registry import printable
from pycls.core.stop_signals import StopRequest
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.usable import num_bytes
from pycls.datasets import build_loader
from pycls.datasets.loader import Loader
from pycls.datasets.mix import Mixer, build_mixer
from pycls.datasets.readers.samples import Samples
from pycls.datasets.sources.split_names import is_none
from pycls.engine.checks import check_all_equal, check_ranks_agree
from pycls.engine.identity import check_classes, check_data, data_identity, network_differences
from pycls.engine.network.activation_checkpointing import recompute_blocks
from pycls.engine.network.compile import compile_for_training
from pycls.engine.network.ddp import distribute
from pycls.engine.network.freeze import check_frozen, set_train_mode
from pycls.engine.network.precision import Precision, pick_precision
from pycls.engine.pixels.other_view import warn_of_other_pixels
from pycls.engine.recorder import Recorder
from pycls.engine.reporting.meters import Clock, TrainMeter
from pycls.engine.restoring.restore import newest_state, unpack_state
from pycls.engine.state import TrainState, build_state, fingerprint
from pycls.engine.step import Stepper
from pycls.engine.weights_file import fill_network, weights_file
from pycls.losses import Loss, build_loss, build_train_loss
from pycls.models import build_model
from pycls.optim import build_lr_policy

logger = get_logger(__name__)


@dataclass
class Run:
    """A training run on this process."""

    cfg: CfgNode
    state: TrainState
    stepper: Stepper
    precision: Precision
    train_loader: Loader
    test_loader: Loader | None  # None: there are no test images (TEST.SPLIT none)
    lr_policy: Callable[[float], float]
    meter: TrainMeter
    recorder: Recorder
    stop: StopRequest
    clock: Clock
    mixer: Mixer | None = None
    data: dict[str, list[int]] = field(default_factory=dict)  # which images: see identity.py
    saver: Background = field(default_factory=lambda: Background("pycls-saver"))
    last_save: float = field(default_factory=time.monotonic)

    @property
    def known_test_loader(self) -> Loader:
        """The loader of the test images where the caller knows that there are some."""
        assert self.test_loader is not None
        return self.test_loader

    @property
    def test_samples(self) -> Samples | None:
        """The test images, if there are any."""
        return None if self.test_loader is None else self.test_loader.samples

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step of the current epoch."""
        fraction = step / len(self.train_loader) if self.cfg.OPTIM.LR_PER_ITER else 0.0
        return self.lr_policy(self.state.epoch + fraction)

    def set_train_mode(self) -> None:
        """Put the network, as it is called, into training mode; frozen parts stay as in evaluation."""
        self.stepper.net.train()
        set_train_mode(self.state.model, self.cfg.TRAIN.FROZEN)

    def close(self) -> None:
        """Finish saving, stop loader workers and close files."""
        if error := self.saver.close():
            logger.error("%s", error)  # beside the one that ends the run
        for loader in (self.train_loader, self.test_loader):
            if loader is not None:
                loader.close()
        self.recorder.close()


def build_run(cfg: CfgNode, device: torch.device, stop: StopRequest) -> Run:
    """Build every part; the same on all processes."""
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    train_loader = build_loader(cfg, "train", device)
    test_loader = None if is_none(cfg.TEST.SPLIT) else build_loader(cfg, "test", device)
    samples = [loader.samples for loader in (train_loader, test_loader) if loader is not None]
    check_classes(samples[0].classes, samples[-1].classes, "training data")
    check_ranks_agree(cfg, list(map(len, samples)))
    state = build_state(cfg, device, precision.scaler())
    return Run(
        cfg=cfg,
        state=state,
        stepper=build_stepper(cfg, state, precision, build_train_loss(cfg, train_loader.samples.labels)),
        precision=precision,
        train_loader=train_loader,
        test_loader=test_loader,
        lr_policy=build_lr_policy(cfg),
        meter=TrainMeter(min(cfg.LOG_PERIOD, len(train_loader)), cfg.TRAIN.BATCH_SIZE, device),
        recorder=Recorder(cfg, device, len(train_loader)),
        stop=stop,
        clock=Clock(cfg.TRAIN.BATCH_SIZE),
        mixer=build_mixer(cfg),
        data=data_identity(*samples),
    )


def build_stepper(
    cfg: CfgNode, state: TrainState, precision: Precision, loss_fn: Loss | None = None, net: nn.Module | None = None
) -> Stepper:
    """Build the optimization step around the state's network; the loss, unless given, has no class weights.

    `net`: the network as it is called; by default as training calls it, which all processes must do together.
    """
    if cfg.TRAIN.ACTIVATION_CHECKPOINT:
        recompute_blocks(state.model)
    return Stepper(
        net=compile_for_training(distribute(state.model, precision.device), cfg) if net is None else net,
        loss_fn=loss_fn or build_loss(cfg),
        optimizer=state.optimizer,
        scaler=state.scaler,
        precision=precision,
        accum_steps=cfg.OPTIM.ACCUM_STEPS,
        grad_clip=cfg.OPTIM.GRAD_CLIP,
        sam_rho=cfg.OPTIM.SAM_RHO,
    )


def resume(run: Run) -> None:
    """Continue from the newest readable checkpoint of OUT_DIR, or start from TRAIN.WEIGHTS, or from scratch."""
    cfg, state = run.cfg, run.state
    if distributed.is_main():
        remove_temporaries(cfg.OUT_DIR)
    newest = newest_state(state, cfg, run.data, len(run.train_loader))
    if newest and not cfg.TRAIN.AUTO_RESUME:
        hint = "choose another, or set TRAIN.AUTO_RESUME True to go on"
        raise ValueError(f"OUT_DIR {cfg.OUT_DIR} already holds a run ({newest.path}); {hint}")
    if newest:
        saved, path = newest.saved, newest.path
        unpack_state(state, saved, cfg, str(path))
        check_classes(saved["classes"], run.train_loader.samples.classes, str(path))
        warn_of_other_pixels(saved["pixels"], cfg, str(path))
        check_data(saved.get("data", {}), run.data, state.step, str(path))
        run.meter.load_state(saved["meter"])
        logger.info(resume_line(cfg, state, path))
    elif cfg.TRAIN.WEIGHTS:
        start_from_weights(cfg, state)
    check_all_equal("state (is OUT_DIR one folder for all processes?)", fingerprint(state))
    if newest and distributed.is_main():
        _tell_of_lost(newest, state, run.recorder.reached())
    run.recorder.resume_at(state.epoch, state.step)
    if state.epoch < cfg.OPTIM.MAX_EPOCH:
        run.recorder.introduce(describable(cfg, state.model), run.train_loader.samples, run.test_samples)


def _tell_of_lost(newest: Newest, state: TrainState, reached: int) -> None:
    """Say which checkpoints are passed over, and what that costs; they are kept under other names.

    `reached`: the epochs that were finished, as the records say.
    """
    for path, reason in newest.passed_over.items():
        logger.warning("%s; passed over, and kept as %s", reason, set_aside(path).name)
    for path, aside in folders_aside(newest.path.parent.parent).items():
        logger.warning("%s: is a folder where checkpoints are written; kept as %s", path, aside.name)
    if newest.passed_over:
        lost = max(0, reached - state.epoch)
        what = "1 finished epoch" if lost == 1 else f"{lost} finished epochs" if lost else "the steps since then"
        logger.warning("%s is the newest that can be used; trained again: %s", newest.path, what)


def start_from_weights(cfg: CfgNode, state: TrainState) -> None:
    """Fill network and EMA with TRAIN.WEIGHTS; the log says what they are, and what of them is left out."""
    path = weights_file(cfg.TRAIN.WEIGHTS, cfg.DOWNLOAD_CACHE, "TRAIN.WEIGHTS")
    saved = load_tensor_file(path, lambda: num_bytes(state.model))
    report = fill_network(state.model, cfg, saved, path, "part" if cfg.TRAIN.WEIGHTS_PARTIAL else "backbone")
    check_frozen(cfg.TRAIN.FROZEN, report.fresh, str(path))
    left_out = report.left_out()
    (logger.warning if left_out else logger.info)("%s: %s", path, report)
    for words in [*left_out, *network_differences(saved, cfg, str(path))]:
        logger.warning("%s: %s", path, words)
    if state.ema:
        state.ema.model.load_state_dict(state.model.state_dict())


def resume_line(cfg: CfgNode, state: TrainState, path: Path) -> str:
    """Return in words where a run goes on, or that it is finished and how to start another."""
    if state.epoch < cfg.OPTIM.MAX_EPOCH:
        return f"Resuming from {path} at epoch {state.epoch + 1} of {cfg.OPTIM.MAX_EPOCH}, step {state.step + 1}"
    out_dir = printable(shlex.quote(cfg.OUT_DIR))
    return (
        f"{out_dir} holds this run, finished ({state.epoch} epochs): nothing is left to train, it is evaluated again. "
        f"To start anew: rm -r {out_dir}, or another OUT_DIR"
    )


def describable(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """Return the network, or its like without data if it is sharded, as such a one cannot be copied."""
    if not is_sharded(next(model.parameters())):
        return model
    with torch.device("meta"):
        return build_model(cfg)
