"""Every file, module, name, link and key that documentation, comments and messages mention is there."""

import ast
import re
from functools import cache

import pytest

from pycls.core.config import flatten, load_cfg
from tests.helpers.paths import ROOT

ROOMS = ("pycls", "benchmarks", "tests", "docs", "tools", "configs", "csrc")
KINDS = {".md", ".py", ".yaml", ".sh", ".c", ".h", ".j2"}
ALL = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in KINDS]
ALL += [*ROOT.glob("*.md"), *(ROOT / name for name in ("Makefile", "setup.py", "pyproject.toml"))]
FILES = [path for path in ALL if path.relative_to(ROOT).parts[0] != "tests"]  # tests make mistakes on purpose
PAGES = [path for path in FILES if path.suffix == ".md"]
CONFIGS_AND_PAGES = [path for path in FILES if path.suffix in {".md", ".yaml"}]
NO_EXAMPLES = [path for path in FILES if path.name != "EXTEND.md"]  # whose scripts are the reader's

PATH = re.compile(rf"(?<![\w./<>$}}-])(?:{'|'.join(ROOMS)})/[\w./*-]++(?!\\)")
MODULE = re.compile(r"(?<![\w./-])(?:pycls|benchmarks|tests)(?:\.[A-Za-z_]\w*)+(?![\w/-])")
SCRIPT = re.compile(r"(?<![\w./*{}<>-])[\w/]+\.py\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")
KEYS = {key for key, _ in flatten(load_cfg(None))}
SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}
KEY = re.compile(rf"(?<![\w.])(?:{'|'.join(sorted(SECTIONS))})\.[A-Z][A-Z0-9_]+(?![\w*])")

ELSEWHERE = {
    "pycls/configs",  # where setup.py copies configs/ to
    "pycls.datasets.readers._native",  # the C extension
    "pycls.__file__",
    "timm/data/auto_augment.py",
    "__main__.py",  # what python -m runs
    "OPTIM.BASELR",  # README's mistake
    "MB.SE_RARIOS",  # keys of pytorch-cls
    "TRAIN.AMP",
    "DATA_LOADER.COLOR_JITTER",
}


@cache
def text_of(path):
    text = path.read_text()
    if path.name == "CHANGELOG.md":  # the first column of its tables says what there was before
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.M)
    return text


def dead(pattern, files, is_there):
    """List "file: mention" for what is not there."""
    found = [(path, mention) for path in files for mention in pattern.findall(text_of(path))]
    return sorted(
        {
            f"{path.relative_to(ROOT)}: {mention}"
            for path, mention in found
            if mention not in ELSEWHERE and not is_there(path, mention)
        }
    )


def path_is_there(_, mention):
    """A file, a folder, a pattern that finds some, a config without its suffix."""
    mention = mention.rstrip("./")
    return any(ROOT.glob(mention)) or (ROOT / f"{mention}.yaml").exists()


@cache
def names_in(module):
    """List what a module binds, and the modules of its package."""
    names = {child.stem for child in module.parent.iterdir()} if module.name == "__init__.py" else set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return names


def module_is_there(_, mention):
    """A module or a package, or a name in one."""
    parts = mention.split(".")
    if ROOT.joinpath(*parts).is_dir():
        return True
    for end in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:end])
        for module in (stem.with_suffix(".py"), stem / "__init__.py"):
            if module.is_file():
                return end == len(parts) or parts[end] in names_in(module)
    return False


def script_is_there(path, mention):
    """A neighbor of the file that mentions it, a tool, or the only one of its name."""
    near = any((folder / mention).exists() for folder in (path.parent, ROOT, ROOT / "tools"))
    return near or sum(other.as_posix().endswith(f"/{mention}") for other in ALL) == 1


@cache
def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_is_there(page, link):
    if "://" in link:
        return True
    file, _, anchor = link.partition("#")
    goal = page.parent / file if file else page
    return goal.exists() and (not anchor or anchor in anchors(goal))


def key_is_there(_, mention):
    return mention in KEYS


CHECKS = {
    "paths": (PATH, FILES, path_is_there),
    "modules": (MODULE, FILES, module_is_there),
    "scripts": (SCRIPT, NO_EXAMPLES, script_is_there),
    "links": (LINK, PAGES, link_is_there),
    "keys": (KEY, CONFIGS_AND_PAGES, key_is_there),
}


@pytest.mark.parametrize("kind", CHECKS)
def test_what_is_mentioned_is_there(kind):
    gone = dead(*CHECKS[kind])
    assert not gone, "\n".join(gone)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("paths", "see docs/NOTHING.md."),
        ("paths", "`tests/records/nothing_*.json`"),
        ("modules", "`pycls.engine.nothing(cfg)`"),
        ("modules", "python -m benchmarks.nothing --quick"),
        ("scripts", "(nothing.py says why)"),
        ("scripts", "a line in `__init__.py`"),  # which of them?
        ("keys", "`TRAIN.NOTHING 0.2`"),
        ("links", "[page](docs/NOTHING.md)"),
        ("links", "[part](README.md#nothing)"),
    ],
)
def test_a_dead_mention_is_found(kind, text):
    pattern, _, is_there = CHECKS[kind]
    (mention,) = pattern.findall(text)
    assert not is_there(ROOT / "README.md", mention)
