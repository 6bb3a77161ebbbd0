"""The command line that the commands share: --cfg FILE, KEY VALUE pairs, and mistakes answered in one line.

Nothing heavy is imported here, so that --help answers at once.
"""

import argparse
import contextlib
import functools
import itertools
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from yacs.config import CfgNode

from pycls.core.bounds.out_of_memory import memory_line
from pycls.core.bounds.secrets import hide_secrets
from pycls.core.config import diff_cfg, dump_cfg, load_cfg
from pycls.core.config.command_words import sort_words
from pycls.core.config.shipped_configs import find_cfg
from pycls.core.last_words import say_on_stderr
from pycls.core.locks import no_trace_if_refused
from pycls.core.paths import expand_path, is_about_path, reason_of
from pycls.core.registry import printable
from pycls.core.stop_signals import EXIT_STOPPED, PeerLostError, stdout_is_open

_EPILOG = """KEY VALUE pairs override the file: OPTIM.MAX_EPOCH 20 TRAIN.BATCH_SIZE=64.
Every key with its default, range and meaning is in docs/KEYS.md, and `python -m pycls.core.config.describe OPTIM` tells
of those of a section; --print-cfg shows the values in force."""


# How long an idle OpenMP thread of torch spins before it sleeps (read once, when torch is imported). libgomp's default
# is for machines without other work: with loader threads on the same cores a training step on a CPU took ten times as
# long.
_SPIN_COUNT = "1000"
_LONGEST_LINE = 4000  # characters of an error; no terminal shows more of it
_PATHS = ("RUN", "FILE", "FILE.png", "DIR", "PATH", "SRC", "DST")  # how options that take paths call them
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


class OneLineParser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line, and shows the text of its help as it is written."""

    def __init__(self, prog: str, description: str, example: str, **options: Any) -> None:
        """Name the command as the user called it: "pycls train", "tools/train_net.py"; {call} stands for it.

        `example` is what follows the call, or a line of its own after "{call} ...".
        """
        call = how_to_call(prog)
        epilog = options.pop("epilog", "") + f"example:\n  {call} {example}"
        options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=description.replace("{call}", call), epilog=epilog, **options)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, without the usage, and end with exit code 2."""
        if message.startswith("unrecognized arguments") and "--cfg" in self._option_string_actions:
            message += "; keys of the config are written KEY VALUE, such as OPTIM.MAX_EPOCH 20 (--help)"
        self.exit(2, f"{self.prog}: error: {shown_line(message)}\n")


def called_as(program: str) -> str:
    """Return how the user calls a program (sys.argv[0]): "pycls", "python -m pycls", or a file of tools/."""
    path = Path(program)
    if path.name == "__main__.py":
        return "python -m pycls"
    if path.suffix != ".py":
        return path.stem
    return str(Path(*path.parts[-2:]) if path.is_absolute() else path)


def how_to_call(prog: str) -> str:
    """Return what is typed to call a command: files need python before them."""
    return f"python {prog}" if prog.partition(" ")[0].endswith(".py") else prog


def build_parser(prog: str, description: str, example: str, paths: str = "") -> OneLineParser:
    """Return the parser of a command; `paths` names what it takes before the KEY VALUE pairs, as `args.paths`."""
    parser = OneLineParser(prog, description, example, epilog=f"{_EPILOG}\n\n")
    example = "YAML config, for example configs/quickstart/digits.yaml; a .yaml without --cfg is one, too"
    parser.add_argument("--cfg", "--config", metavar="FILE", action=Once, help=example)
    parser.add_argument("--print-cfg", action="store_true", help="print the resolved config and stop")
    parser.add_argument("--diff", action="store_true", help="print the keys that differ from the defaults and stop")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    if paths:
        parser.add_argument("words", nargs="*", metavar=f"{paths} | KEY VALUE", help=f"{paths}, then overrides")
    else:
        parser.add_argument("words", nargs="*", metavar="KEY VALUE", help="overrides")
    parser.set_defaults(takes_paths=bool(paths))
    return parser


def _parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    rest, overrides = sort_words(parser, words, parser.get_default("takes_paths"))
    args = parser.parse_intermixed_args(rest)  # options may stand between folders
    args.paths, args.overrides = [*args.words, *getattr(args, "late_words", ())], overrides
    return args


