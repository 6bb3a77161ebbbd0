"""The mark that says a job script to queue its job again: for what the same command goes on from, and only that."""

import pytest

from pycls.core.processes.unfinished import remove_mark, unfinished_run
from pycls.core.stop_signals import Interrupted

AGAIN = [Interrupted(2), RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer")]
FOR_NOTHING = [ValueError("no such key"), FloatingPointError("loss is nan"), OSError(28, "No space left on device")]


@pytest.mark.parametrize("error", [None, *AGAIN, *FOR_NOTHING], ids=repr)
def test_it_stays_where_the_same_command_goes_on(tmp_path, error):
    try:
        with unfinished_run(str(tmp_path)):
            assert (tmp_path / "unfinished").exists()
            if error is not None:
                raise error
    except type(error) as raised:
        assert raised is error
    assert (tmp_path / "unfinished").exists() == (error not in FOR_NOTHING)  # None: stopped


def test_a_failure_of_another_process_removes_it_and_so_does_the_end(tmp_path, monkeypatch):
    for end in (0, 1):
        (tmp_path / "unfinished").touch()
        if end:
            remove_mark(str(tmp_path))
        else:
            monkeypatch.setattr("pycls.core.processes.unfinished.is_main", lambda: False)
            with pytest.raises(KeyError), unfinished_run(str(tmp_path)):
                raise KeyError
        assert not (tmp_path / "unfinished").exists()
