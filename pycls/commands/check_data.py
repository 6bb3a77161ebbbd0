"""Check the image files of a data set."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.commands.number_types import whole
from pycls.core.cli import build_parser, run_tool
from pycls.core.config import diff_cfg

DESCRIPTION = """Decode every image of a class-folder tree, or of a config's data sets, on all cores, and report what is
unreadable, damaged, of another type than its name says, tiny, there twice or under two labels, and what is odd.

  {call} DIR [options]         DIR/<class>/<image>, DIR/train and DIR/val in any layout of training, or a list
  {call} --cfg FILE [options] [KEY VALUE ...]

Prints a table and writes OUT/report.json and OUT/skip_list.txt, for DATA_LOADER.SKIP_LIST. Exit codes: 0 training would
start and show every picture; 1 it would not (a class or a split is missing, ...), or pictures are left out or cannot be
read, or one hung or killed its decoder; 2 bad input."""
EXAMPLE = "/data/imagenet --out checked"

INSTALLED, ALL = ("custom", "torch"), ("custom", "torch", "dali_cpu")


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Check, save and print."""
    from pycls.core.logging import print_line, print_lines, setup_logging
    from pycls.core.paths import check_output_folder
    from pycls.dataset_tools import validation

    setup_logging(None, main=False)  # the table tells what the log would
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    folders = [*([args.dir] if args.dir else []), *args.paths]
    if args.out is not None and not args.out.strip():
        raise ValueError("--out must be a folder (. is the current one), got ''")
    out_dir = _out_dir(cfg, args.out)
    check_output_folder(out_dir, "--out")
    if len(folders) > 1:
        raise ValueError(f"one folder is checked at a time, got {', '.join(folders)}")
    if not folders and not (cfg.TRAIN.DATASET or cfg.TEST.DATASET):
        raise ValueError("there is nothing to check: name a folder, DIR, or the config that reads it, --cfg FILE")
    if folders and cfg.DATA_DIR:
        raise ValueError(f"DATA_DIR {cfg.DATA_DIR} does nothing beside {folders[0]}, which is checked; leave one out")
    whole = args.cfg is not None  # else the number of classes is nobody's choice
    of_folder, of_cfg = validation.splits_of_folder, validation.splits_of_cfg
    listed = of_folder(cfg, folders[0], whole) if folders else of_cfg(cfg, whole)
    splits, _ = listed
    backends = ALL if args.backends == "all" else INSTALLED
    findings = validation.check_data(listed, backends, args.tiny_px, cfg.DATA_LOADER.TIMEOUT_SEC)
    files = validation.save_report(findings, splits, out_dir)
    print_lines(validation.summary(findings, splits))
    print_line("Files: " + ", ".join(map(str, files)))
    return validation.exit_code(findings)


def _out_dir(cfg: CfgNode, out: str | None) -> Path:
    """Return where to write: --out, a folder in OUT_DIR where that is set, or one in runs/."""
    if out is not None:
        return Path(out)
    return Path(cfg.OUT_DIR if "OUT_DIR" in diff_cfg(cfg) else "runs") / "data_check"


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE, paths="DIR")
    add = parser.add_argument
    add("--dir", metavar="DIR", help="the same as DIR among the words")
    add("--out", metavar="DIR", help="where to write (default: data_check in OUT_DIR, else in runs/)")
    add("--tiny-px", type=whole(0), metavar="PX", default=32, help="report images with a shorter side below (32)")
    add("--backends", choices=("installed", "all"), default="installed", help="all: ask DALI's decoder too")
    return run_tool(parser, act, words, "check-data")
