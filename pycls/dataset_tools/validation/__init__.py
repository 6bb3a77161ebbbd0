"""Check every file of a data set before training does: what is unreadable, damaged, there twice, or odd."""

import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from pycls.core.logging import progress_bar
from pycls.core.machine import usable_cores
from pycls.dataset_tools.validation.duplicates import (
    BOTH_SPLITS,
    CLASS_NAMES,
    EMPTY_CLASS,
    OTHER_CLASS,
    TWICE,
    check_classes,
    find_duplicates,
)
from pycls.dataset_tools.validation.inspect import (
    BLACK,
    DAMAGED,
    DISAGREE,
    NOTES,
    TINY,
    UNREADABLE,
    WRONG_TYPE,
    Finding,
    Inspection,
    Inspector,
    build_decoders,
)
from pycls.datasets.check_samples import check_samples
from pycls.datasets.heartbeat import HeartbeatBoard
from pycls.datasets.info import find_dataset
from pycls.datasets.readers import has_split, load_split
from pycls.datasets.readers.folder_scan import scan_tree
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples, FileSamples
from pycls.datasets.readers.skip_list import save_skip_list
from pycls.datasets.readers.tar_index import index_file
from pycls.datasets.workers.processes import ProcessWorkers
from pycls.datasets.workers.watchdog import Watchdog

_CHUNK_SIZE = 32  # files in one piece of work
KINDS = {
    UNREADABLE: "no image, empty, or cut short: ends a run, or is skipped",
    DAMAGED: "shown, but a part of it is missing or wrong",
    DISAGREE: "backends do not show the same",
    BLACK: "shown black, though its 16-bit or float pixels are not all 0",
    WRONG_TYPE: "the file's ending says another type; shown all the same",
    TINY: "shorter side below --tiny-px",
    OTHER_CLASS: "the same bytes under two labels",
    BOTH_SPLITS: "the same bytes in two splits",
    TWICE: "the same bytes twice in a class",
    CLASS_NAMES: "class names that differ in case or spaces only",
    EMPTY_CLASS: "a class without images",
    **dict.fromkeys(NOTES, "note"),
}


def samples_of_cfg(cfg: CfgNode) -> list[EncodedSamples]:
    """Return the splits that a config trains and tests on; ValueError for array data, which has no files."""
    splits: dict[str, EncodedSamples] = {}
    for phase in ("train", "test"):
        name = f"{phase.upper()}.DATASET {cfg[phase.upper()].DATASET}"
        dataset = find_dataset(cfg, phase)
        samples = dataset.build(cfg, phase)
        check_samples(samples, dataset, name)
        if isinstance(samples, ArraySamples):
            raise ValueError(f"{name} is array data: there are no image files to check")
        splits[samples.split] = samples
    return list(splits.values())


def samples_of_folder(folder: str) -> list[EncodedSamples]:
    """Return the images of a class-folder tree, or of the splits train, val and test below a folder, packed or not."""
    top = Path(folder).resolve()
    if not top.is_dir():
        raise ValueError(f"{folder} is not a folder")
    splits = [name for name in ("train", "val", "test") if has_split(top, name)]
    found = [_samples_of_split(top, name) for name in splits] or [_samples_of_tree(top)]
    if not any(len(samples) for samples in found):
        raise ValueError(f"{folder} holds no images: expected <class>/<image>, or <split>/<class>/<image>")
    return found


def _samples_of_split(top: Path, split: str) -> EncodedSamples:
    # Folders are listed without the checks of training, whose findings are reported here instead.
    return load_split(top, split) if index_file(top, split).exists() else _samples_of_tree(top / split)


def _samples_of_tree(top: Path) -> FileSamples:
    tree = scan_tree(top)
    return FileSamples(str(top), tree.paths, tree.labels, tree.classes)


def check_data(
    splits: list[EncodedSamples], backends: tuple[str, ...], tiny_px: int, timeout_sec: float
) -> list[Finding]:
    """Inspect every file in processes on all usable cores; return the findings, the worst kinds first."""
    decoders = build_decoders(backends)
    findings, digests = [], []
    for samples in splits:
        findings += check_classes(samples)
        own = np.zeros(len(samples), np.uint64)
        for inspection in _progress(_inspect_all(samples, decoders, tiny_px, timeout_sec), samples):
            own[inspection.index] = inspection.digest
            name = samples.key(inspection.index)
            findings += [Finding(kind, name, detail) for kind, detail in inspection.findings]
        digests.append(own)
    findings += find_duplicates(splits, digests)
    order = list(KINDS)
    return sorted(findings, key=lambda finding: (order.index(finding.kind), finding.name))


def _progress(inspections: Iterator[Inspection], samples: EncodedSamples) -> Iterator[Inspection]:
    return progress_bar(inspections, f"Check {samples.split}", len(samples))


def _inspect_all(samples: EncodedSamples, decoders: dict, tiny_px: int, timeout_sec: float) -> Iterator[Inspection]:
    """Yield an inspection of each sample, in order; an OSError names a file that hangs or kills its worker."""
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
    report.write_text(json.dumps(content, indent=1) + "\n")
    save_skip_list(skip_list, {f.name: f.detail for f in findings if f.kind == UNREADABLE})
    with skip_list.open("a", errors="surrogateescape") as file:  # to be judged by a person
        file.writelines(f"# damaged, but shown ({f.detail}):\n# {f.name}\n" for f in findings if f.kind == DAMAGED)
    return [report, skip_list]


def summary(findings: list[Finding], splits: list[EncodedSamples]) -> str:
    """Return the table of counts, with the first name of each kind."""
    images = ", ".join(f"{len(samples):,} in {samples.split}" for samples in splits)
    counts = Counter(finding.kind for finding in findings)
    first = {finding.kind: finding for finding in reversed(findings)}
    rows = [f"Images: {images}", f"{'finding':<16} {'files':>8}  what, and the first"]
    for kind, what in KINDS.items():
        if counts[kind]:
            rows.append(f"{kind:<16} {counts[kind]:>8}  {what}: {first[kind].name} {first[kind].detail}".rstrip())
    return "\n".join(rows if counts else [*rows[:1], "Nothing found: every file is what it should be"])
