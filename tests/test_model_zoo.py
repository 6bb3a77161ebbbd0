"""MODEL_ZOO.md tells the truth: its counts are those of the networks that its configs build."""

import re
from pathlib import Path

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.models.complexity import complexity

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| [^|]+ \| \[[^]]+\]\((configs/[^)]+)\) \| ([\d,| ]+) \|", (ROOT / "MODEL_ZOO.md").read_text(), re.M
)


@pytest.mark.parametrize(("path", "numbers"), ROWS, ids=[Path(path).stem for path, _ in ROWS])
def test_counts_in_the_table(path, numbers):
    cfg = load_cfg(str(ROOT / path))
    with torch.device("meta"):
        counts = complexity(build_model(cfg), cfg.TRAIN.IM_SIZE)
    im_size, *costs, batch_size = (int(n.replace(",", "")) for n in numbers.split("|"))
    assert costs == [counts["flops"], counts["params"], counts["acts"]]
    assert (im_size, batch_size) == (cfg.TRAIN.IM_SIZE, cfg.TRAIN.BATCH_SIZE)


def test_every_baseline_is_in_the_table():
    assert {path for path, _ in ROWS} == {
        f"configs/baselines/{p.name}" for p in (ROOT / "configs/baselines").glob("*.yaml")
    }
