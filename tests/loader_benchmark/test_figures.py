"""The figures and the choice of compare_loaders, on made-up numbers."""

import json
from dataclasses import asdict, replace

import pytest

from pycls.core.cli import Several, build_parser, run_tool, split_words
from pycls.core.config import load_cfg
from pycls.loader_benchmark.grid import Cell, Variant, build_grid, default_workers, rounds, variants
from pycls.loader_benchmark.options import Options, check_one_process, settled
from pycls.loader_benchmark.pytorch_cls_table import table_key, table_rows
from pycls.loader_benchmark.recommend import model_candidates, recommend
from pycls.loader_benchmark.report.tables import COLUMNS, text_table
from pycls.loader_benchmark.statistics import ModelRow, Row, percentile, summarize, summarize_model

THREADS, TORCH = Variant("custom", "threads"), Variant("torch")


def cell(variant=THREADS, workers=2, **changes):
    return Cell(variant, workers, 64, **changes)


def epoch(images, marks, cpu_sec=1.0, other_cores=0.0):
    return {"images": images, "marks": marks, "cpu_sec": cpu_sec, "other_cores": other_cores}


def run(*epochs, first=0.5, peak=400.0):
    return {"first_batch_sec": first, "epochs": list(epochs), "peak_mb": peak, "memory_kind": "PSS"}


def row(variant, workers, speed, cpu=1.0, **changes):
    return Row(cell(variant, workers, **changes), speed, 0.99 * speed, 1.01 * speed, cpu_ms_per_image=cpu)


def model(variant, workers, speed, compute=100.0, loader=1000.0, low=None, high=None):
    return ModelRow(cell(variant, workers), speed, low or speed, high or speed, compute, loader, data_wait_pct=1.0)


# ---- statistics


def test_a_row_is_the_medians_of_all_timed_epochs():
    runs = [
        run(epoch(100, [0.2, 1.0], 0.1), epoch(100, [0.1, 0.5], 0.3), first=1.0, peak=300),
        run(epoch(100, [0.3, 2.0], 0.2), first=3.0, peak=500),
    ]
    got = summarize(cell(), runs)
    assert got.images_per_sec == 100 and got.num_epochs == 3  # of 100, 200 and 50
    assert got.p5 == pytest.approx(55) and got.p95 == pytest.approx(190)  # linear between 50, 100, 200
    assert got.cpu_ms_per_image == pytest.approx(1000 * 0.6 / 300)
    assert (got.first_batch_sec, got.epoch_gap_sec, got.peak_mb) == (2.0, 0.2, 500)
    assert got.batch_ms_p95 == pytest.approx(percentile([800, 400, 1700], 95))


def test_percentile_is_linear():
    assert percentile([0, 10], 5) == 0.5 and percentile([7], 95) == 7 and percentile([], 50) is None


def test_a_failed_round_is_told_and_the_others_count():
    got = summarize(cell(), [{"error": "boom"}, run(epoch(10, [1.0]))])
    assert got.images_per_sec == 10 and "boom" in got.error
    assert summarize(cell(), [{"error": "boom"}]) == Row(cell(), error="boom")
    assert summarize(cell(), []).error == "not run"


def test_model_row_and_verdict():
    answers = [{"end_to_end": e, "compute": 100.0, "loader": 50.0, "data_wait_pct": 40.0} for e in (48.0, 40.0, 44.0)]
    got = summarize_model(cell(), answers)
    assert (got.end_to_end, got.low, got.high) == (44.0, 40.0, 48.0)
    assert got.verdict == "loader-limited (the network alone is 2.00x as fast)"
    assert model(THREADS, 1, 99, compute=100, loader=250).verdict.startswith("model-limited (the loader alone is 2.50x")
    assert summarize_model(cell(), [{"error": "x"}]).verdict == ""


def test_tables_hold_every_row_and_its_error():
    rows = [row(THREADS, 2, 1234.0), Row(cell(TORCH), error="no such thing")]
    lines = text_table(rows).splitlines()
    assert len(lines) == 3 and lines[0].split()[0] == COLUMNS[0].title
    assert "1234" in lines[1] and lines[2].endswith("no such thing")


# ---- grid


def test_grid_is_the_product_and_every_round_another_order():
    cells = build_grid([THREADS, TORCH], [1, 2], [64], ["train", "test"], ["warm", "cold"], ["uint8"])
    assert len(cells) == len(set(cells)) == 16
    orders = rounds(cells, 3, seed=1)
    assert all(sorted(map(repr, order)) == sorted(map(repr, cells)) for order in orders)
    assert orders[0] != orders[1] != orders[2] and orders == rounds(cells, 3, seed=1)


def test_a_cold_epoch_shows_no_file_twice():
    assert cell(workers=4).sample_counts(100, 5000) == (100, 32 * 64), "warm: repeated until it is long enough"
    assert cell(workers=1).sample_counts(5000, 5000) == (5000, 79 * 64)
    assert cell(workers=4, cache="cold").sample_counts(100, 5000) == (2048, 2048)
    assert cell(workers=4, cache="cold").sample_counts(100, 150) == (150, 128)
    assert cell(workers=4, cache="cold").sample_counts(100, 40) == (40, 64), "a batch at least"


def test_variants_name_their_choices():
    assert [v.title for v in variants(["torch", "custom"])] == ["custom threads", "custom processes", "torch"]
    assert "dali_gpu" in [v.backend for v in variants()] and "memory" not in [v.backend for v in variants()]
    with pytest.raises(ValueError, match=r"--backends: tourch is not one of custom, torch"):
        variants(["tourch"])


