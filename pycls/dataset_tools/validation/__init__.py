"""Check every file of a data set before training does: what is unreadable, damaged, there twice, or odd."""

import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pycls.core.atomic_io import write_durably
from pycls.core.logging import progress_bar
from pycls.core.machine import usable_cores
from pycls.core.registry import printable
from pycls.dataset_tools.validation.duplicates import check_classes, find_duplicates
from pycls.dataset_tools.validation.findings import DAMAGED, KINDS, UNREADABLE, Finding, is_wrong, unique
from pycls.dataset_tools.validation.inspect import Inspection, Inspector, build_decoders
from pycls.dataset_tools.validation.left_out import left_out_findings
from pycls.dataset_tools.validation.splits import Splits
from pycls.dataset_tools.validation.splits import splits_of_cfg as splits_of_cfg
from pycls.dataset_tools.validation.splits import splits_of_folder as splits_of_folder
from pycls.datasets.heartbeat import HeartbeatBoard
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.readers.skip_list import in_a_line, save_skip_list
from pycls.datasets.workers.processes import ProcessWorkers
from pycls.datasets.workers.watchdog import Watchdog

_CHUNK_SIZE = 32  # files in one piece of work


def check_data(listed: Splits, backends: tuple[str, ...], tiny_px: int, timeout_sec: float) -> list[Finding]:
    """Inspect every file of some splits in processes on all usable cores; return the findings, the worst kinds first.

    What training refuses of the splits, which comes with them, is among the findings.
    """
    decoders = build_decoders(backends)
    splits, findings = listed[0], list(listed[1])
    digests = []
    for samples in splits:
        findings += check_classes(samples) + left_out_findings(samples)
        own = np.zeros(len(samples), np.uint64)
        for inspection in _progress(_inspect_all(samples, decoders, tiny_px, timeout_sec), samples):
            own[inspection.index] = inspection.digest
            name = samples.key(inspection.index)
            findings += [Finding(kind, name, detail) for kind, detail in inspection.findings]
        digests.append(own)
    findings += find_duplicates(splits, digests) if splits else []
    order = list(KINDS)
    return sorted(unique(findings), key=lambda finding: (order.index(finding.kind), finding.name))


def _progress(inspections: Iterator[Inspection], samples: EncodedSamples) -> Iterator[Inspection]:
    return progress_bar(inspections, f"Check {samples.split}", len(samples))


def _inspect_all(samples: EncodedSamples, decoders: dict, tiny_px: int, timeout_sec: float) -> Iterator[Inspection]:
    """Yield an inspection of each sample, in order; an OSError names a file that hangs or kills its worker."""
    if len(samples) == 0:
        return
    num_workers = min(usable_cores(), -(-len(samples) // _CHUNK_SIZE))
    board = HeartbeatBoard(2 * num_workers, shared=True)
    watchdog = Watchdog(samples, board, timeout_sec)
    workers = ProcessWorkers(Inspector(samples, board, decoders, tiny_px), num_workers)
    pending: deque = deque()
    try:
        for number, start in enumerate(range(0, len(samples), _CHUNK_SIZE)):
            indices = np.arange(start, min(start + _CHUNK_SIZE, len(samples)))
            pending.append(workers.submit(indices, number % len(board)))
            if len(pending) == len(board):
                yield from watchdog.result(pending.popleft())
        while pending:
            yield from watchdog.result(pending.popleft())
    finally:
        workers.close()


def save_report(findings: list[Finding], splits: list[EncodedSamples], out_dir: Path) -> list[Path]:
    """Write all findings as JSON and the unreadable images as a skip list; return the files."""
    out_dir.mkdir(parents=True, exist_ok=True)
    report, skip_list = out_dir / "report.json", out_dir / "skip_list.txt"
    images = {samples.split: len(samples) for samples in splits}
    content = {
        "images": images,
        "counts": Counter(f.kind for f in findings),
        "findings": [f._asdict() for f in findings],
    }
    write_durably(report, (json.dumps(content, indent=1) + "\n").encode())
    damaged = (f for f in findings if f.kind == DAMAGED)  # to be judged by a person
    notes = (f"# damaged, but shown ({printable(f.detail)}):\n# {in_a_line(f.name)}\n" for f in damaged)
    save_skip_list(skip_list, {f.name: f.detail for f in findings if f.kind == UNREADABLE}, notes)
    return [report, skip_list]


def summary(findings: list[Finding], splits: list[EncodedSamples]) -> str:
    """Return the table of counts, with the first name of each kind."""
    images = ", ".join(f"{len(samples):,} in {printable(samples.split)}" for samples in splits) or "none"
    counts = Counter(finding.kind for finding in findings)
    first = {finding.kind: finding for finding in reversed(findings)}
    rows = [f"Images: {images}", f"{'finding':<16} {'files':>8}  what, and the first"]
    for kind, what in KINDS.items():
        if counts[kind]:
            named = printable(f"{first[kind].name} {first[kind].detail}")
            rows.append(f"{kind:<16} {counts[kind]:>8}  {what}: {named}".rstrip())
    if not counts:
        return "\n".join([rows[0], "Nothing found: every file is what it should be"])
    refused = any(finding.refused for finding in findings)
    return "\n".join([*rows, *["Training refuses this data as it is"] * refused])


def exit_code(findings: list[Finding]) -> int:
    """Return 1 if something must be done about the data before it is trained on."""
    return int(any(map(is_wrong, findings)))
