"""What a run ran on and with: versions and hardware, nothing else of the machine."""

import datetime
import importlib.metadata

import torch

import pycls
from pycls.engine.setup import environment

_PACKAGES = ("torchvision", "numpy", "Pillow", "opencv-python-headless", "timm")


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
        "torch": str(found["torch"]),
    }
    return rows | {package: version for package in _PACKAGES if (version := _version(package))}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
