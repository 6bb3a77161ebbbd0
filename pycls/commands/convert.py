"""Write weights in another layout."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Read weights of any layout (docs/WEIGHTS.md) and write them in another one.

  {call} SRC DST --to safetensors
      tensors; config, class names and pixel contract as metadata where known
  {call} SRC DST --to torchvision
      names of torchvision's ResNet, RegNet or EfficientNet
  {call} SRC DST --to pycls
      a .pyth file that pycls reads, its stem for BGR
  {call} SRC DST --to ours --cfg FILE
      a checkpoint that predict and export need nothing else for

SRC may be a URL or a zoo name. Every tensor keeps its bits."""
EXAMPLE = "RegNetX-400MF regnetx.safetensors --to safetensors"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Convert and say what was done."""
    from pycls.core.logging import print_line
    from pycls.inference.convert import convert_weights

    if len(args.paths) != 2:
        raise ValueError(f"two files are needed, SRC and DST, got {len(args.paths)}")
    src, dst = args.paths
    print_line(f"{src} -> {dst}: {convert_weights(src, Path(dst), args.to, args.cfg, args.overrides)}")
    return 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE, paths="SRC DST")
    layouts = ("safetensors", "torchvision", "pycls", "ours")
    parser.add_argument("--to", required=True, choices=layouts, help="layout of DST")
    return run_tool(parser, act, words, "convert")
