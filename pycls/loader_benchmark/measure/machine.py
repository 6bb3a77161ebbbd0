"""What the figures hold for: versions, processor, limits of the container, devices."""

import datetime
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import pycls
from pycls.core.cli import called_as
from pycls.core.machine import cgroup_cores, memory_gb, package_versions, processor_name
from pycls.engine.setup import environment

_CGROUP = Path("/sys/fs/cgroup")
_MEMORY_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # versions 2 and 1


def describe_machine() -> dict[str, str]:
    """Return name -> value of everything a reader needs to judge the figures; nothing private."""
    seen = environment()
    described = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%d %B %Y, %H:%M UTC"),
        "command": shlex.join([*called_as(sys.argv[0]).split(), *sys.argv[1:]]),
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
    cores, memory = cgroup_cores(), _memory_limit_gb()
    return {
        "cgroup processor limit": f"{cores:g} cores" if cores is not None else "none",
        "cgroup memory limit": f"{memory:.1f} GB" if memory is not None else "none",
    }


def _memory_limit_gb() -> float | None:
    """Return the limit, None without one: version 1 then gives a number larger than any memory."""
    words = [(_CGROUP / file).read_text().strip() for file in _MEMORY_LIMITS if (_CGROUP / file).is_file()]
    limits = [int(word) / 1e9 for word in words if word.isdigit()]
    return next((limit for limit in limits if limit < (memory_gb() or limit)), None)


def as_plain(machine: dict[str, str]) -> dict[str, Any]:
    """Return the description with the date of ISO 8601 added, for the JSON file."""
    return machine | {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
