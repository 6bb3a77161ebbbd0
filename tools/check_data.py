#!/usr/bin/env python3
"""Check the image files of a data set."""

import os
import sys

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Decode every image of a class-folder tree, or of a config's data sets, on all cores, and report what is
unreadable, damaged, of another type than its name says, tiny, there twice or under two labels, and what is odd.

  check_data.py DIR [options]         DIR/<class>/<image>, or DIR/train and DIR/val with such trees
  check_data.py --cfg FILE [options] [KEY VALUE ...]

Prints a table and writes OUT/report.json and OUT/skip_list.txt, for DATA_LOADER.SKIP_LIST. Exit codes: 0 all images can
be read, 1 some cannot (or a file hung or killed its decoder, and is named), 2 bad input."""

INSTALLED, ALL = ("custom", "torch"), ("custom", "torch", "dali_cpu")


def act(cfg, args) -> int:
    """Check, save and print."""
    from pathlib import Path

    from pycls.dataset_tools import validation as engine

    splits = engine.samples_of_folder(args.dir) if args.dir else engine.samples_of_cfg(cfg)
    backends = ALL if args.backends == "all" else INSTALLED
    findings = engine.check_data(splits, backends, args.tiny_px, cfg.DATA_LOADER.TIMEOUT_SEC)
    files = engine.save_report(findings, splits, Path(args.out))
    print(engine.summary(findings, splits))
    print("Files: " + ", ".join(map(str, files)))
    return int(any(finding.kind == engine.UNREADABLE for finding in findings))


def build_check_parser():
    """Return the parser."""
    parser = build_parser(DESCRIPTION, "python tools/check_data.py /data/imagenet --out checked")
    parser.add_argument("--dir", metavar="DIR", help="the same as DIR as the first word")
    parser.add_argument("--out", metavar="DIR", default="data_check", help="where to write (default: data_check)")
    parser.add_argument("--tiny-px", type=int, default=32, help="report images with a shorter side below (default: 32)")
    parser.add_argument(
        "--backends", choices=("installed", "all"), default="installed", help="all: ask DALI's decoder too"
    )
    return parser


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        sys.argv.insert(1, "--dir")
    sys.exit(run_tool(build_check_parser(), act))
