"""A process that is gone is noticed by the others, one that is only slow is not."""

import contextlib
import threading
import time

import pytest
import torch.distributed as dist

from pycls.core.last_words import say_on_stderr
from pycls.core.processes import pulse
from pycls.core.processes.pulse import Pulse, is_of_a_connection, sentence, tell_end
from pycls.core.registry import first_line


@pytest.fixture
def quick(monkeypatch):
    """A second takes a hundredth of one, and nobody is ended hard."""
    monkeypatch.setattr(pulse, "_BEAT_SEC", 0.01)
    monkeypatch.setattr(pulse, "_HANG_SEC", 0.1)
    ended = []
    monkeypatch.setattr(pulse.os, "_exit", ended.append)
    return ended


@contextlib.contextmanager
def pulses(*ranks, of, patience_sec=0.2, store=None):
    store = dist.HashStore() if store is None else store
    started = [Pulse(store, rank, of, patience_sec) for rank in ranks]
    try:
        yield started
    finally:
        for each in started:
            each.close()


def wait_until(true, within_sec=20.0):
    end = time.monotonic() + within_sec
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    assert true()


def test_everyone_who_lives_learns_who_does_not(quick):
    with pulses(0, 1, 3, of=4) as three:
        wait_until(lambda: all(each.end for each in three))
        for each in three:
            assert each.end["rank"] == 2 and each.end["lost"]
            assert "rank 2, last seen at the start, is gone or gave no sign for 0 s" in each.end["text"]


def test_a_process_that_is_done_or_merely_slow_is_not_gone(quick):
    with pulses(0, 1, of=3) as two:
        with pulses(2, of=3, store=two[0]._store):
            time.sleep(0.3)  # it shows a pulse, and its main thread does nothing
        time.sleep(0.3)
        assert not any(each.end for each in two)
    assert not quick


def test_where_a_process_was_is_said_and_that_it_can_go_on(quick, monkeypatch):
    monkeypatch.setattr(pulse.HERE, "text", "epoch 3, step 17")
    with pulses(0, of=2) as (alive,):
        alive._store.set("rank/1", "5|rank 1 (process 9 on node7)|epoch 3, step 18")
        wait_until(lambda: alive.end)
        said = sentence(alive.end, 0)
    assert said.startswith("rank 0 (process ") and ", at epoch 3, step 17: rank 1 (process 9 on node7), " in said
    assert "last seen at epoch 3, step 18, is gone" in said and said.endswith(f"; {pulse.GOES_ON}")


def test_the_first_word_counts_and_a_failure_is_not_to_be_repeated(quick):
    with pulses(0, of=2, patience_sec=0) as (alive,):
        tell_end(alive._store, 1, "rank 1 failed: no such thing", lost=False)
        tell_end(alive._store, 1, "later", lost=True)
        wait_until(lambda: alive.end)
        assert sentence(alive.end, 0).endswith("rank 1 failed: no such thing")


def test_a_main_thread_that_waits_for_ever_is_ended_with_the_line(quick, capfd):
    with pulses(0, of=2):
        wait_until(lambda: quick)
    assert quick == [75] and capfd.readouterr().err.count("\n") == 1


def test_a_main_thread_that_fails_by_itself_is_left_alone(quick):
    with pulses(0, of=2, patience_sec=30) as (alive,):
        threading.Timer(0.05, lambda: tell_end(alive._store, 1, "gone", lost=True)).start()
        assert alive.suspect()["text"] == "gone"
        time.sleep(0.3)
    assert quick == []


def test_a_connection_that_breaks_is_told_from_a_mistake():
    assert is_of_a_connection(dist.DistBackendError("NCCL error"))
    assert is_of_a_connection(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:9"))
    assert not is_of_a_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_of_a_connection(ValueError("Connection closed"))


def test_a_line_of_another_process_shows_no_password_and_moves_no_terminal(quick, capfd):
    words = "x" * 270 + " https://user:s3cr3t-that-is-cut@host/a \x1b[2J\njson_stats: {}"
    store = dist.HashStore()
    tell_end(store, 1, first_line(ValueError(words)), lost=False)
    with pulses(0, of=2, store=store):
        wait_until(lambda: quick)
    told = capfd.readouterr().err
    assert "https://***" in told and "s3cr3t" not in told and "\x1b" not in told and told.count("\n") == 1
    say_on_stderr(words)
    told = capfd.readouterr().err
    assert "s3cr3t" not in told and "\x1b" not in told and told.count("\n") == 1
