"""A network with an introspective head is trained, evaluated and asked for the uncertainty of its predictions."""

import csv
import json

import pytest
from PIL import Image

from pycls.core.checkpoint import best_path
from pycls.engine import test as evaluate_run
from pycls.engine import train
from pycls.inference.predict import predict, predict_words
from pycls.inference.predictions import save_predictions
from pycls.inference.saved_network import load_network
from tests.helpers.runs import tiny_cfg

KEYS = {"MODEL__HEAD": "introspective", "OPTIM__MAX_EPOCH": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder and the result of a small training."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(tiny_cfg(folder, **KEYS))


def counts(path):
    """Return the sums of wrong and right predictions in a table of uncertainty."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return [sum(int(row[key]) for row in rows) for key in ("wrong", "right")]


def test_training_learns_and_counts_uncertainty(run):
    folder, result = run
    assert result.top1_err < 50
    wrong, right = counts(folder / "test_uncertainty.csv")
    assert 100 * wrong / (wrong + right) == pytest.approx(result.top1_err)
    assert folder / "test_uncertainty.png" in result.files


def test_two_processes_count_all(run, tmp_path):
    keys = {**KEYS, "TEST__WEIGHTS": str(best_path(run[0]))}
    one = evaluate_run(tiny_cfg(tmp_path, **keys))
    result = evaluate_run(tiny_cfg(tmp_path, **keys, NUM_GPUS=2))
    assert (result.top1_err, result.top5_err, result.count) == (one.top1_err, one.top5_err, one.count)
    assert result.loss == pytest.approx(one.loss, rel=1e-5)
    wrong, right = counts(tmp_path / "test_uncertainty.csv")
    assert 100 * wrong / (wrong + right) == pytest.approx(result.top1_err)


def test_predictions_tell_their_uncertainty(run, tmp_path):
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number,) * 3).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_text("bad")
    network = load_network(str(best_path(run[0])), None, predict_words())
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    found = predict(network, [str(tmp_path)], 2)
    found = list(save_predictions(found, 2, str(table), str(lines), network.has_uncertainty))
    *good, bad = found
    assert bad.uncertainty is None and all(0 <= prediction.uncertainty <= 1 for prediction in good)
    assert f"(uncertainty {good[0].uncertainty:.2g})" in str(good[0])
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["uncertainty"] for row in rows] == [*(f"{p.uncertainty:.6g}" for p in good), None]
    objects = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [item.get("uncertainty") for item in objects] == [p.uncertainty for p in found]
