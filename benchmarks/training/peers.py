"""The training loops of others, by their method, on a batch that is on the device already.

Written from the published training scripts: pycls's trainer (main, 2023), torchvision's references/classification and
timm's (1.0), which is built of functions of timm that are called here. All get the same network, optimizer
settings and label smoothing; what differs is what each does in an iteration, and in what order:

- pycls: looks at the labels on the host, makes rows of targets, reads loss and both errors every iteration, averages
  the weights tensor by tensor every 32 iterations.
- torchvision: reads loss and both accuracies every iteration, averages by swa_utils every 32 iterations.
- timm: reads the loss every iteration, computes no accuracy, averages by one foreach call every iteration. Fused
  optimizer on CUDA (--opt-kwargs fused=True), as it is the fastest.

Gradients are scaled for fp16 alone, in all loops.
"""

import copy
from collections import deque
from collections.abc import Callable
from statistics import median

import timm
import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter, ModelEmaV3, NativeScaler, accuracy
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from benchmarks.training.case import COMPILE_MODES, LAYOUTS, MODELS, Case, Loop
from pycls.optim.ema import ema_rate

WINDOW = 10


class Diary:
    """The figures of an iteration, read from the device; a line of their medians when one is due."""

    def __init__(self, period: int):
        self._period = period
        self._windows: dict[str, deque[float]] = {}
        self.lines: deque[str] = deque(maxlen=100)

    def note(self, step: int, **figures: float) -> None:
        """Take in the figures of a step."""
        for name, value in figures.items():
            self._windows.setdefault(name, deque(maxlen=WINDOW)).append(value)
        if (step + 1) % self._period == 0:
            self.lines.append(", ".join(f"{name} {median(values):.4f}" for name, values in self._windows.items()))

    def last(self, name: str) -> float:
        """Return the newest value."""
        return self._windows[name][-1]


class Peer:
    """What the loops of others share."""

    def __init__(self, case: Case, images: Tensor, labels: Tensor, model: nn.Module | None = None):
        self.case, self.images, self.labels = case, images, labels
        self.model = (case.network() if model is None else model).train()
        self.net = torch.compile(self.model, mode=COMPILE_MODES[case.mode]) if case.compiled else self.model
        self.diary = Diary(case.log_period)
        self.rate = ema_rate(case.cfg.OPTIM.EMA_ALPHA, case.batch, case.cfg.OPTIM.MAX_EPOCH, self.period)

    @property
    def period(self) -> int:
        """Iterations between averages of the weights."""
        return self.case.cfg.OPTIM.EMA_UPDATE_PERIOD

    def take(self, steps: int, start: int = 0) -> None:
        """See Loop."""
        for number in range(start, start + steps):
            self.iterate(number)

    def iterate(self, number: int) -> None:
        """Take one step."""
        raise NotImplementedError

    def last_loss(self) -> float:
        """See Loop."""
        return self.diary.last("loss")


class PyclsLoop(Peer):
    """pycls's."""

    def __init__(self, case: Case, images: Tensor, labels: Tensor):
        super().__init__(case, images, labels)
        self.average = copy.deepcopy(self.model)
        self.optimizer = torch_optimizer(case, self.model)
        self.scaler = case.precision.scaler()

    def iterate(self, number: int) -> None:
        """Take one step."""
        targets = self.targets()
        with self.case.precision.autocast():
            logits = self.net(self.images)
            loss = (-targets * logits.log_softmax(1)).sum() / len(targets)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if number % self.period == 0:
            self.update_average()
        top1, top5 = (1 - share / 100 for share in accuracy(logits, self.labels, (1, 5)))
        self.diary.note(number, loss=loss.item(), top1_err=100 * top1.item(), top5_err=100 * top5.item())

    def targets(self) -> Tensor:
        """Return smoothed rows (N, K), after a look at the labels."""
        num_classes, smoothing = self.case.cfg.MODEL.NUM_CLASSES, self.case.cfg.TRAIN.LABEL_SMOOTHING
        if self.labels.max() >= num_classes:
            raise ValueError("a label is out of range")
        off = smoothing / num_classes
        rows = torch.full((len(self.labels), num_classes), off, device=self.labels.device)
        return rows.scatter_(1, self.labels[:, None], 1 - smoothing + off)

    @torch.no_grad()
    def update_average(self) -> None:
        """Average weights and statistics, one tensor after the other."""
        new = self.model.state_dict()
        for name, old in self.average.state_dict().items():
            old.copy_(old * (1 - self.rate) + new[name] * self.rate)


