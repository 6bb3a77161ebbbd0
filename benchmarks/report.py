"""What the benchmarks share: the options of their command line, the machine's description, the file of results."""

import argparse
import atexit
import datetime
import json
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pycls.core.machine import package_versions, processor_name, usable_cores

ROOT = Path(__file__).parents[1]
_RESULTS = ROOT / "benchmarks/RESULTS.md"


def command_line(description: str) -> argparse.ArgumentParser:
    """Return a parser that has the options of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print-only", action="store_true", help="leave the file with the results as it is")
    return parser


def publish(name: str, text: str, print_only: bool, file: Path = _RESULTS) -> None:
    """Print a section and, unless it is to be printed only, write it into the file."""
    print(text)
    if not print_only:
        write_section(file, name, text)


def write_json(path: Path | None, record: dict[str, Any]) -> None:
    """Write figures for programs, if a file is asked for."""
    if path is not None:
        path.write_text(json.dumps(record, indent=1) + "\n")


def passing_folder() -> Path:
    """Return a new folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="pycls_benchmark_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def describe_machine() -> str:
    """Return date, processor, cores in use and versions in one sentence each."""
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    today = datetime.date.today().strftime("%d %B %Y")
    return f"{today}. {usable_cores()} cores of {processor_name()}. Python {platform.python_version()}, {versions}."


def write_section(path: Path, name: str, text: str) -> None:
    """Put `text` between the markers of `name` in a Markdown file, which is made when it is not there."""
    begin, end = f"<!-- {name}: begin, written by a script -->", f"<!-- {name}: end -->"
    before = path.read_text() if path.exists() else ""
    if begin not in before:
        before = f"{before.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    head, _, rest = before.partition(begin)
    path.write_text(f"{head}{begin}\n{text.strip()}\n{end}{rest.partition(end)[2]}")
