"""OUT_DIR/report.html: what a run found, in one file without scripts or pictures from elsewhere.

run.html.j2 is the page, core/page/base.html.j2 its styles. The run is over by then: what goes wrong here is a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.config import diff_cfg, flatten
from pycls.core.config.defaults import default_cfg
from pycls.core.logging import MetricsFile, get_logger
from pycls.core.page.curves import Record, last_epoch
from pycls.core.page.template import RUN_PAGE, save_page
from pycls.core.registry import plural
from pycls.datasets.readers.samples import Samples
from pycls.datasets.workers.bad_images import Failure
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.run_page import figures
from pycls.engine.run_page.classes import class_tables
from pycls.engine.run_page.curves import run_charts
from pycls.engine.run_page.environment import environment_rows
from pycls.engine.run_page.images import NUM_SHOWN, cards, parts

NUM_NAMED = 50  # bad images named on the page

logger = get_logger(__name__)


@dataclass(frozen=True)
class PageSource:
    """All that a page is made from."""

    cfg: CfgNode
    device: torch.device
    records: Sequence[Record]  # of metrics.jsonl, or the one of an evaluation
    evaluation: Evaluation | None = None  # None: no images to evaluate
    samples: Samples | None = None  # those evaluated
    weights: str = ""  # what was evaluated, where nothing was trained
    num_train: int = 0
    substituted: Sequence[Failure] = ()  # bad images of training


def save_run_page(source: PageSource) -> list[Path]:
    """Write the page; return its path in a list, an empty one where it could not be drawn, which is warned of."""
    path = Path(source.cfg.OUT_DIR) / RUN_PAGE
    try:
        save_page(path, "run.html.j2", "pycls.engine.run_page", **page_values(source))
    except Exception as error:  # whatever it is: the run itself is complete
        logger.warning(
            "%s could not be written, all other files are complete: %s: %s", path, type(error).__name__, error
        )
        return []
    return [path]


def page_values(source: PageSource) -> dict[str, Any]:
    """Return what the template is given."""
    cfg, evaluation, records = source.cfg, source.evaluation, source.records
    if source.weights:  # OUT_DIR may be that of a training
        records = MetricsFile(Path(cfg.OUT_DIR) / "metrics.jsonl").read() or records
    values: dict[str, Any] = {
        "title": Path(cfg.OUT_DIR).resolve().name,
        "subtitle": _subtitle(source),
        "is_evaluation": bool(source.weights),
        "notes": _notes(source),
        "charts": run_charts(records),
        "training": figures.training_figures(records, cfg.OPTIM.MAX_EPOCH),
        "speed": figures.speed_rows(records),
        "changes": _changes(cfg),
        "environment": environment_rows(source.device),
        "results": [],
        "classes": None,
        "mistakes": [],
        "doubtful": [],
        "parts": [],
        "has_uncertainty": False,
        "num_shown": NUM_SHOWN,
    }
    if evaluation is None or source.samples is None:
        return values
    return values | _found(evaluation, source.samples, cfg.DATA_LOADER.EXIF_ROTATE)


def _found(evaluation: Evaluation, samples: Samples, exif_rotate: bool) -> dict[str, Any]:
    """Return what the page shows of an evaluation."""
    values: dict[str, Any] = {
        "results": figures.evaluation_figures(evaluation),
        "classes": class_tables(evaluation, samples.classes),
    }
    found = evaluation.predictions
    if found is None:
        return values
    return values | {
        "mistakes": cards(found, found.surest_mistakes(NUM_SHOWN), samples, exif_rotate),
        "doubtful": cards(found, found.least_certain(NUM_SHOWN), samples, exif_rotate),
        "parts": parts(found),
        "has_uncertainty": found.uncertainty is not None,
    }


def _subtitle(source: PageSource) -> str:
    model, records = source.cfg.MODEL, source.records
    network = " ".join(filter(None, (model.TYPE, model.NAME, str(model.DEPTH) if "resnet" in model.TYPE else "")))
    data = f"{source.cfg.TEST.DATASET or source.cfg.TRAIN.DATASET}, {source.cfg.MODEL.NUM_CLASSES:,} classes"
    if source.weights:
        return f"{network} on {data}: evaluation of {source.weights}"
    epochs = last_epoch(records)
    return f"{network} on {data}: training, {epochs} epoch{'s' * (epochs != 1)} of {source.num_train:,} images"


def _notes(source: PageSource) -> list[str]:
    """Return what must not be overlooked: images that are missing, figures that are none."""
    notes, evaluation = [], source.evaluation
    if evaluation is None:
        notes.append(
            "No images were held back for evaluation (TEST.SPLIT none): nothing on this page says how well the network "
            "does on images that it has not seen."
        )
    elif evaluation.left_out:
        notes.append(_bad_images("that could not be read LEFT OUT of the evaluation", evaluation.left_out))
    if evaluation is not None and evaluation.predictions is not None:
        broken = int((evaluation.predictions.probs[:, 0] != evaluation.predictions.probs[:, 0]).sum())
        if broken:
            notes.append(f"For {broken:,} images the network's outputs are no numbers (NaN); they count as wrong.")
    if source.substituted:
        notes.append(
            _bad_images("of training that could not be read, replaced by others of their class", source.substituted)
        )
    return notes


def _bad_images(what: str, failures: Sequence[Failure]) -> str:
    shown = "; ".join(map(str, failures[:NUM_NAMED]))
    more = f" and {len(failures) - NUM_NAMED} more" if len(failures) > NUM_NAMED else ""
    return f"{plural(failures, 'image', 'images')} {what}: {shown}{more}"


def _changes(cfg: CfgNode) -> list[tuple[str, Any, Any]]:
    """Return (key, value, default) of every key that differs from its default."""
    defaults = dict(flatten(default_cfg()))
    return [(key, value, defaults.get(key, "")) for key, value in diff_cfg(cfg).items()]
