"""The command line that the tools share: --cfg FILE, KEY VALUE pairs, and mistakes answered in one line.

Nothing heavy is imported here, so that --help answers at once.
"""

import argparse
import itertools
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence

from yacs.config import CfgNode

from pycls.core.config import diff_cfg, dump_cfg, load_cfg

_EPILOG = """KEY VALUE pairs override the file: OPTIM.MAX_EPOCH 20 TRAIN.BATCH_SIZE 64.
Every key with its default, range and meaning is in docs/KEYS.md, and `python -m pycls.core.config.describe OPTIM` tells
of those of a section; --print-cfg shows the values in force."""


# How long an idle OpenMP thread of torch spins before it sleeps (read once, when torch is imported). libgomp's default
# is for machines without other work: with loader threads on the same cores a training step on a CPU took ten times as
# long.
_SPIN_COUNT = "1000"
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.\w+)*")


def build_parser(description: str, example: str, paths: str = "") -> argparse.ArgumentParser:
    """Return the parser of a tool; `paths` names what it takes before the KEY VALUE pairs, as `args.paths`."""
    epilog = f"{_EPILOG}\n\nexample:\n  {example}"
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, epilog=epilog, formatter_class=raw)
    parser.add_argument("--cfg", metavar="FILE", help="YAML config, for example configs/quickstart/digits.yaml")
    parser.add_argument("--print-cfg", action="store_true", help="print the resolved config and stop")
    parser.add_argument("--diff", action="store_true", help="print the keys that differ from the defaults and stop")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    if paths:
        parser.add_argument("words", nargs="*", metavar=f"{paths} | KEY VALUE", help=f"{paths}, then overrides")
    else:
        overrides = "overrides, after all options"
        parser.add_argument("overrides", nargs=argparse.REMAINDER, metavar="KEY VALUE", help=overrides)
    return parser


def _parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    if not any(action.dest == "words" for action in parser._actions):
        return parser.parse_args()
    args = parser.parse_intermixed_args()  # options may stand between folders
    args.paths, args.overrides = split_words([*args.words, *getattr(args, "late_words", ())])
    return args


class Several(argparse.Action):
    """An option with several values (whole numbers with `const=int`); a folder or KEY after them is a word again."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Store the values and pass the words on."""
        own = list(itertools.takewhile(self._fits, values))
        if not own:
            kind = "whole numbers" if self.const is int else "names"
            raise argparse.ArgumentError(self, f"expected {kind}, got '{values[0]}'")
        setattr(namespace, self.dest, [int(value) for value in own] if self.const is int else own)
        namespace.late_words = [*getattr(namespace, "late_words", ()), *values[len(own) :]]

    def _fits(self, value: str) -> bool:
        if self.const is int:
            return value.isdecimal()
        return not (_KEY.fullmatch(value) or os.path.isdir(value) or os.sep in value)


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split words into paths and KEY VALUE pairs, which begin at the first word that looks like a key and is no path.

    Cameras write IMG_0001.JPG, which looks like one.
    """
    folders = list(itertools.takewhile(lambda word: os.path.exists(word) or not _KEY.fullmatch(word), words))
    return folders, list(words[len(folders) :])


def run_tool(parser: argparse.ArgumentParser, act: Callable[[CfgNode, argparse.Namespace], int]) -> int:
    """Parse the command line, load the config and call `act(cfg, args)`; return the exit code (2: bad input)."""

    def act_with_cfg(args: argparse.Namespace) -> int:
        cfg = load_cfg(args.cfg, args.overrides)
        if args.print_cfg or args.diff:
            print(dump_cfg(cfg) if args.print_cfg else _diff_text(cfg), end="")
            return 0
        return act(cfg, args)

    return _answer(parser, _parse(parser), act_with_cfg)


def run_plain_tool(parser: argparse.ArgumentParser, act: Callable[[argparse.Namespace], int]) -> int:
    """Parse the command line of a tool without a config and call `act(args)`; return the exit code (2: bad input)."""
    return _answer(parser, parser.parse_intermixed_args(), act)  # options may stand between the others


def _answer(parser: argparse.ArgumentParser, args: argparse.Namespace, act: Callable[[argparse.Namespace], int]) -> int:
    os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    warnings.showwarning = _one_line_warning
    try:
        return act(args)
    except (ValueError, FloatingPointError, OSError) as error:
        if args.traceback:
            raise
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _diff_text(cfg: CfgNode) -> str:
    return "".join(f"{key}: {value!r}\n" for key, value in diff_cfg(cfg).items())


def _one_line_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"warning: {message}", file=sys.stderr)
