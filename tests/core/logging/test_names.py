"""Names of files and classes that try to be something else: another log line, a record, an order to the terminal."""

import io
import json
import logging

import pytest

from benchmarks.reliability.lists.image_attacks import FORGED, odd_names
from pycls.core.logging import (
    FILE_ONLY,
    SEVERAL_LINES,
    get_logger,
    json_line,
    load_log_data,
    print_line,
    progress_bar,
    setup_logging,
)
from pycls.core.registry import printable, printable_lines
from pycls.inference.predictions import Prediction


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The package's log, to a screen and to a file."""
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)
    setup_logging(str(tmp_path))
    yield get_logger("pycls.somewhere"), screen, tmp_path / "stdout.log"
    setup_logging(None)


def _unseen(text: str, but: str = "\n") -> list[str]:
    return [letter for letter in text if not letter.isprintable() and letter not in but]


@pytest.mark.parametrize("name", odd_names())
def test_a_name_is_one_visible_line(name):
    assert printable(name).isprintable() and printable_lines(f"{name}\nx").endswith("\nx")
    assert printable(printable(name)) == printable(name) and printable("plain name.jpg") == "plain name.jpg"
    if name.isprintable():
        assert printable(name) == name


def test_letters_and_spaces_of_all_scripts_stay():
    names = (
        "Ärger",
        "日本\u3000語",
        "\u0646\u0645\u06cc\u200c\u062e\u0648",
        "\u0915\u094d\u200d\u0937",
        "👩\u200d💻",
        "a\u00a0b",
    )
    assert [printable(name) for name in names] == list(names)
    assert printable("\u202egpj.exe") == r"\u202egpj.exe" and printable("\x1b[0m\r\b\x9b") == r"\x1b[0m\r\x08\x9b"


def test_names_forge_neither_lines_nor_records(log):
    logger, screen, file = log
    for name in (*odd_names(), FORGED, f"\n{FORGED}", f"\n[meters.py:  9]: {FORGED}\n"):
        logger.warning("Skipped a bad image: %s", name)
        logger.info("%s", name)
        logger.info(name.replace("%", ""))
    logger.info(json_line({"_type": "test_epoch", "epoch": "1/9", "top1_err": 50.0}), extra=FILE_ONLY)
    logging.getLogger("pycls").handlers[0].flush()
    lines = file.read_text().splitlines()
    assert len(lines) == 3 * (len(odd_names()) + 3) + 1 and not _unseen(screen.getvalue() + file.read_text())
    assert len(screen.getvalue().splitlines()) == len(lines) - 1
    assert load_log_data(file) == {"test_epoch": {"epoch": ["1/9"], "top1_err": [50.0]}}
    tagged = [line.partition("json_stats: ")[2] for line in lines if "json_stats: " in line]  # as pycls reads a log
    assert [json.loads(text)["top1_err"] for text in tagged] == [50.0]


def test_texts_of_several_lines_are_such_where_they_say_so(log):
    logger, screen, file = log
    logger.info("Config:\n%s", "A: 1\n\tB: \x1b[1m", extra=SEVERAL_LINES)
    assert file.read_text() == "Config:\nA: 1\n\tB: \\x1b[1m\n" == screen.getvalue()


def test_what_is_printed_does_nothing_to_a_terminal(capsys, monkeypatch):
    for name in odd_names():
        print_line(str(Prediction(name, error="bad\x1b[1m\nnews")))
        print_line(str(Prediction("a.jpg", (name,), (0,), (1.0,))))
    out = capsys.readouterr().out
    assert not _unseen(out) and len(out.splitlines()) == 2 * len(odd_names())
    monkeypatch.setattr("pycls.core.logging.progress.Bar", lambda items, label, *_, **__: label)
    assert progress_bar([1], "Check \x1b[2J\r", 1) == r"Check \x1b[2J\r"
