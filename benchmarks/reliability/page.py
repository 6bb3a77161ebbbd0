"""The table of what was tried and what survived."""

import argparse
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reliability.case import Result
from benchmarks.report import ROOT, describe_machine, write_section

PAGE = ROOT / "benchmarks/RELIABILITY.md"
_VERDICTS = ("survived", "failed", "skipped")


def page(results: Sequence[Result], minutes: float, args: argparse.Namespace) -> str:
    """Return the table as Markdown, with failures and what was skipped by name."""
    kinds = {result.kind: Counter[str]() for result in results}
    for result in results:
        kinds[result.kind][result.verdict] += 1 if result.verdict == "failed" else result.tried
    rows = [_row(kind, counts) for kind, counts in kinds.items()]
    total = sum(kinds.values(), Counter[str]())
    lines = [
        "| kind | tried | survived | failed | skipped |",
        "|---|---:|---:|---:|---:|",
        *rows,
        _row("**all**", total),
    ]
    for verdict in ("failed", "skipped"):
        named = [f"- {r.kind}: `{r.name}`: {_one_line(r.words)}" for r in results if r.verdict == verdict]
        lines += ["", f"{verdict.capitalize()}:", "", *named] if named else []
    options = "".join(f" --{name} {value}" for name, value in (("only", args.only), ("seed", args.seed)) if value)
    lines += [
        "",
        f"Command: `python -m benchmarks.reliability{options}`, {minutes:.1f} minutes, {args.jobs} at a time.",
    ]
    lines += [f"Commit {_commit()}. {describe_machine()}"]
    return "\n".join(lines)


def _row(kind: str, counts: Counter[str]) -> str:
    tried = counts["survived"] + counts["failed"]
    return f"| {kind} | {tried} | {' | '.join(str(counts[verdict]) for verdict in _VERDICTS)} |"


def _one_line(words: str) -> str:
    return " ".join(words.split())[:400].replace("|", "\\|")


def publish_page(text: str, path: Path = PAGE) -> None:
    """Put the table onto the page, between its markers."""
    write_section(path, "reliability", text)


def _commit() -> str:
    """Return the commit of the checkout, and whether files differ from it."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
