"""What a training that has ended leaves beside its checkpoints: pictures, tables and the page."""

from pathlib import Path

from pycls.core.processes.unfinished import remove_mark
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.reporting.evaluation_files import save_evaluation
from pycls.engine.reporting.plots import plot_curves
from pycls.engine.run import Run
from pycls.engine.run_page.page import PageSource, save_run_page


def final_files(run: Run, test: Evaluation | None) -> list[Path]:
    """Write them, on the main process; return the paths. Without test images there are the curves and the page."""
    out_dir, records, samples = Path(run.cfg.OUT_DIR), run.recorder.records(), run.test_samples
    plot_curves(records, out_dir / "curves.png")
    files = [out_dir / "curves.png"]
    if test is not None and samples is not None:
        files += save_evaluation(test, samples, out_dir, "test")
    trained, bad = len(run.train_loader.samples), list(run.train_loader.bad.values())
    source = PageSource(run.cfg, run.precision.device, records, test, samples, num_train=trained, substituted=bad)
    files += save_run_page(source)
    remove_mark(run.cfg.OUT_DIR)
    return files
