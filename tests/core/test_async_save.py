"""Jobs in the background run one at a time, in order, and none of their errors is lost."""

import threading

import pytest

from pycls.core.async_save import Background


def fail():
    raise OSError("disk full")


@pytest.fixture
def background():
    work = Background("test")
    yield work
    work.close()


def test_a_job_does_not_hold_up_its_caller_and_the_next_one_waits_for_it(background):
    go_on, done = threading.Event(), []

    def first():
        assert go_on.wait(30)
        done.append(1)

    background.submit(first)
    background.check()  # does not wait either
    assert done == []
    threading.Timer(0.05, go_on.set).start()
    background.submit(lambda: done.append(2))
    assert done[0] == 1
    background.wait()
    assert done == [1, 2]


@pytest.mark.parametrize("next_call", ["check", "wait", "submit"])
def test_an_error_is_raised_once_where_the_caller_comes_by_next(background, next_call):
    failed = threading.Event()

    def job():
        failed.set()
        fail()

    background.submit(job)
    failed.wait(30)
    with pytest.raises(OSError, match="disk full"):
        while True:  # check raises as soon as the job has ended, which takes a moment more
            getattr(background, next_call)(*([fail] if next_call == "submit" else []))
    background.wait()


def test_closing_waits_and_hands_over_the_error_that_nobody_saw(background):
    done = []
    background.submit(lambda: done.append(1))
    assert background.close() is None and done == [1]
    other = Background("other")
    other.submit(fail)
    assert str(other.close()) == "disk full" and other.close() is None
