"""Name what is on images."""

import argparse
import contextlib
import sys
from collections.abc import Sequence

from yacs.config import CfgNode

from pycls.commands.number_types import whole
from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Print the likeliest classes of images, or of all images below folders; write them as CSV or JSONL.

A checkpoint of this program is all it needs: config, class names and pixel contract are in it. Other weights need the
config of their network (--cfg). Exit codes: 0 all images were read, 1 some could not be and are named, 2 bad input."""
EXAMPLE = "photos/ --weights runs/digits/checkpoints/best.pyth --csv classes.csv"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Predict, print and save."""
    from pycls.core.logging import print_line, progress_bar, setup_logging
    from pycls.core.paths import check_outputs
    from pycls.inference.predict import list_images, pick_topk, predict, predict_words
    from pycls.inference.predictions import save_predictions
    from pycls.inference.saved_network import load_network

    setup_logging(None, main=False)
    outputs = [name for name in (args.csv, args.jsonl) if name]
    check_outputs(outputs, args.paths)  # before anything is downloaded
    network = load_network(args.weights, args.cfg, [*predict_words(args.backend), *args.overrides])
    topk = pick_topk(args.topk, network)
    check_outputs(outputs, [network.path])
    files = list_images(args.paths)
    saved = save_predictions(predict(network, files, topk), topk, args.csv, args.jsonl, network.has_uncertainty)
    num_images = num_failed = 0
    with contextlib.closing(saved) as found:
        for prediction in progress_bar(found, "Predict", len(files), delay_sec=1):
            print_line(str(prediction))
            num_images, num_failed = num_images + 1, num_failed + bool(prediction.error)
    if num_failed:
        print(f"{num_failed} of {num_images} images could not be read", file=sys.stderr)
    return int(num_failed > 0)


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE, paths="IMAGE | DIR")
    parser.add_argument("--weights", required=True, metavar="FILE", help="path, run, URL or name (docs/WEIGHTS.md)")
    parser.add_argument("--csv", metavar="FILE", help="write a table")
    parser.add_argument("--jsonl", metavar="FILE", help="write a JSON object a line")
    parser.add_argument("--topk", type=whole(1), metavar="K", help="classes for each image (default: 5, or all)")
    parser.add_argument("--backend", metavar="NAME", default="auto", help="loader: custom, torch, dali_cpu, dali_gpu")
    return run_tool(parser, act, words, "predict")
