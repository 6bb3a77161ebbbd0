"""Compare trainings."""

import argparse
from collections.abc import Sequence

from pycls.core.cli import OneLineParser, run_plain_tool

DESCRIPTION = """Show runs beside each other: last and lowest errors, losses, speed, what their configs differ in, and
mean and sample standard deviation over runs that differ in nothing but RNG_SEED.

A RUN is the OUT_DIR of a training, finished or not, or a folder with such folders below; of pycls's own runs the
stdout.log is read. --out writes a page with all curves on the same axes."""
EXAMPLE = "runs/digits runs/mine --out comparison.html"


def act(args: argparse.Namespace) -> int:
    """Compare, print and save."""
    from pycls.core.logging import print_line, print_lines
    from pycls.run_comparison.comparison import compare
    from pycls.run_comparison.load_run import find_runs
    from pycls.run_comparison.page import check_page_name, save_comparison
    from pycls.run_comparison.table import comparison_text

    folders = find_runs(args.runs)
    path = check_page_name(args.out, folders) if args.out is not None else None
    comparison = compare(folders)
    print_lines(comparison_text(comparison))
    if path is not None:
        save_comparison(comparison, path)
        print_line(f"Page: {path}")
    return 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = OneLineParser(prog, DESCRIPTION, EXAMPLE)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="OUT_DIR of a training, or a folder of such")
    parser.add_argument("--out", metavar="FILE", help="write a page, such as comparison.html")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    return run_plain_tool(parser, act, words)
