"""Describe the machine, and keep one section of a Markdown file up to date."""

import datetime
import platform
from importlib import metadata
from pathlib import Path

from pycls.core.cores import usable_cores

_PACKAGES = ("torch", "torchvision", "opencv-python-headless", "nvidia-dali-cuda130", "nvidia-dali-cuda120", "pillow")


def describe_machine() -> str:
    """Return date, processor, cores in use and versions in one sentence each."""
    versions = ", ".join(f"{name} {version}" for name in _PACKAGES if (version := _version(name)))
    today = datetime.date.today().strftime("%d %B %Y")
    return f"{today}. {usable_cores()} cores of {_processor()}. Python {platform.python_version()}, {versions}."


def write_section(path: Path, name: str, text: str) -> None:
    """Put `text` between the markers of `name` in a Markdown file, which is made when it is not there."""
    begin, end = f"<!-- {name}: begin, written by a script -->", f"<!-- {name}: end -->"
    before = path.read_text() if path.exists() else ""
    if begin not in before:
        before = f"{before.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    head, _, rest = before.partition(begin)
    path.write_text(f"{head}{begin}\n{text.strip()}\n{end}{rest.partition(end)[2]}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
