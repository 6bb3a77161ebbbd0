"""docs/EXTEND.md is true: its files are written and its commands run, in their order, in a folder of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "EXTEND.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def run(commands: str, folder: Path) -> str:
    """Run a block of commands with this Python; return what it prints."""
    paths = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=folder, env=os.environ | paths, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> list[str]:
    """Do what the page says, half a minute of runs; return what each block of commands prints."""
    folder, texts = tmp_path_factory.mktemp("checkout"), []
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    for kind, text in BLOCKS:
        if kind == "sh":
            texts.append(run(text, folder))
        else:
            (folder / text.split()[1]).write_text(text)
    return texts


def test_the_network_with_its_own_key_is_trained_and_tested(printed):
    assert printed[0].count("Top-1 accuracy") == 2 and "355 images" in printed[0]


def test_its_checkpoint_predicts_when_its_code_is_asked_for(printed):
    assert len(printed[1].splitlines()) > 30 and "digits/val/3/" in printed[1]


def test_encoded_images_from_elsewhere_are_trained_on(printed):
    assert "355 images" in printed[2]


def test_a_run_with_everything_from_outside_learns(printed):
    (accuracy,) = re.findall(r"Top-1 accuracy ([\d.]+) %", printed[3])
    assert float(accuracy) > 90


def test_every_table_has_an_entry_on_the_page():
    tables = re.findall(r"^\| .* \| `[\w.]+\.([A-Z_]+)` \|", PAGE, re.MULTILINE)
    code = "".join(text for kind, text in BLOCKS if kind == "python")
    assert len(tables) == 8 and all(f'\n{table}["' in code for table in tables)
