"""What a training that has ended leaves beside its checkpoints: pictures and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycls.datasets.readers.samples import Samples
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.reporting.evaluation_files import save_evaluation
from pycls.engine.reporting.plots import plot_curves


def final_files(
    out_dir: Path, records: Sequence[dict[str, Any]], test: Evaluation | None, samples: Samples | None
) -> list[Path]:
    """Write them, those of an evaluation if there was one; return the paths."""
    plot_curves(records, out_dir / "curves.png")
    files = [out_dir / "curves.png"]
    return files if test is None or samples is None else [*files, *save_evaluation(test, samples, out_dir, "test")]
