#!/usr/bin/env python3
"""Write weights in another layout."""

import sys
from pathlib import Path

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Read weights of any layout (docs/WEIGHTS.md) and write them in another one.

  convert_weights.py SRC DST --to safetensors   tensors; config, class names and pixel contract as metadata where known
  convert_weights.py SRC DST --to torchvision   names of torchvision's ResNet, RegNet or EfficientNet
  convert_weights.py SRC DST --to pycls         a .pyth file that pycls reads, its stem for BGR
  convert_weights.py SRC DST --to ours --cfg FILE   a checkpoint that predict.py and export.py need nothing else for

SRC may be a URL or a zoo name. Every tensor keeps its bits."""


def act(cfg, args) -> int:
    """Convert and say what was done."""
    from pycls.inference.convert import convert_weights

    if len(args.paths) != 2:
        raise ValueError(f"two files are needed, SRC and DST, got {len(args.paths)}")
    src, dst = args.paths
    print(f"{src} -> {dst}: {convert_weights(src, Path(dst), args.to, args.cfg, args.overrides)}")
    return 0


def main() -> int:
    """Parse the command line and run."""
    example = "python tools/convert_weights.py RegNetX-400MF regnetx.safetensors --to safetensors"
    parser = build_parser(DESCRIPTION, example, paths="SRC DST")
    layouts = ("safetensors", "torchvision", "pycls", "ours")
    parser.add_argument("--to", required=True, choices=layouts, help="layout of DST")
    return run_tool(parser, act)


if __name__ == "__main__":
    sys.exit(main())
