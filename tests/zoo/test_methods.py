"""The recipes whose figures are in MODEL_ZOO.md differ in nothing but the method."""

import json
import re

import pytest

from pycls.core.config import flatten, load_cfg
from pycls.zoo.markdown import markdown_table
from pycls.zoo.methods import CONFIGS, METHODS, RECORD, methods_table
from tests.helpers.paths import ROOT

CUTMIX = {"TRAIN.CUTMIX_ALPHA": 1.0, "TRAIN.MIX_PROB": 0.5}
HEAD = {"MODEL.HEAD": "introspective"}
CHANGED = {
    "plain": {},
    "label-smoothing": {"TRAIN.LABEL_SMOOTHING": 0.1},
    "mixup": {"TRAIN.MIXUP_ALPHA": 0.2},
    "cutmix": CUTMIX,
    "ISM-Baseline": HEAD,
    "IDML-CutMix": HEAD | CUTMIX,
}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_the_plain_recipe_and_itself(method):
    plain, ours = (dict(flatten(load_cfg(str(ROOT / CONFIGS / f"{name}.yaml")))) for name in ("plain", method))
    changed = {key: value for key, value in ours.items() if plain[key] != value and key != "OUT_DIR"}
    assert changed == CHANGED[method]


def test_means_and_spreads_are_those_of_the_record():
    """7.77, 7.69 and 7.72 have the mean 7.7267 and, divided by n - 1, the deviation 0.0404."""
    runs = json.loads((ROOT / RECORD).read_text())["runs"]
    assert [run["top1_err"] for run in runs if run["method"] == "plain"] == [7.77, 7.69, 7.72]
    row = next(line for line in methods_table({"machine": "", "runs": runs}).splitlines() if "plain" in line)
    assert [cell.strip() for cell in row.split("|")][2:4] == ["7.73 ± 0.04", "7.77, 7.69, 7.72"]


def test_columns_keep_their_side_and_cells_their_words():
    """To the left is Markdown's default: a colon there would move the head, which is in the middle."""
    table = markdown_table(["name", "error"], [["a", "1.50"], ["`b c`", ""]], right=["error"])
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert lines[0] == ["name", "error"] and lines[2:] == [["a", "1.50"], ["`b c`", ""]]
    assert re.fullmatch("-{3,}", lines[1][0]) and re.fullmatch("-{2,}:", lines[1][1])