def _expand_paths(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Replace `~` and variables in what options and words name as paths: a shell leaves --csv=~/x alone, for one."""
    for action in parser._actions:
        value = getattr(args, action.dest, None)
        if value and action.metavar in _PATHS:
            expand = functools.partial(expand_path, what=(action.option_strings or [str(action.metavar)])[0])
            new = list(map(expand, value)) if isinstance(value, list) else type(value)(expand(str(value)))
            setattr(args, action.dest, new)
    args.paths = [expand_path(path, "command line") for path in getattr(args, "paths", ())]


class Once(argparse.Action):
    """An option that is given once: a second one would hide the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # str
        option_string: str | None = None,
    ) -> None:
        """Store the value."""
        first = getattr(namespace, self.dest)
        if first is not None:
            raise argparse.ArgumentError(
                self, f"is given twice, {first} and {values}: one file is read (_BASE_ in it names others)"
            )
        setattr(namespace, self.dest, values)


class Several(argparse.Action):
    """An option with several values: names, or numbers that `const` reads; a folder after them is a word again.

    `const` is a type as argparse has them: text -> number, or argparse.ArgumentTypeError.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # list[str]
        option_string: str | None = None,
    ) -> None:
        """Store the values and pass the words on."""
        own = list(itertools.takewhile(self._fits, values))
        if not own:
            raise argparse.ArgumentError(self, f"expected {'numbers' if self.const else 'names'}, got '{values[0]}'")
        try:
            setattr(namespace, self.dest, [self.const(value) for value in own] if self.const else own)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        namespace.late_words = [*getattr(namespace, "late_words", ()), *values[len(own) :]]

    def _fits(self, value: str) -> bool:
        if self.const:
            return _NUMBER.fullmatch(value) is not None
        return not (os.path.isdir(value) or os.sep in value)


def run_tool(
    parser: argparse.ArgumentParser,
    act: Callable[[CfgNode, argparse.Namespace], int],
    words: Sequence[str],
    command: str = "",
) -> int:
    """Parse a command line, load the config, call `act(cfg, args)` and return its exit code; errors exit.

    `command`: its name in COMMANDS; a key that it does not read is then an error.
    """
    args = _parse(parser, words)
    with _errors_in_one_line(parser.prog, args.traceback):
        _expand_paths(parser, args)
        args.cfg = find_cfg(args.cfg) if args.cfg else None
        cfg = load_cfg(args.cfg, args.overrides, command)
        if args.print_cfg or args.diff:
            print(dump_cfg(cfg) if args.print_cfg else _diff_text(cfg), end="")
            return 0
        _show_warnings()
        with no_trace_if_refused(cfg.OUT_DIR):
            return act(cfg, args)


def run_plain_tool(
    parser: argparse.ArgumentParser, act: Callable[[argparse.Namespace], int], words: Sequence[str]
) -> int:
    """Parse a command line without a config, call `act(args)` and return its exit code; errors exit."""
    args = parser.parse_intermixed_args(words)  # options may stand between the others
    with _errors_in_one_line(parser.prog, args.traceback):
        _expand_paths(parser, args)
        _show_warnings()
        return act(args)


def _show_warnings() -> None:
    from pycls.core.logging import start_logging

    start_logging()


@contextlib.contextmanager
def _errors_in_one_line(prog: str, with_traceback: bool) -> Iterator[None]:
    """End the program with one line for an error that a user can cause: exit code 2 for bad input, 1 for others.

    75 when another process of the run is gone: the same command goes on.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    warnings.showwarning = _one_line_warning
    try:
        yield
    except (ValueError, FloatingPointError, OSError, PeerLostError) as error:
        if with_traceback or (isinstance(error, BrokenPipeError) and not stdout_is_open()):
            raise
        say_on_stderr(f"{prog}: error: {_one_line(error)}")
        raise SystemExit(_exit_code(error)) from None
    except (MemoryError, RuntimeError) as error:
        line = memory_line(error)
        if with_traceback or not line:
            raise
        say_on_stderr(f"{prog}: error: {shown_line(line)}")
        raise SystemExit(2) from None


def _exit_code(error: Exception) -> int:
    if isinstance(error, PeerLostError):
        return EXIT_STOPPED
    is_input = isinstance(error, ValueError) or (isinstance(error, OSError) and is_about_path(error))
    return 2 if is_input else 1


def _one_line(error: Exception) -> str:
    return shown_line(reason_of(error) if isinstance(error, OSError) else str(error)) or type(error).__name__


def shown_line(text: str) -> str:
    """Return a text as one line for people: without passwords, and of a very long one the beginning."""
    line = printable(" ".join(line.strip() for line in text.splitlines()))
    line = hide_secrets(line[: 4 * _LONGEST_LINE]) + line[4 * _LONGEST_LINE :]  # takes time for what nobody will see
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}... ({len(line):,} characters)"


def _diff_text(cfg: CfgNode) -> str:
    return "".join(f"{key}: {value!r}\n" for key, value in diff_cfg(cfg).items())


def _one_line_warning(message, category, filename, lineno, file=None, line=None) -> None:
    from pycls.core.logging import print_line  # who warns has loaded more than that

    print_line(f"warning: {message}", sys.stderr)
