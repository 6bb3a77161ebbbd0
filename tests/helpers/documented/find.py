"""Find what the documentation tells people to type: in blocks, tables and sentences, in configs' headers, in --help."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.commands import pycls_here
from tests.helpers.paths import CONFIGS, ROOT
from tests.helpers.runs import run_tool_here

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "MODEL_ZOO.md"]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]

PROGRAMS = {"python", "python3", "pycls", "torchrun", "make", "pip", "git", "source", "bash", "sh", "sudo", "export"}
PROGRAMS |= {"cd", "rm", "cp", "mv", "mkdir", "ls", "cat", "tar", "unzip", "curl", "wget", "docker", "tensorboard"}
PROGRAMS |= {"apt", "apt-get", "dnf", "brew", "conda", "sbatch", "srun", "scancel"}
PROGRAMS |= {"ruff", "mypy", "pytest", "lint-imports", "pre-commit"}
SHELL_FENCES = {"sh", "bash", "shell", "console"}
_ASSIGNED = r"(?:[A-Z_]+=\S* )*"
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)*)`(?!`)")
_KEY = re.compile(r"[A-Z][A-Z0-9_]*\.[A-Z][A-Z0-9_]* ")


@dataclass(frozen=True)
class Command:
    """A command as it is printed. Those of one block follow one another in one folder."""

    page: str
    line: int
    text: str
    block: int = 0  # the line that a block begins in; 0: in a sentence or a table

    @property
    def place(self) -> str:
        """Return page:line."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Block:
    """Consecutive lines of code with the language of their fence, "" if they are indented."""

    language: str
    first_line: int
    lines: tuple[str, ...]


def is_command(text: str) -> bool:
    """Tell whether a line is something to type: it begins with a program, after `$ ` and what is set for it."""
    text = text.removeprefix("$ ")
    if re.match(r"[A-Z_]+=\$\(", text):
        return True
    program = re.match(rf"{_ASSIGNED}(\S+)", text)
    return bool(program) and _is_program(program[1])


def _is_program(word: str) -> bool:
    script = word.endswith((".py", ".sh")) and "/" in word
    return word in PROGRAMS or word.startswith(".venv/bin/") or script


def name_of(path: Path) -> str:
    """Return a file's path in the checkout."""
    return path.relative_to(ROOT).as_posix()


def blocks_of(text: str) -> Iterator[Block]:
    """Yield fenced blocks, and indented ones, which begin after an empty line."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = re.fullmatch(r" {0,3}(```+)(\w*).*", lines[number])
        end = number + 1
        if fence:
            while end < len(lines) and lines[end].strip() != fence[1]:
                end += 1
            yield Block(fence[2] or "text", number + 2, tuple(lines[number + 1 : end]))
            end += 1
        elif lines[number].startswith("    ") and (not number or not lines[number - 1].strip()):
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(line[4:] for line in lines[number:end])
            yield Block("", number + 1, tuple(text.rstrip().split("\n")))
        number = end


def without_blocks(text: str) -> str:
    """Empty the lines of blocks, so that what is left keeps its line numbers."""
    lines = text.splitlines()
    for block in blocks_of(text):
        for number in range(block.first_line - 1, min(block.first_line - 1 + len(block.lines), len(lines))):
            lines[number] = ""
    return "\n".join(line if not line.lstrip().startswith("```") else "" for line in lines)


def inline_code(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, code between backticks) outside of blocks; tables write a bar as \\|."""
    text = without_blocks(text)
    for found in _INLINE.finditer(text):
        code = re.sub(r"\s+", " ", found[1].replace("\n# ", "\n")).replace(r"\|", "|")
        yield text.count("\n", 0, found.start()) + 1, code


def commands_of_lines(page: str, first_line: int, lines: tuple[str, ...]) -> Iterator[Command]:
    """Yield the commands of a block; with `$ ` in front of some lines, the others are what they print."""
    prompted = any(line.startswith("$ ") for line in lines)
    number = 0
    while number < len(lines):
        start, text = number, lines[number]
        number += 1
        if not text.strip() or text.startswith("#") or (prompted and not text.startswith("$ ")):
            continue
        while number < len(lines) and not _is_whole(text):
            text = text.removesuffix("\\").rstrip(" ") + (" " if text.endswith("\\") else "\n") + lines[number].lstrip()
            number += 1
        yield Command(page, first_line + start, _without_comment(text.removeprefix("$ ")), first_line)


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False  # an open quote
    return not text.endswith("\\")


def _without_comment(text: str) -> str:
    return re.sub(r"\s+#( .*)?$", "", text).strip()


def commands_of_page(path: Path) -> list[Command]:
    """Return the commands of a page: blocks, then sentences and tables."""
    page, text = name_of(path), path.read_text()
    found = []
    for block in blocks_of(text):
        if block.language in SHELL_FENCES or (block.language in ("", "text") and is_command(block.lines[0])):
            found += commands_of_lines(page, block.first_line, block.lines)
    for number, code in inline_code(text):
        if " " in code and is_command(code):
            found.append(Command(page, number, code))
    return found


def snippets(language: str) -> list[Command]:
    """Return the blocks of a language that is not the shell's; indented Python begins with an import."""
    blocks = [(name_of(path), block) for path in PAGES for block in blocks_of(path.read_text())]
    return [
        Command(page, block.first_line, "\n".join(block.lines) + "\n", block.first_line)
        for page, block in blocks
        if (block.language or language_of(block)) == language
    ]


def language_of(block: Block) -> str:
    """Guess the language of an indented block."""
    return "python" if block.lines[0].startswith(("import ", "from ")) else ""


def header_of(path: Path) -> list[str]:
    """Return the comment that a config begins with, line by line."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#"))
    return lines


def commands_of_header(path: Path) -> list[Command]:
    """Return the commands of a config's header; "add" and a line of keys is the command above with these."""
    page, found, header = name_of(path), [], header_of(path)
    number = 0
    while number < len(header):
        end = number
        while end < len(header) and header[end].startswith("   "):
            end += 1
        lines = tuple(line.strip() for line in header[number:end])
        if lines and is_command(lines[0]):
            found += commands_of_lines(page, number + 1, lines)
        elif lines and _KEY.match(lines[0]):
            found.append(Command(page, number + 1, " ".join((found[0].text, *lines)), number + 1))
        number = end + 1
    inline = inline_code("\n".join(line.removeprefix(" ") for line in header))
    return found + [Command(page, at, code) for at, code in inline if " " in code and is_command(code)]


def config_files() -> list[Path]:
    """Return every config."""
    return sorted(CONFIGS.rglob("*.yaml"))


def examples_of_help() -> list[Command]:
    """Return the examples of every --help, and the lines of its text that begin with a call of the tool.

    `pycls train --help` shows those of tools/train_net.py (tests/tools/test_commands.py).
    """
    found = [*_of_help("pycls --help", pycls_here("--help").stdout)]
    for tool in sorted(path.name for path in (ROOT / "tools").glob("*.py")):
        found += _of_help(f"tools/{tool} --help", run_tool_here(tool, "--help").stdout)
    return found


def _of_help(page: str, text: str) -> Iterator[Command]:
    for number, line in enumerate(text.splitlines(), 1):
        calls = re.match(r" +(?:python tools/\w+\.py|pycls \w[\w-]*|python -m pycls \w+) ", line)
        if calls:
            yield Command(page, number, re.split(r"  +", line.strip())[0])
