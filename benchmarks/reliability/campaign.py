"""All cases, those that are asked for, and the run of them."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reliability import fixtures
from benchmarks.reliability.attacks import attack_cases
from benchmarks.reliability.bad_inputs import bad_input_cases
from benchmarks.reliability.case import Case, Result
from benchmarks.reliability.damaged_files import build_packed_figures, build_stopped, damaged_file_cases
from benchmarks.reliability.fixtures import Fixtures
from benchmarks.reliability.full_disk import full_disk_cases
from benchmarks.reliability.kills import UNDISTURBED, kill_cases
from benchmarks.reliability.page import page, publish_page
from benchmarks.reliability.processes.command import preload
from benchmarks.reliability.processes.pool import run_cases

fixtures.BUILDERS |= UNDISTURBED | {"stopped": build_stopped, "packed": build_packed_figures}
KILLS = ("kill -9", "asked to stop")


def all_cases() -> list[Case]:
    """Return every case, those that take longest first."""
    return [*kill_cases(), *full_disk_cases(), *attack_cases(), *damaged_file_cases(), *bad_input_cases()]


def chosen(cases: Sequence[Case], only: str | None, quick: bool) -> list[Case]:
    """Return the cases that are asked for; `quick`: one of each kind, of the kills one of each group of kinds."""
    found = [case for case in cases if only is None or only in case.kind or only in case.name]
    if not quick:
        return found
    first: dict[str, Case] = {}
    for case in found:
        group = case.kind.partition(":")[0] if case.kind.startswith(KILLS) else case.kind
        if "anew" not in group:  # 20 s each
            first.setdefault(group, case)
    return list(first.values())


def run_campaign(cases: Sequence[Case], args: argparse.Namespace, publish_it: bool) -> int:
    """Build what the cases need, run them, tell of each failure at once, and write the table; return the exit code."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the folder is removed then, too
    scratch = Path(tempfile.mkdtemp(prefix="pycls_reliability_"))
    try:
        preload()
        made = build_fixtures({name for case in cases for name in case.needs}, args, scratch)
        results = []
        for result in run_cases(cases, made, args.seed, args.jobs, scratch / "cases"):
            results.append(result)
            _tell(result, len(results), len(cases), args.seed)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lost = len(cases) - len(results)
    minutes = (time.monotonic() - began) / 60
    text = page(results, minutes, args)
    print(text)
    if publish_it:
        publish_page(text)
    return 1 if lost or any(result.verdict == "failed" for result in results) else 0


def build_fixtures(names: set[str], args: argparse.Namespace, scratch: Path) -> Fixtures:
    """Build the fixtures that are asked for, side by side."""
    made = Fixtures(scratch / "pristine")
    fixtures.build_data(None, made["data"])
    builds = [
        Case("fixture", name, lambda room, name=name: fixtures.BUILDERS[name](room, made[name]))
        for name in sorted(names - {"data"})
    ]
    failed = [r for r in run_cases(builds, made, args.seed, args.jobs, scratch / "builders") if r.verdict != "survived"]
    if failed:
        raise SystemExit("\n".join(f"cannot make what the cases need: {r.name}: {r.words}" for r in failed))
    return made


def _tell(result: Result, number: int, count: int, seed: int) -> None:
    if result.verdict == "survived" and not sys.stdout.isatty():
        return
    print(f"{number}/{count} {result.verdict} in {result.seconds:.1f} s: {result.kind}: {result.name}", flush=True)
    if result.verdict != "survived":
        print(f"    {result.words}", flush=True)
    if result.verdict == "failed":
        print(f"    again: python -m benchmarks.reliability --only '{result.name}' --seed {seed}", flush=True)
