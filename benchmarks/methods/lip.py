"""What local importance-based pooling costs beside two average pools, which is what it is made of.

    python -m benchmarks.methods.lip  # some minutes; writes its section of benchmarks/RESULTS.md
    python -m benchmarks.methods.lip --device cuda

A row is one operator at one layer of LIP-ResNet-50; times are those of the device for one call (on a CPU: of one
thread's processor time, so that other processes disturb little). The first row of each layer is the baseline; all
take turns, and a ratio is the median over the turns.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.report import command_line, describe_machine, publish
from pycls.models.layers.basic import at_least_float32
from pycls.models.lip import lip2d, weighted_mean2d

_PLACES = {"stem": (64, 112), "stage 3": (512, 28)}  # channels, pixels a side
_LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}

Operator = Callable[[Tensor, Tensor], tuple[Tensor, ...] | Tensor]


def two_pools(x: Tensor, logit: Tensor) -> tuple[Tensor, Tensor]:
    """Pool both inputs."""
    return functional.avg_pool2d(x, 3, 2, 1), functional.avg_pool2d(logit, 3, 2, 1)


def formula(x: Tensor, logit: Tensor) -> Tensor:
    """Compute LIP as it is published: no shift, whatever dtype comes."""
    weight = logit.exp()
    return functional.avg_pool2d(x * weight, 3, 2, 1) / functional.avg_pool2d(weight, 3, 2, 1)


def gated(x: Tensor, logit: Tensor) -> Tensor:
    """Pool as the networks do, whose gated logits need no care."""
    return weighted_mean2d(x, at_least_float32(logit).exp(), 3, 2, 1)


def operators() -> dict[str, Operator]:
    """Return what is compared, the baseline first; freshly compiled, for torch.compile stops after 8 shapes."""
    torch.compiler.reset()
    return {
        "two average pools": two_pools,
        "two average pools, compiled": torch.compile(two_pools, fullgraph=True),
        "published formula": formula,
        "lip2d": lip2d,
        "lip2d, compiled": torch.compile(lip2d, fullgraph=True),
        "as in LIP's networks": gated,
        "as in LIP's networks, compiled": torch.compile(gated, fullgraph=True),
    }


def run_once(operator: Operator, x: Tensor, logit: Tensor, backward: bool) -> None:
    """Call the operator, and its gradient if asked."""
    with torch.set_grad_enabled(backward):
        y = operator(x, logit)
        if backward:
            outputs = y if isinstance(y, tuple) else (y,)
            torch.autograd.grad(outputs, (x, logit), [torch.ones_like(output) for output in outputs])


def time_in_turns(calls: Sequence[Callable[[], None]], device: str, rounds: int) -> list[tuple[float, float]]:
    """Return for each call its median time (ms) and the median ratio to the first call's time of the same round."""
    measure = _cuda_ms if device == "cuda" else _cpu_ms
    for call in (*calls, *calls):
        call()  # compile, and touch the memory
    turns = [[measure(call) for call in calls] for _ in range(rounds)]
    return [(median(turn[i] for turn in turns), median(turn[i] / turn[0] for turn in turns)) for i in range(len(calls))]


def _cpu_ms(call: Callable[[], None]) -> float:
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start)


def _cuda_ms(call: Callable[[], None]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def inputs(place: str, layout: str, batch_size: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Return features and logits as LIP's gate makes them, between 0 and 12."""
    width, side = _PLACES[place]
    shape = (batch_size, width, side, side)
    pair = torch.randn(shape), 12 * torch.randn(shape).sigmoid()
    x, logit = (t.to(device, dtype).contiguous(memory_format=_LAYOUTS[layout]).requires_grad_() for t in pair)
    return x, logit


def table(batch_size: int, dtype: torch.dtype, device: str, rounds: int) -> str:
    """Return a Markdown table of all layers, layouts and operators."""
    lines = ["| place | layout | operator | forward (ms) | ratio | forward + backward (ms) | ratio |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for place in _PLACES:
        for layout in _LAYOUTS:
            x, logit = inputs(place, layout, batch_size, dtype, device)
            found = operators()
            forward, both = (
                time_in_turns([partial(run_once, f, x, logit, backward) for f in found.values()], device, rounds)
                for backward in (False, True)
            )
            for name, (ms, ratio), (both_ms, both_ratio) in zip(found, forward, both, strict=True):
                cells = f"{ms:.2f} | **{ratio:.2f}** | {both_ms:.2f} | **{both_ratio:.2f}**"
                lines.append(f"| {place} | {layout} | {name} | {cells} |")
                print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--batch-size", type=int, default=0, help="default: 8 on a CPU, 256 on a GPU")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    device, batch_size = arguments.device, arguments.batch_size or (256 if arguments.device == "cuda" else 8)
    torch.set_num_threads(1)
    hardware = torch.cuda.get_device_name() if device == "cuda" else "one thread"
    text = (
        f"## LIP against two average pools, {device}\n\n"
        f"{table(batch_size, getattr(torch, arguments.dtype), device, arguments.rounds)}\n\n"
        f"Windows 3x3, stride 2; {arguments.dtype}, batches of {batch_size}, {hardware}; median of {arguments.rounds} "
        f"calls. Command: `python -m benchmarks.methods.lip --device {device} --dtype {arguments.dtype}`. "
        f"{describe_machine()}"
    )
    publish(f"lip {device} {arguments.dtype}", text, arguments.print_only)


if __name__ == "__main__":
    main()
