"""The shape of the house: layers, imports, names."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import grimp

from tests.helpers.paths import ROOT

PACKAGE = ROOT / "pycls"
MOST_MODULES = 15  # in a room, beside its __init__


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_arrows_go_down_only():
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_no_module_imports_itself_through_others():
    """Imports inside of functions and for type checkers count, and so does a package that its own module imports."""
    graph = grimp.build_graph("pycls", cache_dir=None)
    circular = [
        (module, imported)
        for module in sorted(graph.modules)
        for imported in graph.find_modules_directly_imported_by(module)
        if graph.chain_exists(importer=imported, imported=module)
    ]
    assert circular == []


def test_rooms_are_small():
    rooms = {folder.parent for folder in PACKAGE.rglob("*.py")}
    sizes = {str(room.relative_to(ROOT)): len(list(room.glob("[!_]*.py"))) for room in rooms}
    assert {room: size for room, size in sizes.items() if size > MOST_MODULES} == {}


def test_each_room_says_what_is_in_it():
    rooms = [path for path in PACKAGE.rglob("__init__.py") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert rooms == []


def test_a_class_name_stands_for_one_class():
    names = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def private_names(body):
    """List the names with an underscore that a module's top level binds."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))


def test_a_private_name_is_used_where_it_is_defined():
    unused = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        names = [name for name in private_names(tree.body) if name.startswith("_") and not name.startswith("__")]
        unused += [f"{path.relative_to(ROOT)}: {name}" for name in names if name not in used]
    assert unused == []


# Not asked for by every run, or slow: torchvision imports torch's compiler (a second), triton takes 0.1 s.
LATE = ("nvidia.dali", "tensorboard", "matplotlib", "sklearn", "timm", "onnx", "onnxruntime", "scipy")
LATE += ("torchvision", "torch._dynamo", "triton", "fvcore", "jinja2")


IMPORTS = f"""
import contextlib, io, pathlib, runpy, sys
import pycls.commands
def loaded(names): return [name for name in names if name in sys.modules]
sys.path.insert(0, "tools")
for tool in sorted(pathlib.Path("tools").glob("*.py")):
    sys.argv = [str(tool), "--help"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(sys.argv[0], run_name="__main__")
    print(tool.name, loaded(["torch", "numpy"]))
for command in ("", *pycls.commands.COMMANDS):
    sys.argv = ["pycls", *command.split(), "--help"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:
        pycls.commands.main()
    print("pycls", command, "usage: pycls " + command in out.getvalue(), loaded(["torch", "numpy"]))
import pycls.engine, pycls.datasets.backends.custom
print("pycls.engine", loaded({LATE}))
"""


def test_a_package_is_imported_by_what_uses_it_only():
    """Import time by construction: --help does without torch, training and evaluation without what is slow."""
    lines = python(IMPORTS).splitlines()
    assert len(lines) > 25 and all(line.endswith(" []") and "False" not in line for line in lines), lines


def test_each_optional_package_is_imported_in_one_file():
    for package in ("nvidia.dali", "torch.utils.tensorboard"):
        users = [
            p.name
            for p in (ROOT / "pycls").rglob("*.py")
            if f"from {package}" in p.read_text() or f"import {package}" in p.read_text()
        ]
        assert len(users) <= 1, (package, users)
