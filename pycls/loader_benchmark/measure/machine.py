"""What the figures hold for: versions, processor, limits of the container, devices."""

import datetime
import platform
import shlex
import sys
from typing import Any

import psutil

import pycls
from pycls.core.cli import called_as
from pycls.core.machine import cgroup_cores, cgroup_memory_gb, memory_gb, package_versions, processor_name
from pycls.engine.setup import environment


def describe_machine() -> dict[str, str]:
    """Return name -> value of everything a reader needs to judge the figures; nothing private."""
    seen = environment()
    described = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%d %B %Y, %H:%M UTC"),
        "command": shlex.join([*called_as(sys.argv[0]).split(), *sys.argv[1:]]),
        "processor": processor_name(),
        "cores in use": f"{seen['cores']} of {psutil.cpu_count()}",
        "memory": f"{memory_gb():.0f} GB",
        "GPUs": ", ".join(seen["gpus"]) or "none",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "pycls": pycls.__version__,
        "load average": ", ".join(f"{load:.1f}" for load in psutil.getloadavg()),
    }
    return described | _limits() | package_versions()


def _limits() -> dict[str, str]:
    cores, memory = cgroup_cores(), cgroup_memory_gb()
    return {
        "cgroup processor limit": f"{cores:g} cores" if cores is not None else "none",
        "cgroup memory limit": f"{memory:.1f} GB" if memory is not None else "none",
    }


def as_plain(machine: dict[str, str]) -> dict[str, Any]:
    """Return the description with the date of ISO 8601 added, for the JSON file."""
    return machine | {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
