"""What each switch of our training step is worth: the step as it is configured, and with one thing changed.

    python -m benchmarks.training.switches  # GPU: under 5 minutes; CPU: about 7 idle minutes on 2 cores
    python -m benchmarks.training.switches --device cpu --models ResNet-50 --compile  # CPU: 6 minutes a network

Base: bf16 and channels last, the optimizer fused, loss and errors kept on the device until a log line is due, the
moving average as one foreach call; eager, or compiled with --compile. The variants take turns with it (rotation.py), so
its own line is measured as often. A factor above 1 says that the switch, as it is in the base, makes the step faster.
"""

import argparse
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.report import command_line, publish, write_json
from benchmarks.rotation import Build, Timed, time_loops
from benchmarks.time_limit import TimeLimit
from benchmarks.training.case import Case, Loop, OurLoop
from benchmarks.training.train_step import add_options, build_case, conditions, device_name, fill_defaults
from pycls.datasets.mix import Mixer
from pycls.engine.reporting.meters import TrainMeter
from pycls.optim.ema import EMA


class ReadingMeter(TrainMeter):
    """Reads loss and errors in every step, as most loops do."""

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, num_bad: int = 0) -> None:
        """Take in one step and wait for its figures."""
        super().add(loss, logits, labels, num_bad)
        self._window[self._filled - 1].tolist()


class TensorwiseEMA(EMA):
    """Averages one tensor after the other."""

    @torch.no_grad()
    def update(self, model: nn.Module, epoch: int, step: int, num_steps: int = 0) -> None:
        """As EMA's."""
        if step % self.update_period:
            return
        new = model.state_dict()
        for name, old in self.model.state_dict().items():
            old.copy_(old * (1 - self.rate) + new[name] * self.rate)


def with_optimizer(**options: bool | None) -> Build:
    """Build our loop with the optimizer's kernel chosen by hand."""

    def build(case: Case, images: Tensor, labels: Tensor) -> Loop:
        loop = OurLoop(case, images, labels)
        for group in loop.run.state.optimizer.param_groups:
            group.update(options)
        return loop

    return build


def with_reading(case: Case, images: Tensor, labels: Tensor) -> Loop:
    """Build our loop with figures read in every step."""
    loop = OurLoop(case, images, labels)
    loop.run.meter = ReadingMeter(case.log_period, case.batch, torch.device(case.device))
    return loop


def with_ema(tensorwise: bool, period: int) -> Build:
    """Build our loop with another moving average."""

    def build(case: Case, images: Tensor, labels: Tensor) -> Loop:
        loop = OurLoop(case, images, labels)
        kind = TensorwiseEMA if tensorwise else EMA
        loop.run.state.ema = kind(loop.model, loop.run.state.ema.rate, period, 0)
        return loop

    return build


def with_cutmix(compiled: bool) -> Build:
    """Build our loop with every batch mixed."""

    def build(case: Case, images: Tensor, labels: Tensor) -> Loop:
        loop = OurLoop(case, images, labels)
        loop.run.mixer = Mixer(0.0, 1.0, prob=1.0, switch_prob=1.0, elementwise=False, seed=1, compiled=compiled)
        return loop

    return build


def in_setting(**changes: str) -> Build:
    """Build our loop in another format, layout or mode."""

    def build(case: Case, images: Tensor, labels: Tensor) -> Loop:
        other = replace(case, **changes)
        return OurLoop(other, *other.data())

    return build


BASE = "base"
# The switch as it is in the base, what it is changed to, and how.
SWITCHES: dict[str, Build] = {
    "bf16, not fp32": in_setting(format="fp32"),
    "channels last, not NCHW": in_setting(layout="NCHW"),
    "fused optimizer, not foreach": with_optimizer(fused=False, foreach=True),
    "fused optimizer, not a loop": with_optimizer(fused=False, foreach=False),
    "figures kept on the device, not read every step": with_reading,
    "average as one foreach call, not tensor by tensor": with_ema(True, 32),
    "average every 32 steps, not every step": with_ema(False, 1),
    "average every 32 steps, not tensor by tensor every step": with_ema(True, 1),
    "no mixing, not CutMix": with_cutmix(False),
}
COMPILE_SWITCHES: dict[str, Build] = {
    "compiled, not eager": in_setting(mode="eager"),
    "no mixing, not CutMix compiled": with_cutmix(True),
}
GRAPH_SWITCHES: dict[str, Build] = {"compiled alone, not with CUDA graphs": in_setting(mode="graphs")}


def main() -> None:
    """Measure, print, write."""
    parser = command_line(__doc__)
    add_options(parser)
    parser.add_argument("--compile", action="store_true", help="with torch.compile, and what belongs to it")
    arguments = fill_defaults(parser.parse_args())
    builds = {BASE: OurLoop, **SWITCHES}
    if arguments.compile:
        builds |= COMPILE_SWITCHES | (GRAPH_SWITCHES if arguments.device == "cuda" else {})
    found = measure(builds, arguments)
    words = " --compile" if arguments.compile else ""
    missing = [model for model in arguments.models if model not in found]
    note = f"No time left for {', '.join(missing)}. " if missing else ""
    text = (
        f"## What each switch of a training step is worth, {arguments.device}{words}\n\n{table(found)}\n\n"
        f"{note}Speed of the base, and the factor by which it is faster than with the one change (its range over "
        f"{arguments.rounds} rounds); {conditions('switches', arguments, words)}"
    )
    publish(f"switches {arguments.device}{words}", text, arguments.print_only)
    record = {model: {name: timed.rates for name, timed in each.items()} for model, each in found.items()}
    write_json(arguments.json, {"device": device_name(arguments.device), "rows": record})


def measure(builds: dict[str, Build], arguments: argparse.Namespace) -> dict[str, dict[str, Timed]]:
    """Return the speeds by network and variant; a network for which no time is left is left out, and said to be."""
    limit, found = TimeLimit(arguments.max_seconds), {}
    for model in arguments.models:
        if not limit.fits():
            print(f"{model}: no time left", flush=True)
            continue
        case = build_case(arguments, model, "bf16", "NHWC", "compiled" if arguments.compile else "eager")
        with limit.piece():
            found[model] = time_loops(case, builds, arguments.steps, arguments.rounds, arguments.warmup)
        print(model, {name: round(timed.median, 1) for name, timed in found[model].items()}, flush=True)
    return found


def table(found: dict[str, dict[str, Timed]]) -> str:
    """Return a Markdown table: a row per switch, a column per network."""
    lines = [f"| switch | {' | '.join(found)} |", "| --- |" + " ---: |" * len(found)]
    lines.append(f"| images/s | {' | '.join(f'{timed[BASE].median:.1f}' for timed in found.values())} |")
    names = [name for name in next(iter(found.values()), {}) if name != BASE]
    for name in names:
        cells = [_factor(timed[BASE].rates, timed[name].rates) for timed in found.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _factor(base: list[float], changed: list[float]) -> str:
    """Return the median ratio over the rounds, and its range."""
    ratios = sorted(a / b for a, b in zip(base, changed, strict=True))
    return f"**{ratios[len(ratios) // 2]:.2f}** ({ratios[0]:.2f}-{ratios[-1]:.2f})"


if __name__ == "__main__":
    main()
