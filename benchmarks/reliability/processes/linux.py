"""What Linux offers to watch over processes: orphans come to us, folders in memory of our own, who lives below us."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)
SHARED_MEMORY = Path("/dev/shm")


def adopt_orphans() -> None:
    """Become the parent of what a killed child leaves behind, instead of init."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def die_with_parent() -> None:
    """Have this process killed when the one that forked it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def own_mounts() -> None:
    """Give this process a view of the file systems in which it may mount; OSError where the system does not allow it.

    As another user than root it becomes root of a namespace of its own, which mounts tmpfs and nothing worse.
    """
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWNS) != 0:
        _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")


def mount_memory(folder: Path, options: str) -> None:
    """Lay an empty file system in memory over a folder; `options` such as "size=2m"."""
    _check(_libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, options.encode()), "mount")


def unmount(folder: Path) -> None:
    """Take it away again."""
    _check(_libc.umount2(bytes(folder), 2), "umount")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def descendants(pid: int) -> dict[int, str]:
    """Return {pid: command} of all living processes below one, those it has not waited for yet left out."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                name_and_rest = Path("/proc", entry, "stat").read_text().rpartition(")")
                state, parent = name_and_rest[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry)] = int(parent)
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return {child: _command(child) for child in below - {pid}}


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def address_space_mb() -> int:
    """Return the size of this process's address space, most of which is no memory."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") >> 20


def own_memory_mb() -> int:
    """Return how much memory this process has, without what it shares with files: a fork begins with that much."""
    resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") >> 20
