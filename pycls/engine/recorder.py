"""The run's diary: log lines, metrics.jsonl, TensorBoard and the progress bar, on the main process."""

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from pycls.core.config import dump_cfg
from pycls.core.distributed import is_main
from pycls.core.logging import MetricsFile, get_logger, json_line
from pycls.datasets.loader import Batch
from pycls.engine.reporting.evaluation import Evaluation, describe, evaluation_figures, evaluation_record
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
        self._lowest: dict[str, dict[str, float]] = {}

    # ---- start and end

    def resume_at(self, epoch: int, step: int) -> None:
        """Begin, or go on from a position: records of steps that will be taken again are dropped."""
        if not is_main():
            return
        kept = [record for record in self.metrics.read() if _is_before(record, epoch, step)]
        self.metrics.replace(kept)
        for record in kept:
            self._note_lowest(record)
        self._write_config()
        self._writer = build_writer(self.cfg.LOG.TENSORBOARD, self.cfg.OUT_DIR, epoch * self.steps + step)
        self._log_machine({"_type": "cfg", **self.cfg})
        self._log_machine({"_type": "environment", **environment()})

    def _write_config(self) -> None:
        """Write the config; one that was there and differs is kept beside it: the run so far followed that."""
        path, text = Path(self.cfg.OUT_DIR, self.cfg.CFG_DEST), dump_cfg(self.cfg)
        if path.exists() and path.read_text(encoding="utf-8") != text:
            numbered = (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(1))
            path.rename(next(other for other in numbered if not other.exists()))
        path.write_text(text, encoding="utf-8")

    def network(self, model: nn.Module) -> None:
        """Record what the network costs and, with VERBOSE, the config and the network as text."""
        counts = complexity(model, self.cfg.TRAIN.IM_SIZE)
        self._log_machine({"_type": "complexity", **counts})
        logger.info("Network: %s multiply-adds, %s parameters, %s activations", *(f"{n:,}" for n in counts.values()))
        if self.cfg.VERBOSE:
            logger.info("Config:\n%s", dump_cfg(self.cfg), extra={"machine": True})
            logger.info("Network:\n%s", model, extra={"machine": True})

    def close(self) -> None:
        """Flush what is open."""
        if self._writer is not None:
            self._writer.close()

    def records(self) -> list[dict[str, Any]]:
        """Return every record of the run so far."""
        return self.metrics.read()

    # ---- training

    def progress(self, batches: Iterable[Batch], state: TrainState) -> Iterator[Batch]:
        """Iterate with a progress bar, on a terminal only."""
        hidden = not (is_main() and sys.stderr.isatty())
        label = f"epoch {state.epoch + 1}/{self.cfg.OPTIM.MAX_EPOCH}"
        self._waited = 0.0
        yield from tqdm(batches, label, self.steps, initial=state.step, leave=False, disable=hidden, unit="step")

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
        }
        if num_bad:
            record["substituted"] = num_bad
        self._write(record, (state.epoch + 1) * self.steps)
        logger.info(
            "Epoch %s: train loss %.4f, top-1 error %.2f %%, lr %.5g, %.0f images/s, data wait %.1f %%, ETA %s, %d MiB",
            *(record[k] for k in ("epoch", "loss", "top1_err", "lr", "images_per_sec", "data_wait_pct", "eta", "mem")),
        )
        if num_bad:
            logger.warning("Epoch %s: in the place of %d bad images others of their class", record["epoch"], num_bad)
        return num_bad

    # ---- evaluation

    def evaluation(self, kind: str, epoch: int, run: Callable[[], Evaluation], again: bool = False) -> Evaluation:
        """Run an evaluation and record it under `kind` (test_epoch, test_ema_epoch), unless it is done `again`."""
        start = time.perf_counter()
        result = run()
        record = evaluation_record(kind, f"{epoch + 1}/{self.cfg.OPTIM.MAX_EPOCH}", result, time.perf_counter() - start)
        record["mem"] = peak_memory_mb(self.device)
        self._note_lowest(record)
        record.update(self._lowest[kind])
        if not again:
            self._write(record, (epoch + 1) * self.steps)
        name = "EMA test" if "ema" in kind else "test"
        logger.info("Epoch %s: %s %s", record["epoch"], name, describe(record))
        return result

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
        logger.info(json_line(record), extra={"machine": True})

    def _note_lowest(self, record: dict[str, Any]) -> None:
        lowest = self._lowest.setdefault(record["_type"], {})
        for name in ("top1_err", "top5_err"):
            if record["_type"].startswith("test") and name in record:
                lowest[f"min_{name}"] = min(lowest.get(f"min_{name}", 100.0), record[name])

    def _eta(self, state: TrainState, clock: Clock) -> str:
        done = state.epoch * self.steps + state.step
        return time_string(clock.sec_per_step() * (self.cfg.OPTIM.MAX_EPOCH * self.steps - done))


def _is_before(record: dict[str, Any], epoch: int, step: int) -> bool:
    """Tell whether a record belongs to work that the position (next epoch and step, from 0) has behind it."""
    if "epoch" not in record:
        return True
    number = int(record["epoch"].split("/")[0]) - 1
    if number != epoch:
        return number < epoch
    return "iter" in record and int(record["iter"].split("/")[0]) <= step
