"""What figures depend on: the versions of the packages that decode and train, the processor, the memory."""

import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "nvidia-dali-cuda130")
_PACKAGES += ("nvidia-dali-cuda120",)
_PROC = Path("/proc")


def package_versions() -> dict[str, str]:
    """Return name -> version of the packages that are installed."""
    return {name: version for name in _PACKAGES if (version := _version(name))}


def processor_name() -> str:
    """Return the model of the processor, or at least its kind."""
    return _proc_value("cpuinfo", "model name") or platform.processor() or platform.machine()


def memory_gb() -> float | None:
    """Return the memory of the machine, or None if it does not say."""
    total = _proc_value("meminfo", "MemTotal")
    return int(total.split()[0]) * 1024 / 1e9 if total else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _proc_value(file: str, field: str) -> str:
    info = _PROC / file
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
