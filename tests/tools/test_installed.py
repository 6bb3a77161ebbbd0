"""What an installation holds, and that it serves outside the checkout."""

import subprocess
import sys

import pytest

from pycls.zoo import actions
from pycls.zoo.page import PAGE
from tests.helpers.commands import pycls_process
from tests.helpers.paths import ROOT


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Build the package as `pip install .` does, without the C extension and without a trace in the checkout."""
    place = tmp_path_factory.mktemp("library")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", place, "build_py", "--build-lib", place]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=100)
    return place


def test_everything_that_is_read_is_inside(library):
    def below(folder, pattern):
        return {path.relative_to(folder) for path in folder.rglob(pattern)}

    assert len(below(ROOT / "configs", "*.yaml")) > 100
    assert below(library / "pycls/configs", "*.yaml") == below(ROOT / "configs", "*.yaml")
    for pattern in ("*.py", "*.json", "*.j2"):
        inside = {path for path in below(ROOT / "pycls", pattern) if path.parts[0] != "configs"}
        assert below(library / "pycls", pattern) == inside, pattern
    assert "pycls = pycls.commands:main" in (library / "pycls.egg-info/entry_points.txt").read_text()


def test_it_serves_outside_the_checkout(library, tmp_path):
    done = pycls_process("info", "--cfg", "configs/quickstart/digits.yaml", cwd=tmp_path, library=library)
    assert done.returncode == 0 and "78,042 parameters" in done.stdout, done.stderr
    assert str(library / "pycls/configs/quickstart/digits.yaml") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_zoo_verifies_a_network(library, capsys):
    words = ["digits", "PREC_TIME.NUM_ITER", "1", "PREC_TIME.WARMUP_ITER", "0"]
    assert actions.act_on_words(["verify", *words], "pycls zoo", library) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[1:]}
    assert rows["flops"] == [*["3,125,898"] * 2, "exact", "ok"]
    assert rows["params"] == [*["78,042"] * 2, "exact", "ok"]


def test_the_zoo_lists_its_networks_and_says_what_needs_a_checkout(library, capsys):
    actions.act_on_words(["list"], "pycls zoo", library)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 150 and any("configs/quickstart/digits.yaml" in line and "0.08" in line for line in lines)
    for refused in (
        lambda: actions.write("pycls zoo", library),
        lambda: actions.check("pycls zoo", library),
        lambda: actions.act_on_words(["measure", "digits"], "pycls zoo", library),
    ):
        with pytest.raises(ValueError, match=rf"^{PAGE} is written in a checkout of pycls.*pycls zoo list"):
            refused()
