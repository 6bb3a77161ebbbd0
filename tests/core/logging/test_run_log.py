"""stdout.log of a run that was killed and goes on: no line of a step twice, none lost that stays true."""

import contextlib
import logging

import pytest

from pycls.core.logging import cut_back_log, get_logger, json_line, setup_logging

OLD = ["Network: 12 multiply-adds", json_line({"_type": "cfg"}), json_line({"_type": "train_iter", "at": 1})]
LATE = [json_line({"_type": "train_iter", "at": 2}), "Epoch 1/2: train loss 0.7", json_line({"_type": "x", "at": 3})]


def is_late(record):
    return record.get("at", 0) > 1


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "stdout.log"
    for handler in logging.getLogger("pycls").handlers:
        handler.close()


def lines(path):
    return path.read_text().splitlines()


@pytest.mark.parametrize("end", ["\n", "", '\njson_stats: {"_type": "train_it', "\nEpoch 1/2: te"])
def test_what_is_done_again_goes_and_what_this_start_says_stays(path, end):
    path.write_text("\n".join([*OLD, *LATE]) + end)
    setup_logging(str(path.parent))
    get_logger("pycls.x").warning("falling back")
    cut_back_log(is_late)
    get_logger("pycls.x").info("going on")
    assert lines(path) == [*OLD, "warning: falling back", "going on"]
    cut_back_log(is_late)
    assert len(lines(path)) == 5


def test_a_line_that_was_cut_off_is_not_glued_to_the_next(path):
    path.write_text("\n".join(OLD) + "\nEpoch 1/2: te")
    setup_logging(str(path.parent))
    get_logger("pycls.x").info("going on")
    assert lines(path) == [*OLD, "Epoch 1/2: te", "going on"]


def test_records_of_this_start_are_not_cut(path):
    setup_logging(str(path.parent))
    get_logger("pycls.x").info(LATE[0])
    cut_back_log(is_late)
    assert len(lines(path)) == 1


def test_a_log_that_somebody_has_edited_or_removed_is_left_alone(path):
    path.write_bytes(b"\xff\xfe notes of mine\njson_stats: {broken\njson_stats: [1, 2]\n")
    before = path.read_bytes()
    setup_logging(str(path.parent))
    cut_back_log(is_late)
    assert path.read_bytes() == before
    path.unlink()
    cut_back_log(is_late)
    assert not path.exists()


def test_a_full_disk_is_told_once_and_lines_go_on_when_it_has_room(path, capfd):
    setup_logging(str(path.parent), "file")
    (log,) = logging.getLogger("pycls").handlers
    whole = log.stream
    log.stream = open("/dev/full", "w")  # noqa: SIM115
    for number in range(3):
        get_logger("pycls.x").info("lost %d", number)
    with contextlib.suppress(OSError):
        log.stream.close()
    log.stream = whole
    get_logger("pycls.x").info("going on")
    assert path.read_text() == "going on\n"
    assert capfd.readouterr() == ("", f"warning: {path}: cannot be written: No space left on device\n")