@pytest.mark.parametrize(("cores", "workers"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (64, [1, 16, 32, 64])])
def test_default_workers(cores, workers):
    assert default_workers(cores) == workers


def test_words_are_folders_then_pairs(tmp_path):
    (tmp_path / "DATA").mkdir()
    words = ["photos", str(tmp_path / "DATA"), "TRAIN.BATCH_SIZE", "8", "DEVICE", "cpu"]
    assert split_words(words) == (words[:2], words[2:])
    assert split_words(["DEVICE", "cpu"]) == ([], ["DEVICE", "cpu"])


def test_options_are_settled():
    cfg = load_cfg(None, ["TRAIN.BATCH_SIZE", "96"])
    quick = settled(Options(quick=True), cfg)
    assert (quick.rounds, quick.caches, quick.batch_sizes, len(quick.workers)) == (1, ("warm",), [96], 1)
    assert settled(Options(workers=[3], batch_sizes=[5]), cfg).workers == [3]
    with pytest.raises(ValueError, match="must be 1 or more"):
        settled(Options(rounds=0), cfg)
    with pytest.raises(ValueError, match=r"--caches: unknown choice 'hot'"):
        settled(Options(caches=("hot",)), cfg)
    with pytest.raises(ValueError, match=r"NUM_GPUS 8: loaders are compared on one process"):
        check_one_process(load_cfg(None, ["NUM_GPUS", "8"]))


# ---- recommendation


def test_options_with_several_values_end_at_a_folder_or_key(tmp_path):
    parser = build_parser("tool", "x", "y", paths="DATA_DIR")
    parser.add_argument("--workers", nargs="+", action=Several, const=int)
    parser.add_argument("--backends", nargs="+", action=Several)
    given = {}
    words = ["--workers", "1", "2", str(tmp_path), "--backends", "torch", "custom", "TRAIN.BATCH_SIZE", "8"]
    assert run_tool(parser, lambda cfg, args: given.update(vars(args), batch=cfg.TRAIN.BATCH_SIZE) or 0, words) == 0
    assert (given["workers"], given["backends"], given["paths"]) == ([1, 2], ["torch", "custom"], [str(tmp_path)])
    assert given["batch"] == 8


def test_the_fastest_with_the_network_wins():
    rows = [row(THREADS, 2, 900), row(TORCH, 2, 1000)]
    got = recommend(rows, [model(THREADS, 2, 95), model(TORCH, 2, 80)])
    assert got.overrides == "DATA_LOADER.BACKEND custom DATA_LOADER.WORKER_MODE threads DATA_LOADER.NUM_WORKERS 2"
    assert "95 images/s" in got.reason and got.equals == ()


def test_ties_go_to_fewer_workers_then_to_less_processor_time():
    rows = [row(THREADS, 2, 900, cpu=1.2), row(THREADS, 1, 500), row(TORCH, 1, 480, cpu=0.5)]
    models = [model(THREADS, 2, 100), model(THREADS, 1, 98), model(TORCH, 1, 98)]
    got = recommend(rows, models)
    assert (got.cell.variant, got.cell.workers) == (TORCH, 1)
    assert "custom threads with 2 workers" in got.equals and "made 100, which is within the noise of 3 %" in got.reason
    assert recommend(rows, [models[0], model(THREADS, 1, 96)]).cell.workers == 2, "4 % are more than the noise"


def test_rounds_that_differ_widen_the_noise():
    models = [model(THREADS, 2, 100, low=85, high=105), model(THREADS, 1, 92)]
    assert recommend([], models).cell.workers == 1
    unsteady = [model(THREADS, 2, 100, compute=80), model(THREADS, 1, 85, compute=120)]
    assert recommend([], unsteady).cell.workers == 1, "the network alone, the same work, varied by 20 %"


def test_without_a_network_the_warm_training_loader_decides():
    rows = [row(TORCH, 2, 2000, view="test"), row(TORCH, 2, 1500, cache="cold"), row(THREADS, 2, 900)]
    got = recommend(rows, [])
    assert got.cell == rows[2].cell and "loader alone" in got.reason
    half = [summarize_model(rows[2].cell, []), model(TORCH, 2, 80)]
    assert "loader alone" in recommend(rows, half).reason, "stopped before the first one fed the network"
    assert recommend([Row(cell(), error="x")], []) is None
    assert recommend([row(TORCH, 2, 2000, view="test")], []) is None


def test_candidates_are_the_best_variants_and_fewer_workers_of_the_best():
    rows = [row(THREADS, 1, 500), row(THREADS, 2, 900), row(TORCH, 1, 450), row(TORCH, 2, 800)]
    dali = Variant("dali_cpu")
    rows += [row(dali, 2, 850), row(dali, 2, 5000, view="test")]
    assert model_candidates(rows, 2) == [cell(THREADS, 2), cell(dali, 2), cell(THREADS, 1)]
    assert model_candidates([], 2) == []


# ---- pytorch-cls's table


def test_loader_table_statistics_by_hand():
    first, second = table_rows("2_4_torch_0", [[3.0, 1.0, 1.0, 3.0], [1.0]])
    assert (first.mean_sec, first.std_sec, first.min_sec, first.max_sec, first.batches) == (2.0, 1.0, 1.0, 3.0, 4)
    assert (second.epoch, second.std_sec) == (2, 0.0)
    assert table_key(4, 16, Variant("dali_cpu"), 1) == "4_16_dali_cpu_1"
    assert table_key(2, 2, THREADS, 0) == "2_2_custom-threads_0"


def test_rows_are_plain_data():
    assert json.loads(json.dumps(asdict(replace(row(THREADS, 2, 1.0), error="e"))))["cell"]["variant"]["backend"]