class TorchvisionLoop(Peer):
    """That of torchvision's references."""

    def __init__(self, case: Case, images: Tensor, labels: Tensor):
        super().__init__(case, images, labels)
        rate = self.rate
        self.average = AveragedModel(
            self.model, case.device, lambda old, new, count: old * (1 - rate) + new * rate, use_buffers=True
        )
        self.criterion = nn.CrossEntropyLoss(label_smoothing=case.cfg.TRAIN.LABEL_SMOOTHING)
        self.optimizer = torch_optimizer(case, self.model)
        self.scaler = case.precision.scaler()

    def iterate(self, number: int) -> None:
        """Take one step."""
        with self.case.precision.autocast():
            logits = self.net(self.images)
            loss = self.criterion(logits, self.labels)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if number % self.period == 0:
            self.average.update_parameters(self.model)
        top1, top5 = accuracy(logits, self.labels, (1, 5))
        self.diary.note(number, loss=loss.item(), acc1=top1.item(), acc5=top5.item())


class TimmLoop(Peer):
    """That of timm's script with --amp, --channels-last, --torchcompile as the case says."""

    def __init__(self, case: Case, images: Tensor, labels: Tensor, model: nn.Module | None = None):
        super().__init__(case, images, labels, model)
        optim = case.cfg.OPTIM
        self.average = ModelEmaV3(self.model, decay=1 - self.rate)
        self.criterion = LabelSmoothingCrossEntropy(case.cfg.TRAIN.LABEL_SMOOTHING)
        options = {"momentum": optim.MOMENTUM} if optim.OPTIMIZER == "sgd" else {"betas": (optim.BETA1, optim.BETA2)}
        self.optimizer = create_optimizer_v2(
            self.model,
            optim.OPTIMIZER,
            lr=optim.BASE_LR,
            weight_decay=optim.WEIGHT_DECAY,
            filter_bias_and_bn=False,
            **options,
            **({"fused": True} if case.device == "cuda" else {}),
        )
        self.scaler = NativeScaler(case.device) if case.format == "fp16" else None
        self.losses = AverageMeter()
        self.optimizer.zero_grad()

    def iterate(self, number: int) -> None:
        """Take one step."""
        images = self.images
        if self.case.layout == "NHWC":
            images = images.contiguous(memory_format=torch.channels_last)
        with self.case.precision.autocast():
            loss = self.criterion(self.net(images), self.labels)
        if self.scaler:
            self.scaler(loss, self.optimizer, parameters=self.model.parameters())
        else:
            loss.backward()
            self.optimizer.step()
        self.losses.update(loss.item(), len(images))
        self.optimizer.zero_grad()
        self.average.update(self.model)
        self.diary.note(number, loss=self.losses.val)


def timm_network_loop(case: Case, images: Tensor, labels: Tensor) -> Loop:
    """Return timm's loop around timm's own network of the name."""
    name = MODELS[case.model][1]
    size = {"img_size": case.size} if name.startswith("vit") else {}
    model = timm.create_model(name, num_classes=case.cfg.MODEL.NUM_CLASSES, **size)
    return TimmLoop(case, images, labels, model.to(memory_format=LAYOUTS[case.layout]).to(case.device))


def torch_optimizer(case: Case, model: nn.Module) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer as it comes, which is what pycls and torchvision use."""
    optim = case.cfg.OPTIM
    options = {"lr": optim.BASE_LR, "weight_decay": optim.WEIGHT_DECAY}
    if optim.OPTIMIZER == "adamw":
        return torch.optim.AdamW(model.parameters(), betas=(optim.BETA1, optim.BETA2), **options)
    assert optim.OPTIMIZER == "sgd", "the four networks are trained with these two"
    return torch.optim.SGD(model.parameters(), momentum=optim.MOMENTUM, nesterov=optim.NESTEROV, **options)


PEERS: dict[str, Callable[[Case, Tensor, Tensor], Loop]] = {
    "pycls's loop": PyclsLoop,
    "torchvision's loop": TorchvisionLoop,
    "timm's loop": TimmLoop,
    "timm's loop and network": timm_network_loop,
}
