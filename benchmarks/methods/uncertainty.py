"""How well uncertainty finds the wrong predictions of trained networks with an introspective head.

Prints, for the test images of each run, the area under the ROC curve (0.5: chance, 1: every wrong prediction is more
uncertain than every right one) of the uncertainty that `predict` reports, and of 1 - the softmax probability.

    python -m benchmarks.methods --seeds 1 2 3
    python -m benchmarks.methods.uncertainty runs/methods/ISM-Baseline-1 runs/methods/IDML-CutMix-1
"""

import argparse
import contextlib
from pathlib import Path

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from pycls.core.checkpoint import last_path, load_weights
from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.engine.network.forward import forward
from pycls.engine.network.precision import Precision
from pycls.models import build_model


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="OUT_DIR", help="folder of a finished training")
    print("| run | top-1 err (%) | AUROC, uncertainty | AUROC, 1 - softmax |\n| --- | ---: | ---: | ---: |")
    for run in parser.parse_args().runs:
        wrong, uncertainty, doubt = predictions(run)
        scores = (roc_auc_score(wrong, values) for values in (uncertainty, doubt))
        print(f"| {run.name} | {100 * wrong.float().mean():.2f} | {' | '.join(f'{score:.3f}' for score in scores)} |")


@torch.inference_mode()
def predictions(run: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Return which of N predictions are wrong, their uncertainty and 1 - their probability, (N,) each, in float32."""
    cfg, device = load_cfg(str(run / "config.yaml")), torch.device("cpu")
    model = build_model(cfg)
    load_weights(model, last_path(run))
    model.eval()
    found = []
    with contextlib.closing(build_loader(cfg, "test", device)) as loader:
        for batch in loader.epoch(0):
            logits, uncertainty = forward(model, batch.images, Precision(device))
            if uncertainty is None:
                raise ValueError(f"{run}: its network has no introspective head (MODEL.HEAD)")
            found.append((logits.argmax(1) != batch.labels, uncertainty, 1 - logits.softmax(1).amax(1)))
    return tuple(torch.cat(column) for column in zip(*found, strict=True))


if __name__ == "__main__":
    main()
