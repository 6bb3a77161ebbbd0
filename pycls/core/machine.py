"""What this machine gives a process, and what figures depend on: cores, threads, memory, cache folders, versions.

Cores and threads are counted by affinity and by the limits of a container (cgroup).
"""

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
from platformdirs import user_cache_path

_MOUNT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process may keep busy, at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cores()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cgroup_cores(mount: Path = _MOUNT, membership: Path = _MEMBERSHIP) -> float | None:
    """Return the tightest processor quota on this process in cores, versions 1 and 2 of cgroups; None without one."""
    quotas = []
    for folder in cgroup_folders("cpu", mount, membership):
        words = (
            _read(folder / "cpu.max") or f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        )
        quota, _, period = words.partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def cgroup_memory_gb(mount: Path = _MOUNT, membership: Path = _MEMBERSHIP) -> float | None:
    """Return the tightest memory limit on this process; None without one."""
    limits = []
    for folder in cgroup_folders("memory", mount, membership):
        limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        if limit.isdigit() and int(limit) / 1e9 < memory_gb():  # version 1: "none" is more than any memory
            limits.append(int(limit) / 1e9)
    return min(limits, default=None)


def free_memory_bytes() -> int:
    """Return how much more memory this process may take: of the machine, its cgroups, and by `ulimit -v`."""
    room = [psutil.virtual_memory().available]
    for folder in cgroup_folders("memory", _MOUNT, _MEMBERSHIP):
        limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")
        if limit.isdigit() and used.isdigit():
            cached = re.search(r"^(?:total_)?inactive_file (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
            room.append(int(limit) - int(used) + (int(cached[1]) if cached else 0))  # the cache gives way
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            room.append(soft - psutil.Process().memory_info().vms)
    return max(0, min(room))


def free_threads(mount: Path = _MOUNT, membership: Path = _MEMBERSHIP) -> int | None:
    """Return how many more threads and processes the cgroups of this process may hold; None without a limit."""
    room = []
    for folder in cgroup_folders("pids", mount, membership):
        limit, current = _read(folder / "pids.max"), _read(folder / "pids.current")
        if limit.isdigit() and current.isdigit():
            room.append(int(limit) - int(current))
    return min(room, default=None)


def cgroup_folders(controller: str, mount: Path, membership: Path) -> Iterator[Path]:
    """Yield the folder of this process's group and those of all groups around it, as far as they can be seen."""
    for line in _read(membership).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = mount / controllers if controllers else mount  # version 1 has a tree for each controller
        inner = top / group.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(top) and folder.is_dir())


def _read(file: Path) -> str:
    """Return the text of a file, empty if it cannot be read."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


_PACKAGES = (
    *("torch", "torchvision", "timm", "numpy", "opencv-python-headless", "pillow"),
    *("nvidia-dali-cuda130", "nvidia-dali-cuda120"),
)


def package_versions() -> dict[str, str]:
    """Return name -> version of the packages that are installed."""
    return {name: version for name in _PACKAGES if (version := _version(name))}


def processor_name() -> str:
    """Return the model of the processor, or at least its kind."""
    lines = _read(Path("/proc/cpuinfo")).splitlines()
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def memory_gb() -> float:
    """Return the memory of the machine."""
    return psutil.virtual_memory().total / 1e9


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cache_dir() -> Path:
    """Return the folder for derived files: the environment variable PYCLS_CACHE_DIR, else pycls in the user's cache.

    That is ~/.cache/pycls ($XDG_CACHE_HOME/pycls) on Linux, ~/Library/Caches/pycls on macOS.
    """
    named = os.environ.get("PYCLS_CACHE_DIR")
    return Path(named).expanduser() if named else user_cache_path("pycls", appauthor=False)


def path_digest(path: Path) -> str:
    """Return what tells the cached facts about one path from those of others, in a name: 16 letters."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]


def download_dir(named: str | Path) -> Path:
    """Return the folder for downloads: what the key DOWNLOAD_CACHE names, a part of `cache_dir` if that is empty."""
    return Path(named).expanduser() if named else cache_dir() / "downloads"
