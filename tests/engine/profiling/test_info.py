"""The counts of fvcore beside ours: what each must be is known layer by layer."""

import subprocess
import sys

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.engine.profiling.fvcore_flops import fvcore_flops
from pycls.models import build_model
from pycls.models.complexity import complexity, layer_table
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_tool_here

DIGITS = "configs/quickstart/digits.yaml"


def build(*words):
    cfg = load_cfg(str(ROOT / DIGITS), words)
    with torch.device("meta"):
        return build_model(cfg), cfg.TRAIN.IM_SIZE


def test_each_layer_has_what_fvcore_counts_in_it():
    model, size = build()
    rows, ours = layer_table(model, size), complexity(model, size)
    counts = fvcore_flops(model, size)
    for row in rows:
        elements = torch.Size(row["output_shape"]).numel()
        expected = {
            "Conv2d": row["flops"],
            "Linear": row["flops"] - elements,  # biases
            "BatchNorm2d": 2 * elements,
            "AdaptiveAvgPool2d": 4 * 4 * elements,
        }
        assert counts.by_module[row["name"]] == expected.get(row["type"], 0), row["name"]
    assert sum(counts.by_module.values()) == counts.total > ours["flops"]
    assert dict(counts.unsupported) == {"add": 3}


def test_the_line_names_what_is_not_counted():
    model, size = build("MODEL.TYPE", "vit", "VIT.PATCH_SIZE", "4", "VIT.NUM_LAYERS", "2")
    counts = fvcore_flops(model, size)
    assert counts.unsupported["scaled_dot_product_attention"] == 2 and "scaled_dot_product_attention x2" in str(counts)


@pytest.mark.parametrize("flag", [(), ("--fvcore",)])
def test_the_tool_shows_it_when_asked(flag):
    done = run_tool_here("info_net.py", "--cfg", DIGITS, *flag)
    assert done.returncode == 0 and done.stderr == ""
    head, first = done.stdout.splitlines()[:2]
    assert ("fvcore" in head) == bool(flag)
    assert first.split() == ["stem.conv", "Conv2d", "16x16x16", *["110,592"] * (1 + bool(flag)), "432", "4,096"]
    assert ("flops, fvcore            3,169,920  as fvcore: " in done.stdout) == bool(flag)


def test_our_own_counts_do_without_fvcore():
    code = (
        "import sys; from pycls.core.config import load_cfg; from pycls.engine.profiling.info import info\n"
        f"info(load_cfg({DIGITS!r})); print('fvcore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"
