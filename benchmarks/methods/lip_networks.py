"""Inference time of LIP's networks beside the plain ones, as in the published table.

    python -m benchmarks.methods.lip_networks  # a few minutes; writes its section of benchmarks/RESULTS.md
    python -m benchmarks.methods.lip_networks --device cuda --batch-size 32

Times are per image. On a CPU they are one thread's processor time, so that neighbors disturb little; plain network and
LIP network take turns, and the ratio is the median over the turns.
"""

from functools import partial

import torch
from torch import nn

from benchmarks.methods.lip import time_in_turns
from benchmarks.report import ROOT, command_line, describe_machine, publish
from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.zoo.records import load_entries

_PAIRS = {"LIP-ResNet-50": "ResNet-50", "LIP-ResNet-101": "ResNet-101", "LIP-DenseNet-121": "DenseNet-121"}


def published_ms() -> dict[str, float]:
    """Return the published inference times: one image, batches of 32, Titan XP."""
    return {entry.name: entry.published["infer_ms"] for entry in load_entries(ROOT, "lip")}


def build(name: str, device: str) -> nn.Module:
    """Build a network of the table for evaluation, channels last."""
    family, _, depth = name.rpartition("-")
    types = {"ResNet": "cutmix_resnet", "LIP-ResNet": "lip_resnet"}
    pool = "lip" if name.startswith("LIP-") else "avg"
    overrides = ["MODEL.TYPE", types.get(family, "densenet"), "MODEL.DEPTH", depth, "DENSENET.POOL", pool]
    model = build_model(load_cfg(None, [*overrides, "MODEL.NUM_CLASSES", "1000"])).eval()
    return model.to(device, memory_format=torch.channels_last)


def table(batch_size: int, device: str, rounds: int, compiled: bool) -> str:
    """Return a Markdown table: a row per pair of networks."""
    x = torch.randn(batch_size, 3, 224, 224, device=device).contiguous(memory_format=torch.channels_last)
    published = published_ms()
    lines = ["| network | here (ms) | plain (ms) | ratio | published (ms) | plain (ms) | ratio |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, plain in _PAIRS.items():
        models = [torch.compile(build(n, device)) if compiled else build(n, device) for n in (plain, name)]
        with torch.inference_mode():
            (base, _), (ours, ratio) = time_in_turns([partial(m, x) for m in models], device, rounds)
        theirs = published[name] / published[plain]
        here = f"{ours / batch_size:.2f} | {base / batch_size:.2f} | **{ratio:.2f}**"
        lines.append(f"| {name} | {here} | {published[name]} | {published[plain]} | **{theirs:.2f}** |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="compile the networks")
    arguments = parser.parse_args()
    device, batch_size = arguments.device, arguments.batch_size
    torch.set_num_threads(1)
    torch.manual_seed(0)
    hardware = torch.cuda.get_device_name() if device == "cuda" else "one thread"
    words = ", compiled" if arguments.compile else ""
    text = (
        f"## Inference time of LIP's networks, {device}{words}\n\n"
        f"{table(batch_size, device, arguments.rounds, arguments.compile)}\n\n"
        f"Per image, 224 px, float32, channels last, batches of {batch_size}, {hardware}; published: batches of 32 on "
        f"a Titan XP. Median of {arguments.rounds} turns. Command: `python -m benchmarks.methods.lip_networks "
        f"--device {device} --batch-size {batch_size}{' --compile' if arguments.compile else ''}`. {describe_machine()}"
    )
    publish(f"lip networks {device}{words}", text, arguments.print_only)


if __name__ == "__main__":
    main()
