"""Train, test, time, describe or scale a network: one entry point, as pycls has it."""

from collections.abc import Sequence

from pycls.commands import command
from pycls.core.cli import OneLineParser

MODES = ("train", "test", "time", "info", "scale")
DESCRIPTION = f"""Train, test, time, describe or scale a network: {{call}} --mode MODE [options] [KEY VALUE ...].

--mode MODE --help tells the options of each: {", ".join(MODES)}."""
EXAMPLE = "--mode train --cfg configs/quickstart/digits.yaml"


def main(prog: str, words: Sequence[str]) -> int:
    """Hand over to the command that --mode names, which parses the other words."""
    parser = OneLineParser(prog, DESCRIPTION, EXAMPLE, add_help=False, allow_abbrev=False)
    parser.add_argument("--mode", choices=MODES, help="what to do")
    args, others = parser.parse_known_args(words)
    if args.mode:
        return command(args.mode)(f"{prog} --mode {args.mode}", others)
    if not {"-h", "--help"} & set(others):
        parser.error(f"--mode is needed: {', '.join(MODES)}")
    parser.print_help()
    return 0
