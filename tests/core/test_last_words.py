"""What cannot be said must not change how a program ends."""

import subprocess
import sys

PROGRAM = "from pycls.core.last_words import say_on_stderr; say_on_stderr('why'); raise SystemExit(75)"


def test_a_standard_error_on_a_full_disk_leaves_the_exit_code():
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", PROGRAM], stderr=full).returncode == 75
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "why\n", 75)
