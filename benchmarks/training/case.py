"""A setting in which training loops are compared, and our loop in it: the real train_epoch, fed with one batch."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from benchmarks.report import ROOT, passing_folder
from pycls.core.config import load_cfg
from pycls.core.logging import setup_logging
from pycls.core.stop_signals import StopRequest
from pycls.datasets.loader import Batch
from pycls.engine.epoch import train_epoch
from pycls.engine.network.precision import Precision
from pycls.engine.recorder import Recorder
from pycls.engine.reporting.meters import Clock, TrainMeter
from pycls.engine.run import Run, build_stepper
from pycls.engine.state import build_state
from pycls.models import build_model
from pycls.optim import build_lr_policy

LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}
COMPILE_MODES = {"eager": "default", "compiled": "default", "graphs": "reduce-overhead"}  # graphs: CUDA's
STEPS_PER_EPOCH = 5004  # ImageNet in batches of 256

_VIT_S = {"MODEL.TYPE": "vit", "VIT.NUM_HEADS": 6, "VIT.HIDDEN_DIM": 384, "VIT.MLP_DIM": 1536}
# Our config (a file or words), and the name by which timm has the network.
MODELS: dict[str, tuple[str | dict, str]] = {
    "ResNet-50": ("configs/baselines/R-50.yaml", "resnet50"),
    "RegNetY-4GF": ("configs/baselines/RegNetY-4.0GF.yaml", "regnety_040"),
    "EfficientNet-B0": ("configs/baselines/EN-B0.yaml", "efficientnet_b0"),
    "ViT-S": (_VIT_S | {"OPTIM.OPTIMIZER": "adamw", "MODEL.NUM_CLASSES": 1000}, "vit_small_patch16_224"),
}


@dataclass(frozen=True)
class Case:
    """A network, how it computes, and on what."""

    model: str  # a key of MODELS
    format: str  # fp32, bf16, fp16
    layout: str  # a key of LAYOUTS
    mode: str  # a key of COMPILE_MODES
    device: str
    size: int  # pixels a side
    batch: int
    log_period: int = 10

    def __str__(self) -> str:
        return f"{self.model}, {self.format}, {self.layout}, {self.mode}"

    @property
    def compiled(self) -> bool:
        """Tell whether torch.compile is used."""
        return self.mode != "eager"

    @cached_property
    def cfg(self) -> CfgNode:
        """The config of a run in this setting; its learning rate is small, for the labels are noise."""
        given = MODELS[self.model][0]
        words = {
            **(given if isinstance(given, dict) else {}),
            "OUT_DIR": passing_folder(),
            "DEVICE": self.device,
            "OPTIM.BASE_LR": 1e-3,
            "OPTIM.WARMUP_EPOCHS": 0,
            "OPTIM.EMA_ALPHA": 1e-3,
            "TRAIN.BATCH_SIZE": self.batch,
            "TRAIN.IM_SIZE": self.size,
            "TRAIN.LABEL_SMOOTHING": 0.1,
            "TRAIN.MIXED_PRECISION": self.format != "fp32",
            "TRAIN.AMP_DTYPE": "fp16" if self.format == "fp16" else "bf16",
            "TRAIN.CHANNELS_LAST": self.layout == "NHWC",
            "TRAIN.COMPILE": self.compiled,
            "TRAIN.COMPILE_MODE": COMPILE_MODES[self.mode],
            "TRAIN.CHECKPOINT_MINUTES": 0.0,
            "LOG_PERIOD": self.log_period,
            "LOG.TENSORBOARD": "off",
        }
        file = None if isinstance(given, dict) else str(ROOT / given)
        return load_cfg(file, [str(word) for pair in words.items() for word in pair])

    @cached_property
    def precision(self) -> Precision:
        """The number format on the device."""
        return Precision(torch.device(self.device), self.format)

    def network(self) -> nn.Module:
        """Build our network on the device, with the same weights at every call."""
        torch.manual_seed(self.cfg.RNG_SEED)
        return build_model(self.cfg).to(memory_format=LAYOUTS[self.layout]).to(self.device)

    def data(self) -> tuple[Tensor, Tensor]:
        """Return noise for images (N, 3, S, S) and labels (N,) on the device, the same at every call."""
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.batch, 3, self.size, self.size, generator=generator)
        labels = torch.randint(self.cfg.MODEL.NUM_CLASSES, (self.batch,), generator=generator)
        return images.to(self.device).to(memory_format=LAYOUTS[self.layout]), labels.to(self.device)


class Loop(Protocol):
    """A training loop on one batch."""

    model: nn.Module  # its weights

    def take(self, steps: int, start: int = 0) -> None:
        """Take so many steps, the first numbered `start`: averages and log lines fall due by that number."""

    def last_loss(self) -> float:
        """Return the loss of the last step."""


class OneBatch:
    """Stands in for a loader: the batch is on the device already."""

    def __init__(self, images: Tensor, labels: Tensor):
        self._batch = Batch(images, labels, torch.arange(len(labels)))

    def __len__(self) -> int:
        return STEPS_PER_EPOCH

    def times(self, count: int) -> Iterator[Batch]:
        """Show the batch so many times."""
        return itertools.repeat(self._batch, count)

    def reset_wait(self) -> float:
        """Return the seconds spent waiting: none."""
        return 0.0

    def close(self) -> None:
        """Do nothing."""


class OurLoop:
    """What tools/train_net.py runs between two epoch ends, its log and metrics files included."""

    def __init__(self, case: Case, images: Tensor, labels: Tensor):
        self.run = synthetic_run(case, OneBatch(images, labels))
        self.model = self.run.state.model

    def take(self, steps: int, start: int = 0) -> None:
        """See Loop."""
        self.run.state.step = start
        if start == 0:
            self.run.meter.reset()
        train_epoch(self.run, self.run.train_loader.times(steps))

    def last_loss(self) -> float:
        """See Loop; only after a step that is logged."""
        return self.run.recorder.records()[-1]["loss"]


def synthetic_run(case: Case, loader: OneBatch) -> Run:
    """Build a run as build_run does, but for the data."""
    cfg, precision = case.cfg, case.precision
    setup_logging(cfg.OUT_DIR, "file")
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK
    state = build_state(cfg, precision.device, precision.scaler())
    return Run(
        cfg=cfg,
        state=state,
        stepper=build_stepper(cfg, state, precision),
        precision=precision,
        train_loader=loader,
        test_loader=loader,
        lr_policy=build_lr_policy(cfg),
        meter=TrainMeter(cfg.LOG_PERIOD, cfg.TRAIN.BATCH_SIZE, precision.device),
        recorder=Recorder(cfg, precision.device, len(loader)),
        stop=StopRequest(),
        clock=Clock(cfg.TRAIN.BATCH_SIZE),
    )
