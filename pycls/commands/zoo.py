"""The model zoo: list its networks, measure one again, write MODEL_ZOO.md."""

import argparse
from collections.abc import Sequence

from pycls.core.cli import OneLineParser, how_to_call, run_plain_tool
from pycls.core.config.command_words import sort_words

DESCRIPTION = """List the networks of the model zoo, measure one of them again, or write MODEL_ZOO.md.

  {call} list        name, counts and config of every network
  {call} verify NAME [KEY VALUE ...]
      compare what is recorded of a network with what is found now
In a checkout:
  {call} measure NAME [KEY VALUE ...]
      time a network and keep the figure
  {call}             count every config's network; write the record of counts and the page
  {call} --check     only tell whether the page is what the records say (exit code 1: stale)

NAME is a network of the page (of several with one name the first) or a config file. verify ends with a verdict on each
column, ok or differs: counts (flops, params, acts) must be those recorded, and round to those published; top-1 and
top-5 error may differ by 0.1 points, where DATA_DIR and weights are there (published ones are downloaded, others:
TEST.WEIGHTS FILE). The time of 64 images is measured and not judged. Exit code 1: a count or an error differs; 0: none
does; 2: bad input, or no error could be measured though DATA_DIR or TEST.WEIGHTS was given.
measure: the time of 64 images goes into pycls/zoo/records/zoo_measured.json and onto the page."""
EXAMPLE = "verify RegNetX-400MF DATA_DIR /data/imagenet"


def act(args: argparse.Namespace) -> int:
    """List, verify, measure, write or check."""
    from pycls.zoo import actions

    words = [*args.words, *args.overrides]
    if words and args.check:
        raise ValueError("--check goes without other words")
    if words:
        return actions.act_on_words(words, args.call)
    return actions.check(args.call) if args.check else actions.write(args.call)


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = OneLineParser(prog, DESCRIPTION, EXAMPLE)
    parser.add_argument("words", nargs="*", metavar="list | verify NAME | measure NAME | KEY VALUE", help="see above")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    parser.set_defaults(call=how_to_call(prog))
    rest, overrides = sort_words(parser, words, takes_paths=True)
    parser.set_defaults(overrides=overrides)
    return run_plain_tool(parser, act, rest)
