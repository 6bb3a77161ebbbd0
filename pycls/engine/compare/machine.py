"""What the figures hold for: versions, processor, limits of the container, devices."""

import datetime
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import pycls
from pycls.core.system import memory_gb, package_versions, processor_name
from pycls.engine.setup import environment

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
        "processor": processor_name(),
        "cores in use": f"{seen['cores']} of {os.cpu_count()}",
        "memory": f"{gigabytes:.0f} GB" if (gigabytes := memory_gb()) else "not known",
        "GPUs": ", ".join(seen["gpus"]) or "none",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "pycls": pycls.__version__,
        "load average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
    return described | _limits() | package_versions()


def _limits() -> dict[str, str]:
    return {name: _first_line(*(_CGROUP / file for file in files)) or "none" for name, files in _LIMITS.items()}


def _first_line(*files: Path) -> str:
    return next((file.read_text().split("\n")[0] for file in files if file.is_file()), "")


def as_plain(machine: dict[str, str]) -> dict[str, Any]:
    """Return the description with the date of ISO 8601 added, for the JSON file."""
    return machine | {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
