"""Two runs in one OUT_DIR: the second is refused, and a killed one leaves no lock."""

import subprocess
import sys

import pytest

from pycls.core.locks import sole_run

HOLD = """import sys, time
from pycls.core.locks import sole_run
with sole_run(sys.argv[1]):
    print(flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_by_the_name_of_the_first(holder, tmp_path):
    message = rf"OUT_DIR .* another run is writing there \(process {holder.pid} on "
    with pytest.raises(ValueError, match=message), sole_run(tmp_path, patience_sec=0):
        pass


def test_a_killed_run_leaves_no_lock(holder, tmp_path):
    holder.kill()
    with sole_run(tmp_path):
        pass
    with sole_run(tmp_path, patience_sec=0):
        pass
