"""The run's diary: log lines, metrics.jsonl, TensorBoard and the progress bar, on the main process."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config import dump_cfg, without_secrets
from pycls.core.distributed import is_main
from pycls.core.logging import (
    FILE_ONLY,
    GOOD_NEWS,
    NOT_ON_TERMINAL,
    SEVERAL_LINES,
    MetricsFile,
    cut_back_log,
    get_logger,
    json_line,
    progress_bar,
)
from pycls.core.page.curves import is_number, last_epoch
from pycls.core.processes.pulse import HERE
from pycls.datasets.loader import Batch
from pycls.datasets.readers.samples import Samples
from pycls.engine.reporting.earlier_starts import is_before, of_training, records_so_far, write_config
from pycls.engine.reporting.evaluation import Evaluation, evaluation_figures, evaluation_record
from pycls.engine.reporting.introduction import introduction
from pycls.engine.reporting.lines import bar_figures, epoch_line, evaluations_line, step_line
from pycls.engine.reporting.meters import Clock, TrainMeter, Window, peak_memory_mb, time_string
from pycls.engine.reporting.result import Result
from pycls.engine.reporting.tensorboard import build_writer
from pycls.engine.setup import environment
from pycls.engine.state import TrainState
from pycls.models.complexity import complexity

logger = get_logger(__name__)


class Recorder:
    """Writes one record to every sink; names and units are pycls's (errors in percent, seconds, MiB)."""

    def __init__(self, cfg: CfgNode, device: torch.device, steps_per_epoch: int):
        self.cfg, self.device, self.steps = cfg, device, steps_per_epoch
        self.metrics = MetricsFile(Path(cfg.OUT_DIR) / "metrics.jsonl")
        self._writer = None
        self._waited = 0.0
        self._last_line = time.monotonic()
        self._bar = progress_bar(None, "", None, hidden=True)  # that of the epoch under way
        self._lowest: dict[str, dict[str, float]] = {}
        self._evaluated: dict[str, dict[str, Any]] = {}  # the newest record of each kind

    # ---- start and end

    def resume_at(self, epoch: int, step: int) -> None:
        """Begin, or go on from a position: records and log lines of steps that will be taken again are dropped."""
        if not is_main():
            return
        kept = [record for record in records_so_far(self.metrics) if is_before(record, epoch, step)]
        if epoch and not kept:
            logger.warning("%s: no records of the %d epochs so far are left", self.metrics.path, epoch)
        self.metrics.replace(kept)
        cut_back_log(lambda record: of_training(record) and not is_before(record, epoch, step))
        for record in kept:
            self._note_lowest(record)
        write_config(self.cfg)
        self._writer = build_writer(self.cfg.LOG.TENSORBOARD, self.cfg.OUT_DIR, epoch * self.steps + step)
        self._log_machine({"_type": "cfg", **without_secrets(self.cfg)})
        self._log_machine({"_type": "environment", **environment()})

    def reached(self) -> int:
        """Return the epochs that were finished, as the records say."""
        try:
            return last_epoch(self.metrics.read())
        except OSError:  # told when it is read to be gone on with
            return 0

    def introduce(self, model: nn.Module, train: Samples, test: Samples | None) -> None:
        """Say what is about to be trained on what; record its cost and, with VERBOSE, config and network as text."""
        costs = complexity(model, self.cfg.TRAIN.IM_SIZE)
        self._log_machine({"_type": "complexity", **costs})
        for line in introduction(self.cfg, train, test, model, costs, self.steps):
            logger.info("%s", line)
        if self.cfg.VERBOSE:
            logger.info("Config:\n%s", dump_cfg(self.cfg), extra=FILE_ONLY | SEVERAL_LINES)
            logger.info("Network:\n%s", model, extra=FILE_ONLY | SEVERAL_LINES)

    def close(self) -> None:
        """Flush what is open."""
        if self._writer is not None:
            self._writer.close()

    def records(self) -> list[dict[str, Any]]:
        """Return every record of the run so far."""
        return self.metrics.read()

    # ---- training

    def progress(self, batches: Iterable[Batch], state: TrainState) -> Iterator[Batch]:
        """Iterate with a progress bar, on a terminal only; its figures are those of the newest log line."""
        label = f"Epoch {state.epoch + 1}/{self.cfg.OPTIM.MAX_EPOCH}"
        self._waited = 0.0
        with progress_bar(None, label, self.steps, unit="step", start=state.step, hidden=not is_main()) as self._bar:
            for batch in batches:
                HERE.note(f"epoch {state.epoch + 1}, step {state.step + 1}")
                yield batch
                self._bar.update()

    def count(self, steps: int, label: str) -> Iterator[int]:
        """Count steps of other work than training, with a bar if it takes long."""
        return iter(progress_bar(range(steps), label, steps, unit="step", delay_sec=1, hidden=not is_main()))

    def train_iter(
        self, state: TrainState, window: Window, lr: float, clock: Clock, seconds: float, waited: float
    ) -> None:
        """Record the steps since the last line: medians of loss and errors, speed, data wait."""
        self._waited += waited
        steps = len(window.losses)
        record = {
            "_type": "train_iter",
            "epoch": f"{state.epoch + 1}/{self.cfg.OPTIM.MAX_EPOCH}",
            "iter": f"{state.step}/{self.steps}",
            "time_avg": clock.sec_per_step(),
            "time_diff": seconds / steps,
            "eta": self._eta(state, clock),
            "top1_err": window.top1_err,
            "top5_err": window.top5_err,
            "loss": window.loss,
            "lr": lr,
            "mem": peak_memory_mb(self.device),
            "images_per_sec": steps * clock.batch_size / seconds,
            "data_wait_pct": 100.0 * waited / seconds,
        }
        self._write(record, state.epoch * self.steps + state.step)
        self._bar.set_postfix_str(bar_figures(record), refresh=False)
        if state.step < self.steps and time.monotonic() - self._last_line >= self.cfg.LOG.STEP_SEC:
            logger.info(step_line(record, self._seconds_left(state, clock)), extra=NOT_ON_TERMINAL)
            self._last_line = time.monotonic()

    def train_epoch(self, state: TrainState, meter: TrainMeter, lr: float, clock: Clock) -> int:
        """Record the epoch's sample-weighted means and its speed; return the number of bad images in it."""
        loss, top1_err, top5_err, num_bad = meter.read_epoch()
        record = {
            "_type": "train_epoch",
            "epoch": f"{state.epoch + 1}/{self.cfg.OPTIM.MAX_EPOCH}",
            "time_avg": clock.sec_per_step(),
            "time_epoch": clock.seconds,
            "eta": self._eta(state, clock),
            "top1_err": top1_err,
            "top5_err": top5_err,
            "loss": loss,
            "lr": lr,
            "mem": peak_memory_mb(self.device),
            "images_per_sec": clock.images_per_sec(),
            "data_wait_pct": 100.0 * self._waited / max(1e-9, clock.seconds),
            "substituted": num_bad,
        }
        self._write(record, (state.epoch + 1) * self.steps)
        logger.info(epoch_line(record, self._seconds_left(state, clock)))
        self._last_line = time.monotonic()
        return num_bad

    # ---- evaluation

    def evaluation(self, kind: str, epoch: int, run: Callable[[], Evaluation], again: bool = False) -> Evaluation:
        """Run an evaluation and record it under `kind` (test_epoch, test_ema_epoch), unless it is done `again`."""
        start = time.perf_counter()
        HERE.note(f"the evaluation of epoch {epoch + 1}")
        result = run()
        where = f"{epoch + 1}/{self.cfg.OPTIM.MAX_EPOCH}"
        seconds = time.perf_counter() - start
        record = evaluation_record(kind, where, result, seconds, peak_memory_mb(self.device))
        self._note_lowest(record)
        record.update(self._lowest[kind])
        if not again:
            self._write(record, (epoch + 1) * self.steps)
        self._evaluated[kind] = record
        return result

    def end_evaluation(self, is_best: bool) -> None:
        """Say what the evaluations of an epoch found."""
        line = evaluations_line(self._evaluated["test_epoch"], self._evaluated.get("test_ema_epoch"), is_best)
        logger.info(line, extra=GOOD_NEWS if is_best else None)
        self._last_line = time.monotonic()

    def result(self, state: TrainState, test: Evaluation | None = None, **more: Any) -> Result:
        """Return the figures of the run so far."""
        files = [
            Path(self.cfg.OUT_DIR) / name for name in (self.cfg.CFG_DEST, "stdout.log", "metrics.jsonl", "checkpoints")
        ]
        figures = {} if test is None else {**evaluation_figures(test), "left_out": len(test.left_out)}
        best = state.best_err if state.best_err != float("inf") else None
        files += more.pop("files", [])
        return Result(**figures, best_top1_err=best, epochs=state.epoch, files=files, **more)

    # ---- sinks

    def _write(self, record: dict[str, Any], step: int) -> None:
        if not is_main():
            return
        self.metrics.write(record)
        self._log_machine(record)
        if self._writer is not None:
            for name, value in record.items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(f"{record['_type']}/{name}", value, step)

    def _log_machine(self, record: dict[str, Any]) -> None:
        logger.info(json_line(record), extra=FILE_ONLY)

    def _note_lowest(self, record: dict[str, Any]) -> None:
        kind = record.get("_type", "")
        lowest = self._lowest.setdefault(kind, {})
        for name in ("top1_err", "top5_err"):
            if kind.startswith("test") and is_number(record.get(name)):
                lowest[f"min_{name}"] = min(lowest.get(f"min_{name}", 100.0), record[name])

    def _eta(self, state: TrainState, clock: Clock) -> str:
        return time_string(self._seconds_left(state, clock))

    def _seconds_left(self, state: TrainState, clock: Clock) -> float:
        done = state.epoch * self.steps + state.step
        return clock.sec_per_step() * (self.cfg.OPTIM.MAX_EPOCH * self.steps - done)
