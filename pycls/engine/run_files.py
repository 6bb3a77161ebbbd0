"""What a training that has ended leaves beside its checkpoints: pictures and tables."""

from pathlib import Path

from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.reporting.evaluation_files import save_evaluation
from pycls.engine.reporting.plots import plot_curves
from pycls.engine.run import Run


def final_files(run: Run, test: Evaluation | None) -> list[Path]:
    """Write them, on the main process, those of an evaluation if there was one; return the paths."""
    out_dir, samples = Path(run.cfg.OUT_DIR), run.test_samples
    plot_curves(run.recorder.records(), out_dir / "curves.png")
    files = [out_dir / "curves.png"]
    return files if test is None or samples is None else [*files, *save_evaluation(test, samples, out_dir, "test")]
