"""Measure one source: try the backends, run the grid in rounds, feed the network."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from pycls.core.logging import get_logger
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.readers.subset import choose
from pycls.loader_benchmark.grid import Cell, Variant, build_grid, rounds, variants
from pycls.loader_benchmark.measure import page_cache
from pycls.loader_benchmark.measure.runner import run_task
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.options import Options
from pycls.loader_benchmark.probe import Rates, probe_backends
from pycls.loader_benchmark.recommend import model_candidates
from pycls.loader_benchmark.results import Section
from pycls.loader_benchmark.sources import Source, load_samples

logger = get_logger(__name__)

# Seconds that a cell's process needs before it measures anything: an interpreter, torch, perhaps DALI.
_START_SEC = 4.0
_NUM_MODEL_VARIANTS = 3


class Comparison:
    """The measurements of one source."""

    def __init__(self, source: Source, cfg: CfgNode, options: Options):
        """List the source's images; ValueError if they cannot be."""
        self.options, self.source, self.cfg = options, source, source.point(cfg)
        self.samples = load_samples(self.cfg, source.flat)
        num_files = min(options.images, len(self.samples))
        self.task = Task(
            kind="loader",
            cfg_file=str(Path(cfg.OUT_DIR, cfg.CFG_DEST)),
            overrides=source.overrides(),
            flat=source.flat,
            num_files=num_files,
            epochs=options.epochs,
        )
        self.section = _section(source, self.samples, num_files)
        self.began = 0.0

    def measure(self) -> None:
        """Try the backends, then run the grid in rounds, then feed the network."""
        self.began = time.monotonic()
        every = variants(self.options.backends)
        rates = self._probe(list(dict.fromkeys(variant.backend for variant in every)))
        cells = self._grid([variant for variant in every if variant.backend in rates])
        plan = [cell for order in rounds(cells, self.options.rounds, self.cfg.RNG_SEED) for cell in order]
        self.section.loader_runs = {cell: [] for cell in cells}
        logger.info("%s: %d cells x %d rounds", self.source.title, len(cells), self.options.rounds)
        logger.info("About %.0f min, and then the network", self._estimate(plan, rates) / 60 + 0.5)
        self._run_cells(plan)
        if not self.cfg.MODEL.TYPE:
            self.section.notes.append("no network: the config names none (MODEL.TYPE)")
        elif self.options.model != "none":
            self._run_models()

    def _probe(self, backends: list[str]) -> Rates:
        cell = Cell(Variant("custom"), max(self.options.workers), self.options.batch_sizes[0])
        task = replace(self._task(cell), num_squares=min(4, len(self.samples), cell.batch_size))
        subset = choose(self.samples, task.num_files, task.num_samples)
        return probe_backends(self.section, backends, task, self.cfg, subset, logger.info)

    def _grid(self, present: list[Variant]) -> list[Cell]:
        options, caches = self.options, list(self.options.caches)
        reason = page_cache.cold_reason(self._some_files()) if "cold" in caches else ""
        if reason:
            self.section.notes.append(f"cold cache not measured: {reason}")
            caches.remove("cold")
        views = ["test" if view == "eval" else view for view in options.views]
        outputs = ["uint8", "float"] if options.floats else ["uint8"]
        return build_grid(present, options.workers, options.batch_sizes, views, caches or ["warm"], outputs)

    def _some_files(self) -> list[str]:
        subset = choose(self.samples, 20, min(20, len(self.samples)))
        return sorted({page_cache.file_of(subset.name(index)) for index in range(len(subset))})

    def _task(self, cell: Cell) -> Task:
        words = [*self.task.overrides, *cell.loader_overrides(), *cell.batch_overrides()]
        num_files, num_samples = cell.sample_counts(self.options.images, len(self.samples))
        return replace(
            self.task,
            overrides=words,
            view=cell.view,
            cache=cell.cache,
            output=cell.output,
            num_files=num_files,
            num_samples=num_samples,
        )

    def _estimate(self, plan: Sequence[Cell], rates: Rates) -> float:
        """Return the seconds that cells will take, from what the backends did when they were tried."""
        most = max(self.options.workers)
        seconds = 0.0
        for cell in plan:
            rate, start_sec = rates[cell.variant.backend]
            images = (self.options.epochs + 1) * self._task(cell).num_samples
            seconds += _START_SEC + start_sec + images / (rate * max(1, cell.workers) / max(1, most))
        return seconds

    def _run_cells(self, plan: Sequence[Cell]) -> None:
        began = time.monotonic()
        for number, cell in enumerate(plan, 1):
            if self._is_over():
                self.section.notes.append(f"{len(plan) - number + 1} measurements left out: --minutes were over")
                return
            answer = run_task(self._task(cell))
            self.section.loader_runs[cell].append(answer)
            left = (time.monotonic() - began) / number * (len(plan) - number)
            logger.info("[%d/%d] %s: %s; %.0f min left", number, len(plan), cell.title, _brief(answer), left / 60 + 0.5)

    def _run_models(self) -> None:
        """Feed the network from the cells that matter, as many rounds as of the grid but at most two."""
        few = 2 if self.options.quick else _NUM_MODEL_VARIANTS  # one would be no choice
        count = few if self.options.model == "best" else len(self.section.loader_runs)
        cells = model_candidates(self.section.rows, count)
        self.section.model_runs = {cell: [] for cell in cells}
        for order in rounds(cells, min(2, self.options.rounds), self.cfg.RNG_SEED):
            for cell in order:
                if self._is_over():
                    return
                answer = run_task(self._model_task(cell))
                self.section.model_runs[cell].append(answer)
                logger.info("network fed by %s: %s", cell.title, _brief(answer))

    def _model_task(self, cell: Cell) -> Task:
        words = [*self.task.overrides, *cell.loader_overrides(), "MODEL.NUM_CLASSES", str(len(self.samples.classes))]
        words += ["PREC_TIME.NUM_ITER", "3", "PREC_TIME.WARMUP_ITER", "1"] if self.options.quick else []
        # One epoch for all: a real one has no second start among a few dozen steps.
        batches = 4 * (self.cfg.PREC_TIME.NUM_ITER + self.cfg.DATA_LOADER.PREFETCH + cell.workers + 2)
        return replace(self.task, kind="model", overrides=words, num_samples=batches * self.cfg.TRAIN.BATCH_SIZE)

    def _is_over(self) -> bool:
        return bool(self.options.minutes) and time.monotonic() - self.began > 60 * self.options.minutes


def _section(source: Source, samples: EncodedSamples, num_files: int) -> Section:
    subset = choose(samples, num_files, min(num_files, 200))
    mean_kb = float(np.mean([len(subset.read(index)) for index in range(len(subset))])) / 1e3
    return Section(source, len(samples), len(samples.classes), mean_kb, num_files)


def _brief(answer: dict[str, Any]) -> str:
    """Return a result in a few words."""
    if "error" in answer:
        return f"failed: {answer['error']}"
    if "end_to_end" in answer:
        return f"{answer['end_to_end']:.1f} images/s, data wait {answer['data_wait_pct']:.1f} %"
    epochs = answer["epochs"]
    rate = sum(epoch["images"] for epoch in epochs) / sum(epoch["marks"][-1] for epoch in epochs)
    return f"{rate:.0f} images/s, first batch after {answer['first_batch_sec']:.2f} s"
