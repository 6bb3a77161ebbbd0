"""A signal ends a command in one line, whenever it comes; in a training it is a request."""

import os
import signal
import subprocess
import sys

import pytest

from pycls.core.stop_signals import STOP_SIGNALS, Interrupted, StopRequest, accept, ended_by_signals, stop_on_signal
from tests.helpers.paths import ROOT

TOOLS = sorted(path.name for path in (ROOT / "tools").glob("*.py"))
NAMES = {signal.SIGINT: "Ctrl-C"}


def run_command(prog, act):
    """Return the exit code of a command that calls `act`."""
    try:
        with ended_by_signals(prog) as ending:
            ending.code = act()
            return ending.code
    except SystemExit as end:
        return end.code


def line_of(number):
    return f"tool: stopped by {NAMES.get(number, number.name)}; the same command goes on, or starts again\n"


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_ends_a_command_in_one_line(number, capfd):
    assert run_command("tool", lambda: os.kill(os.getpid(), number)) == (130 if number == signal.SIGINT else 75)
    assert capfd.readouterr() == ("", line_of(number))


def test_whatever_an_interrupt_is_turned_into_the_line_is_the_same(capfd):
    def act():
        try:
            os.kill(os.getpid(), signal.SIGUSR2)
        except BaseException:
            raise RuntimeError("initialization failed") from None

    assert run_command("tool", act) == 75
    assert capfd.readouterr().err == line_of(signal.SIGUSR2)


def test_later_signals_do_not_disturb_the_end(capfd):
    tidied = []

    def act():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for number in (*STOP_SIGNALS, *STOP_SIGNALS):
                os.kill(os.getpid(), number)
            tidied.append(1)

    assert run_command("tool", act) == 75 and tidied
    assert capfd.readouterr().err == line_of(signal.SIGTERM)


def test_who_accepts_an_interrupt_ends_by_itself_and_another_one_ends_that(capfd):
    def act():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as interrupt:
            accept(interrupt)
        return 75

    def impatient():
        act()
        os.kill(os.getpid(), signal.SIGINT)

    assert run_command("tool", act) == 75 and capfd.readouterr().err == ""
    assert run_command("tool", impatient) == 130 and capfd.readouterr().err == line_of(signal.SIGINT)


def test_other_errors_and_exits_pass():
    with pytest.raises(KeyError):
        run_command("tool", lambda: {}["x"])
    assert run_command("tool", lambda: sys.exit(2)) == 2
    assert run_command("tool", lambda: 7) == 7


def test_a_training_is_asked_and_only_a_second_ctrl_c_ends_it_at_once(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("pycls.core.stop_signals.time.monotonic", lambda: clock[0])
    with stop_on_signal() as stop:
        for number in (signal.SIGUSR2, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert stop.requested
        clock[0] += 5
        with pytest.raises(Interrupted, match="SIGINT"):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # what is tidied up meanwhile is not disturbed
    assert isinstance(Interrupted(signal.SIGINT), KeyboardInterrupt) and not StopRequest().requested


# ---- in programs of their own


PROGRAM = """
import os, signal, sys, time
from pycls.core.stop_signals import ended_by_signals
class Lost:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
with ended_by_signals("tool"):
    {act}
    time.sleep(20)
"""


def program(act, **options):
    return subprocess.run([sys.executable, "-c", PROGRAM.format(act=act)], capture_output=True, text=True, **options)


def test_an_interrupt_that_gets_lost_in_a_destructor_ends_the_program_all_the_same():
    done = program("Lost()")
    assert (done.returncode, done.stderr) == (75, line_of(signal.SIGTERM))


def test_what_hangs_then_is_ended_hard(tmp_path):
    act = """import pycls.core.stop_signals as stop
    stop._PATIENCE_SEC = 0.2
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        time.sleep(20)"""
    done = program(act)
    assert (done.returncode, done.stderr) == (130, line_of(signal.SIGINT))


def test_under_nohup_a_hangup_is_none():
    act = "os.kill(os.getpid(), signal.SIGHUP); os._exit(9)"
    assert program(act, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)).returncode == 9


def test_a_terminal_that_hangs_up_gets_no_more_lines():
    leader, terminal = os.openpty()
    act = "os.kill(os.getpid(), signal.SIGHUP)"
    command = [sys.executable, "-c", PROGRAM.format(act=act)]
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.close(leader)
    assert process.wait(20) == 75


@pytest.mark.parametrize("tool", TOOLS)
def test_a_signal_during_the_first_imports_of_a_tool_is_one_line(tool, tmp_path):
    """A package that every tool imports early is replaced by one that sends signals."""
    number = STOP_SIGNALS[TOOLS.index(tool) % len(STOP_SIGNALS)]
    (tmp_path / "yacs.py").write_text(
        f"import os\nfor _ in range(50): os.kill(os.getpid(), {int(number)})\nraise KeyError"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, str(ROOT / "tools" / tool), "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        130 if number == signal.SIGINT else 75,
        line_of(number).replace("tool", tool),
    )


ENDING = """
import os, signal, sys
from pycls.core.stop_signals import ended_by_signals

class Last:
    def __del__(self, kill=os.kill, process=os.getpid()):
        kill(process, signal.{name})

last = Last()  # goes with the module, when Python has given the signals back to the system
with ended_by_signals("tool"):
    sys.exit(3)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_that_comes_too_late_changes_nothing(name):
    command = [sys.executable, "-c", ENDING.format(name=name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
