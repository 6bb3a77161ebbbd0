"""Every command that a page or a --help shows is run, in small; tests/helpers/documented/left_out.py has the others."""

import contextlib
import re
from collections import Counter

import pytest

from pycls.core.config import load_cfg
from tests.helpers.documented.find import PAGES, Command, blocks_of, commands_of_page, examples_of_help, snippets
from tests.helpers.documented.left_out import LEFT_OUT, RUN_ELSEWHERE, fits
from tests.helpers.documented.play import do, run
from tests.helpers.documented.programs import run_snippet
from tests.helpers.documented.supplies import supply_of
from tests.helpers.documented.tools import check_options
from tests.helpers.documented.words import expanded


def once(commands: list[Command]) -> list[Command]:
    """Leave out what means the same as one before, but for parts of a longer block, which need one another."""
    known, kept = set(), []
    lengths = Counter((command.page, command.block) for command in commands)
    for command in commands:
        part = command.block and lengths[command.page, command.block] > 1
        if part or meaning(command.text) not in known:
            kept.append(command)
        known.add(meaning(command.text))
    return kept


def meaning(text: str) -> str:
    """Return the same for commands that are run on the same files."""
    with contextlib.suppress(ValueError):
        text = "\n".join(" ".join(map(supply_of, words)) for words in expanded(text))
    return text


FOUND = [command for path in PAGES for command in commands_of_page(path)]
BLOCKS = once([command for command in FOUND if command.block and command.page not in RUN_ELSEWHERE])
INLINE = once([*BLOCKS, *(command for command in FOUND if not command.block)])[len(BLOCKS) :]
NAMES = [command for command in INLINE if re.fullmatch(r"pycls [\w-]+|python tools/\w+\.py", command.text)]
MENTIONS = [command for command in INLINE if command.text.startswith("tools/")]
RUNNABLE = [command for command in INLINE if command not in NAMES and command not in MENTIONS]
HELP = once(examples_of_help())


def each(commands):
    return pytest.mark.parametrize("command", commands, ids=lambda command: command.place)


@each(BLOCKS)
def test_a_command_of_a_block(command, stage_of):
    """Those before it in the block have been run, here if need be."""
    stage = stage_of(f"{command.page}:{command.block}")
    for earlier in BLOCKS:
        same_block = (earlier.page, earlier.block) == (command.page, command.block)
        if same_block and earlier.line <= command.line and earlier not in stage.done:
            stage.done.append(earlier)
            do(earlier, stage)


@each(RUNNABLE)
def test_a_command_in_a_sentence_or_table(command, stage_of):
    do(command, stage_of(command.place))


@each(HELP)
def test_an_example_of_help(command, stage_of):
    do(command, stage_of(command.place))


@each(NAMES)
def test_a_command_that_is_named_is_there(command, stage_of):
    run([*command.text.split(), "--help"], stage_of("names"))


@each(MENTIONS)
def test_options_that_are_mentioned_are_there(command, stage_of):
    check_options(command.text.split(), stage_of("names"))


@pytest.mark.parametrize("snippet", snippets("python"), ids=lambda snippet: snippet.place)
def test_a_block_of_python(snippet, stage_of):
    if snippet.page not in RUN_ELSEWHERE:
        run_snippet(snippet.text, stage_of(snippet.page))


@pytest.mark.parametrize("snippet", snippets("yaml"), ids=lambda snippet: snippet.place)
def test_a_block_of_yaml_is_a_config(snippet, tmp_path):
    if snippet.page not in RUN_ELSEWHERE:
        (tmp_path / "config.yaml").write_text(snippet.text)
        load_cfg(str(tmp_path / "config.yaml"))


def test_what_is_left_out_is_still_there():
    commands = [command.text for command in [*FOUND, *HELP]]
    gone = [pattern for pattern in LEFT_OUT if not any(fits(pattern, text) for text in commands)]
    assert not gone, f"no page has these any more: {gone}"
    assert set(RUN_ELSEWHERE) <= {command.page for command in FOUND}


@pytest.mark.parametrize(
    "text",
    [
        "    frobnicate --all\n",  # no program that is known here: no command
        "    JPEG decoder: C extension\n",
    ],
)
def test_output_is_no_command(text):
    (block,) = blocks_of(text)
    assert block.lines == (text.strip(),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("python tools/train_net.py --cfg MY_FILE", "nothing is known to stand for 'MY_FILE'"),
        ("python tools/train_net.py --cfg <your file>", "nothing is known to stand for"),
        ("python tools/train_net.py --cfg nothing.yaml", "no such config file"),
        ("python tools/info_net.py --cfg configs/quickstart/digits.yaml --plot-learning", "unrecognized"),
        ("python tools/check_data.py /data/nothing", "is not a folder"),
        ("pip install nothing", "nothing"),
        ("make nothing", "nothing"),
        ("sbatch nothing.sh", "nothing here runs sbatch"),
        ("python -m benchmarks.loaders --nothing", "--nothing"),
        ("python tools/model_zoo.py measure X --nothing", "--nothing"),
    ],
)
def test_a_command_that_does_not_run_fails_by_its_place(text, said, stage_of):
    with pytest.raises(pytest.fail.Exception, match=rf"^page\.md:7: {re.escape(text)}\n(?s:.*){said}"):
        do(Command("page.md", 7, text), stage_of("mistakes"))
