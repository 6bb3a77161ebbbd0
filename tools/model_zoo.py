#!/usr/bin/env python3
"""Write MODEL_ZOO.md, or measure a row of it again."""

import argparse
import sys
from pathlib import Path

from pycls.core.cli import run_plain_tool

DESCRIPTION = """Write MODEL_ZOO.md from configs/ and pycls/zoo/records/, or measure a row of it again.

  python tools/model_zoo.py           count every config's network, write pycls/zoo/records/zoo_counts.json and the page
  python tools/model_zoo.py --check   only tell whether the page is what the records say (exit code 1: stale)
  python tools/model_zoo.py verify NAME [KEY VALUE ...]
  python tools/model_zoo.py measure NAME [KEY VALUE ...]

NAME is a network of the page or a config file. verify: its counts are always compared; the time of 64 images is
measured on this machine; the error where DATA_DIR and weights are there (published ones are downloaded, others:
TEST.WEIGHTS FILE). measure: the time of 64 images goes into pycls/zoo/records/zoo_measured.json and onto the page."""
EXAMPLE = "example:\n  python tools/model_zoo.py verify RegNetX-400MF DATA_DIR /data/imagenet"
ROOT = Path(__file__).resolve().parents[1]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=DESCRIPTION, epilog=EXAMPLE, formatter_class=raw)
    parser.add_argument("words", nargs="*", metavar="verify|measure NAME KEY VALUE", help="see above")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    return parser


def act(args: argparse.Namespace) -> int:
    """Write, check, verify or measure."""
    from pycls.zoo import actions

    if args.words:
        return actions.act_on_row(ROOT, args.words)
    return actions.check(ROOT) if args.check else actions.write(ROOT)


if __name__ == "__main__":
    sys.exit(run_plain_tool(build_parser(), act))
