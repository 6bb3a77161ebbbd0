#!/usr/bin/env python3
"""Write MODEL_ZOO.md, or measure a row of it again."""

import argparse
import sys
from pathlib import Path

from pycls.core.cli import run_plain_tool
from pycls.core.tables import pick

DESCRIPTION = """Write MODEL_ZOO.md from configs/ and tests/records/, or measure a row of it again.

  python tools/model_zoo.py           count every config's network, write tests/records/zoo_counts.json and the page
  python tools/model_zoo.py --check   only tell whether the page is what the records say (exit code 1: stale)
  python tools/model_zoo.py verify NAME [KEY VALUE ...]
  python tools/model_zoo.py measure NAME [KEY VALUE ...]

NAME is a network of the page or a config file. verify: its counts are always compared; the time of 64 images is
measured on this machine; the error where DATA_DIR and weights are there (published ones are downloaded, others:
TEST.WEIGHTS FILE). measure: the time of 64 images goes into tests/records/zoo_measured.json and onto the page."""
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
    if args.words:
        if len(args.words) < 2:
            raise ValueError(f"expected a network after '{args.words[0]}'")
        return pick(ACTIONS, args.words[0], "the first word")(args.words[1], args.words[2:])
    from pycls.engine.zoo.counts import save_counts
    from pycls.engine.zoo.page import PAGE, page

    if args.check:
        is_stale = (ROOT / PAGE).read_text() != page(ROOT)
        print(f"{PAGE}: {'stale, run python tools/model_zoo.py' if is_stale else 'up to date'}")
        return int(is_stale)
    save_counts(ROOT)
    _write_page()
    return 0


def _write_page() -> None:
    from pycls.engine.zoo.page import PAGE, page

    (ROOT / PAGE).write_text(page(ROOT))


def _verify(name: str, overrides: list[str]) -> int:
    from pycls.engine.zoo.verify import verify

    print(f"{'':28} {'recorded':>18} {'now':>18}")
    checks = verify(ROOT, name, overrides, print)
    return int(any(check.is_wrong for check in checks))


def _measure(name: str, overrides: list[str]) -> int:
    from pycls.engine.zoo.measure import measure

    print(measure(ROOT, name, overrides))
    _write_page()
    return 0


ACTIONS = {"verify": _verify, "measure": _measure}


if __name__ == "__main__":
    sys.exit(run_plain_tool(build_parser(), act))
