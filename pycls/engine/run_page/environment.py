"""What a run ran on and with: versions and hardware, nothing else of the machine."""

import datetime

import torch

import pycls
from pycls.core.machine import package_versions
from pycls.engine.setup import environment


def environment_rows(device: torch.device) -> dict[str, str]:
    """Return name -> words."""
    found = environment()
    name = f": {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    rows = {
        "written": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "device": device.type + name,
        "processes": str(found["processes"]),
        "GPUs": ", ".join(found["gpus"]) or "none",
        "cores": str(found["cores"]),
        "system": found["system"],
        "pycls": pycls.__version__,
        "Python": found["python"],
    }
    return rows | package_versions() | {"torch": str(found["torch"])}  # with its build
