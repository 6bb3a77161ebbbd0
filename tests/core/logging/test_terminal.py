"""What people see: plain lines in a pipe, colors and bars on a terminal, no records."""

import errno
import io
import logging
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from pycls.core.logging import (
    FILE_ONLY,
    GOOD_NEWS,
    NOT_ON_TERMINAL,
    ONCE,
    get_logger,
    print_line,
    progress_bar,
    setup_logging,
    start_logging,
)
from pycls.datasets.loader import Loader
from pycls.datasets.workers.bad_images import Failure
from tests.helpers.runs import overrides, run_tool_here, tiny_words


class Screen(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _quiet_afterwards():
    yield
    setup_logging(None)


def say(monkeypatch, stream, out_dir=None, log_dest="stdout", main=True, stderr=None):
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", stderr or stream)
    setup_logging(out_dir and str(out_dir), log_dest, main)
    logger = get_logger("pycls.somewhere")
    logger.info("Epoch 1/2: %s", "good", extra=GOOD_NEWS)
    logger.info("step 3", extra=NOT_ON_TERMINAL)
    logger.info('json_stats: {"_type": "a"}', extra=FILE_ONLY)
    for _ in range(2):
        logger.warning("a file is missing")
        logger.info("a hint", extra=ONCE)
        logger.info("a line")
    logger.error("broken")
    logging.getLogger("pycls").handlers[0].flush()
    return stream.getvalue()


PLAIN = "Epoch 1/2: good\nstep 3\nwarning: a file is missing\na hint\na line\na line\nerror: broken\n"


def test_a_pipe_gets_plain_lines(monkeypatch):
    assert say(monkeypatch, io.StringIO()) == PLAIN


def test_a_terminal_without_colors_gets_what_the_bar_does_not_say(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert say(monkeypatch, Screen()) == PLAIN.replace("step 3\n", "")


def test_a_terminal_without_a_bar_gets_all_lines(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert say(monkeypatch, Screen(), stderr=io.StringIO()) == PLAIN, "train 2> errors"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert say(monkeypatch, Screen()) == PLAIN
    with progress_bar(None, "Epoch 1/2", 10, unit="step") as bar:
        bar.update()
    assert "Epoch 1/2 " not in sys.stderr.getvalue()


def test_a_terminal_sets_off_good_news_warnings_and_errors(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    lines = say(monkeypatch, Screen()).splitlines()
    assert lines == [
        "\033[1;32mEpoch 1/2: good\033[0m",
        "\033[33mwarning: a file is missing\033[0m",
        "a hint",
        "a line",
        "a line",
        "\033[31merror: broken\033[0m",
    ]


def test_the_log_file_has_lines_and_records(monkeypatch, tmp_path):
    assert say(monkeypatch, io.StringIO(), tmp_path) == PLAIN
    head, tail = PLAIN[: PLAIN.index("warning")], PLAIN[PLAIN.index("warning") :]
    text = (tmp_path / "stdout.log").read_text()
    assert text.startswith(f"{head}[test_terminal.py: ") and text.endswith(f']: json_stats: {{"_type": "a"}}\n{tail}')
    assert say(monkeypatch, io.StringIO(), tmp_path, "file") == "" and (tmp_path / "stdout.log").read_text() == 2 * text


def test_other_processes_say_errors_only(monkeypatch, tmp_path):
    assert say(monkeypatch, io.StringIO(), tmp_path, main=False) == "error: broken\n"
    assert not (tmp_path / "stdout.log").exists()


def test_names_that_are_no_text_are_written_with_escapes(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", narrow)
    setup_logging(None)
    get_logger("pycls.x").info("né\udcff")
    print_line("é")
    assert narrow.buffer.getvalue() == b"n\\xe9\\udcff\n\\xe9\n"


def test_there_is_no_bar_where_nobody_looks(monkeypatch):
    for stream in (io.StringIO(), Screen()):
        monkeypatch.setattr("sys.stderr", stream)
        assert list(progress_bar(range(3), "Work", 3, hidden=stream.isatty())) == [0, 1, 2]
        assert stream.getvalue() == ""


def test_lines_stand_above_the_bar(monkeypatch):
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stderr", screen)
    with progress_bar(None, "Epoch 1/2", 10, unit="step", start=4) as bar:
        bar.set_postfix_str("loss 0.5", refresh=False)
        bar.update()
        print_line("a line")
    shown = [part for part in screen.getvalue().replace("\n", "\r").split("\r") if part.strip()]
    assert shown[0].startswith("Epoch 1/2  40 %, ? left, 4/10 |")
    assert shown[1:3] == ["a line", shown[2]] and shown[2].startswith("Epoch 1/2  50 %, loss 0.5, ")
    assert screen.getvalue().rsplit("\r", 2)[1].strip() == "", "it vanishes"


def test_short_work_needs_no_bar(monkeypatch):
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    assert list(progress_bar(range(3), "Predict", 3, delay_sec=100)) == [0, 1, 2]
    assert screen.getvalue().strip() == ""


class ClosedPipe(io.StringIO):
    """What a program writes to whose reader has gone, `head` for instance."""

    encoding = "utf-8"

    def write(self, text):
        raise BrokenPipeError


def test_when_the_reader_has_gone_the_log_goes_on(monkeypatch, tmp_path):
    errors = io.StringIO()
    monkeypatch.setattr("sys.stdout", ClosedPipe())
    monkeypatch.setattr("sys.stderr", errors)
    setup_logging(str(tmp_path))
    for line in ("first", "second"):
        get_logger("pycls.here").info(line)
    assert (tmp_path / "stdout.log").read_text().splitlines() == ["first", "second"]
    assert errors.getvalue() == ""


class FullDisk(ClosedPipe):
    """What a program writes to whose output goes to a file on a full disk."""

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_output_that_takes_no_more_is_told_once(monkeypatch):
    errors = io.StringIO()
    monkeypatch.setattr("sys.stdout", FullDisk())
    monkeypatch.setattr("sys.stderr", errors)
    setup_logging(None)
    for line in ("first", "second"):
        get_logger("pycls.here").info(line)
    assert errors.getvalue() == "warning: the standard output takes no more lines: No space left on device\n"


def test_of_many_bad_images_the_terminal_names_the_first(monkeypatch, tmp_path):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    setup_logging(str(tmp_path))
    loader = SimpleNamespace(samples=range(100), bad={})
    Loader.note_bad(loader, [Failure(number % 30, f"{number % 30}.png", "it is empty", None) for number in range(60)])
    named = [f"warning: Skipped a bad image: {number}.png: it is empty" for number in range(30)]
    more = "warning: More than 20 bad images: stdout.log in OUT_DIR names all"
    assert shown.getvalue().splitlines() == [*named[:20], more]
    assert [line for line in (tmp_path / "stdout.log").read_text().splitlines() if line != more] == named


def test_a_warning_from_before_the_run_is_shown_once_and_written_to_the_log(monkeypatch, tmp_path):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    logger = get_logger("pycls.somewhere")
    for _ in range(2):  # runs in one process: each says it
        start_logging()
        logger.warning("2 files are left out")
        logger.info("listed")
        logger.warning("2 files are left out")
        setup_logging(str(tmp_path))
        logger.warning("2 files are left out")
        logger.warning("a file is missing")
    once = "warning: 2 files are left out\nwarning: a file is missing\n"
    assert stream.getvalue() == once * 2
    assert (tmp_path / "stdout.log").read_text() == once * 2


def test_photographs_left_out_are_told_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (20, 20), (number * 80, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos" / "a" / "1.heic").touch()
    keys = {"DATA_DIR": tmp_path / "photos", "MODEL.NUM_CLASSES": 0, "DATA.VAL_FRACTION": 0.3, "TRAIN.BATCH_SIZE": 2}
    keys |= {"TRAIN.DATASET": "imagenet", "TEST.DATASET": "imagenet", "OPTIM.MAX_EPOCH": 1}
    done = run_tool_here("train_net.py", *tiny_words(tmp_path / "run"), *overrides(keys))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left out 1 file that is no image") == 1 and "left out" not in done.stderr
    assert done.stdout.count("warning: ") == (tmp_path / "run" / "stdout.log").read_text().count("warning: ") == 1
