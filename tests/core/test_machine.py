"""Core and thread limits against control groups laid out as Linux shows them; where caches lie."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pycls.core import machine
from pycls.core.machine import cache_dir, cgroup_cores, download_dir, free_threads, usable_cores
from pycls.core.weights import sources


def _groups(tmp_path, membership, files):
    """Write a mount with control files and the process's membership; return both."""
    mount, own = tmp_path / "cgroup", tmp_path / "membership"
    mount.mkdir()
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    own.write_text(membership)
    return mount, own


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/pod/box\n", {"pod/cpu.max": "400000 100000", "pod/box/cpu.max": "max 100000"}, 4.0),
        ("0::/pod/box\n", {"pod/cpu.max": "400000 100000", "pod/box/cpu.max": "50000 100000"}, 0.5),
        ("0::/not/visible/from/here\n", {"cpu.max": "200000 100000"}, 2.0),
        (
            "4:memory:/a\n3:cpu,cpuacct:/docker/1\n0::/\n",
            {"cpu,cpuacct/docker/1/cpu.cfs_quota_us": "300000", "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000"},
            3.0,
        ),
        (
            "3:cpu:/docker/1\n",
            {"cpu/docker/1/cpu.cfs_quota_us": "-1", "cpu/docker/1/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("", {}, None),
    ],
)
def test_the_tightest_processor_quota_counts(tmp_path, membership, files, cores):
    assert cgroup_cores(*_groups(tmp_path, membership, files)) == cores


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "2000000000\n"}, 2.0),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/pod/box\n", {"pod/memory.max": "1500000000", "pod/box/memory.max": "max"}, 1.5),
        ("3:memory:/docker/1\n", {"memory/docker/1/memory.limit_in_bytes": "1000000000"}, 1.0),
        ("3:memory:/docker/1\n", {"memory/docker/1/memory.limit_in_bytes": str(2**63 - 4096)}, None),
    ],
)
def test_the_tightest_memory_limit_counts(tmp_path, monkeypatch, membership, files, limit):
    monkeypatch.setattr(machine, "memory_gb", lambda: 8.0)
    assert machine.cgroup_memory_gb(*_groups(tmp_path, membership, files)) == limit


def test_the_fullest_group_limits_threads(tmp_path):
    files = {"pids.max": "max", "pod/pids.max": "1000", "pod/pids.current": "900", "pod/box/pids.max": "500"}
    files |= {"pod/box/pids.current": "30"}
    assert free_threads(*_groups(tmp_path, "0::/pod/box\n", files)) == 100


def test_no_group_is_no_limit(tmp_path):
    assert free_threads(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity here")
def test_a_process_pinned_to_one_core_has_one():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from pycls.core.machine import usable_cores; print(usable_cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1" and usable_cores() >= 1


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("PYCLS_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_the_cache_is_the_users(home, monkeypatch):
    assert cache_dir() == home / ".cache" / "pycls"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "scratch"))
    assert cache_dir() == home / "scratch" / "pycls"


def test_the_variable_comes_first(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "scratch"))
    monkeypatch.setenv("PYCLS_CACHE_DIR", "~/elsewhere")
    assert cache_dir() == home / "elsewhere"
    monkeypatch.setenv("PYCLS_CACHE_DIR", "")
    assert cache_dir() != Path(), "empty is as not set"


@pytest.mark.parametrize("named, expected", [("/weights", "/weights"), ("~/w", "HOME/w"), ("", "HOME/c/downloads")])
def test_downloads_lie_where_the_key_says_or_in_the_cache(home, monkeypatch, named, expected):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(home / "c"))
    expected = Path(expected.replace("HOME", str(home)))
    assert download_dir(named) == expected
    monkeypatch.setattr(sources, "download", lambda url, folder: folder)
    assert sources.find_weights("https://a.org/net.pyth", named) == expected
    assert sources.find_weights("RegNetX-400MF", named) == expected
