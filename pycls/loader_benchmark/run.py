"""Compare the loader backends on every source and write down what came out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import dump_cfg
from pycls.core.logging import get_logger
from pycls.core.stop_signals import accept
from pycls.engine.reporting.result import Result
from pycls.engine.setup import setup_process
from pycls.loader_benchmark.comparison import Comparison
from pycls.loader_benchmark.measure.machine import as_plain, describe_machine
from pycls.loader_benchmark.options import Options, check_one_process, settled
from pycls.loader_benchmark.report.html import save_loader_page
from pycls.loader_benchmark.report.tables import save_csv, section_text
from pycls.loader_benchmark.results import Section
from pycls.loader_benchmark.sources import find_sources

logger = get_logger(__name__)


def compare_loaders(cfg: CfgNode, folders: Sequence[str], options: Options) -> Result:
    """Measure every source, print tables, write JSON, CSV and a page into OUT_DIR; Ctrl-C keeps what there is."""
    check_one_process(cfg)
    options = settled(options, cfg)
    # All folders are looked at first: a bad one must not cost what was measured on the others, nor leave an OUT_DIR.
    sources = find_sources(cfg, folders, options.images)
    comparisons = [Comparison(source, cfg, options) for source in sources]
    setup_process(cfg)
    machine, interrupted = describe_machine(), False
    Path(cfg.OUT_DIR, cfg.CFG_DEST).write_text(dump_cfg(cfg))
    try:
        for comparison in comparisons:
            comparison.measure()
    except KeyboardInterrupt as signal:
        accept(signal)
        logger.info("Interrupted: what was measured is kept")
        for comparison in comparisons:
            comparison.section.notes.append("interrupted before everything was measured")
        interrupted = True
    sections = [comparison.section for comparison in comparisons]
    for section in sections:
        logger.info("%s", section_text(section))
    files = save_all(sections, cfg, options, machine)
    if not interrupted:
        check_any(sections)
    return Result(files=files, interrupted=interrupted)


def check_any(sections: Sequence[Section]) -> None:
    """Raise ValueError when no backend ran on any source, with the first reason."""
    if any(section.loader_runs for section in sections):
        return
    reasons = [f"{name}: {reason}" for section in sections for name, reason in section.left_out.items()]
    raise ValueError(f"no backend could be measured; {reasons[0]}")


def save_all(sections: Sequence[Section], cfg: CfgNode, options: Options, machine: dict[str, str]) -> list[Path]:
    """Write the three files and return their paths."""
    paths = [Path(cfg.OUT_DIR) / f"compare_loaders.{kind}" for kind in ("json", "csv", "html")]
    paths[0].write_text(json.dumps(_plain(sections, cfg, options, machine), indent=1))
    save_csv(sections, paths[1])
    save_loader_page(sections, cfg, machine, paths[2])
    return paths


def _plain(sections: Sequence[Section], cfg: CfgNode, options: Options, machine: dict[str, str]) -> dict[str, Any]:
    return {
        "machine": as_plain(machine),
        "options": asdict(options),
        "config": dump_cfg(cfg),
        "sources": [section.figures() | _measured(section) for section in sections],
    }


def _measured(section: Section) -> dict[str, Any]:
    choice = section.recommendation
    return {
        "cells": [asdict(row) | {"runs": section.loader_runs[row.cell]} for row in section.rows],
        "with_network": [asdict(row) | {"runs": section.model_runs[row.cell]} for row in section.model_rows],
        "recommendation": asdict(choice) | {"overrides": choice.overrides} if choice else None,
    }
