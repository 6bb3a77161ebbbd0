"""The shape of the house: layers, imports, names."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_arrows_go_down_only():
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_optional_packages_are_not_imported_before_they_are_needed():
    optional = ("nvidia.dali", "tensorboard", "matplotlib", "sklearn")
    code = f"import sys, pycls.engine; print([m for m in {optional} if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_torchvision_takes_a_second_and_is_imported_by_runs_that_use_it_only():
    code = "import sys, pycls.engine, pycls.datasets.custom_backend; print('torchvision' in sys.modules)"
    assert python(code).strip() == "False"


def test_the_command_line_answers_without_torch():
    assert python("import sys, pycls.core.cli; print('torch' in sys.modules)").strip() == "False"


def test_each_optional_package_is_imported_in_one_file():
    for package in ("nvidia.dali", "torch.utils.tensorboard"):
        users = [
            p.name
            for p in (ROOT / "pycls").rglob("*.py")
            if f"from {package}" in p.read_text() or f"import {package}" in p.read_text()
        ]
        assert len(users) <= 1, (package, users)
