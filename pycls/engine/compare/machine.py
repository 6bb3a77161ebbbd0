"""What the figures hold for: versions, processor, limits of the container, devices."""

import datetime
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pycls
from pycls.engine.setup import environment

_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "nvidia-dali-cuda130")
_PACKAGES += ("nvidia-dali-cuda120",)
_CGROUP = Path("/sys/fs/cgroup")
# cgroup v2 and v1 names of the same limits
_LIMITS = {
    "cgroup processor limit": ("cpu.max", "cpu/cpu.cfs_quota_us"),
    "cgroup memory limit": ("memory.max", "memory/memory.limit_in_bytes"),
}


def describe_machine() -> dict[str, str]:
    """Return name -> value of everything a reader needs to judge the figures; nothing private."""
    seen = environment()
    described = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%d %B %Y, %H:%M UTC"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "processor": _processor(),
        "cores in use": f"{seen['cores']} of {os.cpu_count()}",
        "memory": _memory(),
        "GPUs": ", ".join(seen["gpus"]) or "none",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "pycls": pycls.__version__,
        "load average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
    return described | _limits() | {name: version for name in _PACKAGES if (version := _version(name))}


def _limits() -> dict[str, str]:
    return {name: _first_line(*(_CGROUP / file for file in files)) or "none" for name, files in _LIMITS.items()}


def _first_line(*files: Path) -> str:
    return next((file.read_text().split("\n")[0] for file in files if file.is_file()), "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    return _proc_value("cpuinfo", "model name") or platform.processor() or platform.machine()


def _memory() -> str:
    total = _proc_value("meminfo", "MemTotal")
    return f"{int(total.split()[0]) * 1024 / 1e9:.0f} GB" if total else "not known"


def _proc_value(file: str, field: str) -> str:
    info = Path("/proc") / file
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def as_plain(machine: dict[str, str]) -> dict[str, Any]:
    """Return the description with the date of ISO 8601 added, for the JSON file."""
    return machine | {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
