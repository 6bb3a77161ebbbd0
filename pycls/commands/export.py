"""Write a network for other programs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Write the network of a checkpoint as ONNX or torch.export file, for batches of any size.

Class names and what its pixels must be (size, crop, mean, std, channel order) go into the file. It is read back and
its logits compared with the network's, on noise and on the images given. ONNX needs the packages onnx, onnxscript and
onnxruntime: pip install onnx onnxscript onnxruntime."""
EXAMPLE = "runs/digits/checkpoints/best.pyth digits.onnx --format onnx --images photos/"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Export and say how well it agrees."""
    from pycls.core.logging import print_line, setup_logging
    from pycls.core.paths import check_outputs
    from pycls.inference.export import export
    from pycls.inference.predict import predict_words
    from pycls.inference.saved_network import load_network

    if len(args.paths) != 2:
        raise ValueError(f"two files are needed, CHECKPOINT and OUT, got {len(args.paths)}")
    setup_logging(None, main=False)
    weights, out = args.paths
    check_outputs([out], [*args.images], makes_folders=True)  # before anything is downloaded
    network = load_network(weights, args.cfg, [*predict_words(), *args.overrides])
    done = export(network, Path(out), args.format, args.images)
    seen = f"noise and {done.num_images} images" if done.num_images else "noise only; --images gives it photographs"
    print_line(f"{done.path}: logits differ by at most {done.difference:.1e} of the largest one ({seen})")
    return 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE, paths="CHECKPOINT OUT")
    parser.add_argument("--format", required=True, choices=("onnx", "torch"), help="onnx, or torch: .pt2")
    parser.add_argument(
        "--images", metavar="PATH", action="append", default=[], help="image or folder to compare on, too"
    )
    return run_tool(parser, act, words, "export")
