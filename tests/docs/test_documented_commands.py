"""Every command that a page or a --help shows is run, in small; tests/helpers/documented/left_out.py has the others."""

import re

import pytest

from pycls.core.config import load_cfg
from tests.helpers.documented.find import Command, blocks_of, examples_of_help, snippets
from tests.helpers.documented.left_out import LEFT_OUT, RUN_ELSEWHERE, fits
from tests.helpers.documented.order import FOUND, needed, once, stage_name
from tests.helpers.documented.play import do, run
from tests.helpers.documented.programs import run_snippet
from tests.helpers.documented.tools import check_options

PAGES_COMMANDS = once(c for c in FOUND if not (c.block and c.page in RUN_ELSEWHERE))
NAMES = [c for c in PAGES_COMMANDS if not c.block and re.fullmatch(r"pycls [\w-]+|python tools/\w+\.py", c.text)]
MENTIONS = [c for c in PAGES_COMMANDS if not c.block and c.text.startswith("tools/")]
TYPED = [c for c in PAGES_COMMANDS if c not in NAMES and c not in MENTIONS]
HELP = once(examples_of_help())


def each(commands):
    return pytest.mark.parametrize("command", commands, ids=lambda command: command.place)


@each(TYPED)
def test_a_command_of_a_page(command, stage_of):
    """What it needs has been run in its folder, here if need be."""
    stage = stage_of(stage_name(command))
    for each_one in [*needed(command), command]:
        if each_one not in stage.done:
            stage.done.append(each_one)
            do(each_one, stage)


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
        run_snippet(snippet.text, stage_of(snippet.place))


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


def test_what_a_training_wrote_is_read_by_what_follows():
    train = Command("page.md", 3, "pycls train --cfg x.yaml OUT_DIR runs/mine", 3)
    predict = Command("page.md", 7, "pycls predict a.jpg --weights runs/mine/checkpoints/best.pyth")
    other = Command("page.md", 9, "pycls predict a.jpg --weights runs/mine2/checkpoints/best.pyth")
    assert needed(predict, [train, predict, other]) == [train] and needed(other, [train, predict, other]) == []
    assert needed(train, [train, predict, other]) == []


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
