"""The shape of the house: layers, imports, names."""

import subprocess
import sys
from pathlib import Path

from tests.helpers.paths import ROOT


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_arrows_go_down_only():
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# Not asked for by every run, or slow: torchvision imports torch's compiler (a second), triton takes 0.1 s.
LATE = ("nvidia.dali", "tensorboard", "matplotlib", "sklearn", "timm", "onnx", "onnxruntime", "scipy")
LATE += ("torchvision", "torch._dynamo", "triton", "fvcore", "jinja2")


IMPORTS = f"""
import contextlib, io, pathlib, runpy, sys
def loaded(names): return [name for name in names if name in sys.modules]
sys.path.insert(0, "tools")
for tool in sorted(pathlib.Path("tools").glob("*.py")):
    sys.argv = [str(tool), "--help"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(sys.argv[0], run_name="__main__")
    print(tool.name, loaded(["torch", "numpy"]))
import pycls.engine, pycls.datasets.backends.custom
print("pycls.engine", loaded({LATE}))
"""


def test_a_package_is_imported_by_what_uses_it_only():
    """Import time by construction: --help does without torch, training and evaluation without what is slow."""
    lines = python(IMPORTS).splitlines()
    assert len(lines) > 10 and all(line.endswith(" []") for line in lines), lines


def test_each_optional_package_is_imported_in_one_file():
    for package in ("nvidia.dali", "torch.utils.tensorboard"):
        users = [
            p.name
            for p in (ROOT / "pycls").rglob("*.py")
            if f"from {package}" in p.read_text() or f"import {package}" in p.read_text()
        ]
        assert len(users) <= 1, (package, users)
