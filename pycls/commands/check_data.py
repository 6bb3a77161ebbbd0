"""Check the image files of a data set."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.commands.number_types import whole
from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Decode every image of a class-folder tree, or of a config's data sets, on all cores, and report what is
unreadable, damaged, of another type than its name says, tiny, there twice or under two labels, and what is odd.

  {call} DIR [options]         DIR/<class>/<image>, or DIR/train and DIR/val with such trees, or packed
  {call} --cfg FILE [options] [KEY VALUE ...]

Prints a table and writes OUT/report.json and OUT/skip_list.txt, for DATA_LOADER.SKIP_LIST. Exit codes: 0 all images can
be read, 1 some cannot (or a file hung or killed its decoder, and is named), 2 bad input."""
EXAMPLE = "/data/imagenet --out checked"

INSTALLED, ALL = ("custom", "torch"), ("custom", "torch", "dali_cpu")


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Check, save and print."""
    from pycls.core.paths import check_output_folder
    from pycls.dataset_tools import validation

    folders = [*([args.dir] if args.dir else []), *args.paths]
    if not args.out.strip():
        raise ValueError("--out must be a folder (. is the current one), got ''")
    check_output_folder(Path(args.out), "--out")
    if len(folders) > 1:
        raise ValueError(f"one folder is checked at a time, got {', '.join(folders)}")
    if folders and cfg.DATA_DIR:
        raise ValueError(f"DATA_DIR {cfg.DATA_DIR} does nothing beside {folders[0]}, which is checked; leave one out")
    splits = validation.samples_of_folder(folders[0]) if folders else validation.samples_of_cfg(cfg)
    backends = ALL if args.backends == "all" else INSTALLED
    findings = validation.check_data(splits, backends, args.tiny_px, cfg.DATA_LOADER.TIMEOUT_SEC)
    files = validation.save_report(findings, splits, Path(args.out))
    print(validation.summary(findings, splits))
    print("Files: " + ", ".join(map(str, files)))
    return int(any(finding.kind == validation.UNREADABLE for finding in findings))


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE, paths="DIR")
    add = parser.add_argument
    add("--dir", metavar="DIR", help="the same as DIR among the words")
    add("--out", metavar="DIR", default="data_check", help="where to write (default: data_check)")
    add("--tiny-px", type=whole(0), metavar="PX", default=32, help="report images with a shorter side below (32)")
    add("--backends", choices=("installed", "all"), default="installed", help="all: ask DALI's decoder too")
    return run_tool(parser, act, words, "check-data")
