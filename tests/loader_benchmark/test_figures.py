"""The figures and the choice of compare_loaders, on made-up numbers."""

import json
from dataclasses import asdict, replace

import pytest

from pycls.core.cli import Several, build_parser, run_tool
from pycls.core.config import load_cfg
from pycls.loader_benchmark.grid import Cell, Variant, build_grid, default_workers, rounds, variants
from pycls.loader_benchmark.options import Options, check_one_process, quick_options, settled
from pycls.loader_benchmark.pytorch_cls_table import table_key, table_rows
from pycls.loader_benchmark.recommend import model_candidates, recommend
from pycls.loader_benchmark.report.tables import COLUMNS, text_table
from pycls.loader_benchmark.statistics import ModelRow, Row, percentile, summarize, summarize_model

THREADS, PROCESSES, TORCH = Variant("custom", "threads"), Variant("custom", "processes"), Variant("torch")


def cell(variant=THREADS, workers=2, **changes):
    return Cell(variant, workers, 64, **changes)


def epoch(images, marks, cpu_sec=1.0, other_cores=0.0):
    return {"images": images, "marks": marks, "cpu_sec": cpu_sec, "other_cores": other_cores}


def run(*epochs, first=0.5, peak=400.0):
    return {"first_batch_sec": first, "epochs": list(epochs), "peak_mb": peak, "memory_kind": "PSS"}


def row(variant, workers, speed, cpu=1.0, **changes):
    return Row(cell(variant, workers, **changes), speed, 0.99 * speed, 1.01 * speed, cpu_ms_per_image=cpu)


def model(variant, workers, speed, compute=100.0, loader=1000.0, low=None, high=None, wait=5.0):
    return ModelRow(cell(variant, workers), speed, low or speed, high or speed, compute, loader, data_wait_pct=wait)


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


def test_options_are_settled():
    cfg = load_cfg(None, ["TRAIN.BATCH_SIZE", "96"])
    quick = settled(quick_options(), cfg)
    assert (quick.rounds, quick.epochs, quick.caches, quick.batch_sizes, len(quick.workers)) == (
        2,
        1,
        ("warm",),
        [96],
        1,
    )
    longer = settled(quick_options(images=1000, rounds=5, caches=("cold",), workers=[3]), cfg)
    assert (longer.images, longer.rounds, longer.caches, longer.workers) == (1000, 5, ("cold",), [3]), (
        "what is given counts"
    )
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
    assert (
        got.reason
        == "95 images/s with the network running, 19 % ahead of the next, which is more than the noise of 3 %"
    )
    assert got.equals == () and got.matters


def test_ties_go_to_less_processor_time_then_memory_then_the_first_batch_then_fewer_workers():
    cells = [(THREADS, 2), (THREADS, 1), (TORCH, 2), (TORCH, 1)]
    models = [model(variant, workers, 100 - number, wait=9.0) for number, (variant, workers) in enumerate(cells[:3])]

    def choose(**costs):
        rows = [
            Row(cell(*key), 900, 890, 910, **{name: values[number] for name, values in costs.items()})
            for number, key in enumerate(cells[:3])
        ]
        got = recommend(rows, models)
        assert set(got.equals) | {got.cell.loader} == {cell(*key).loader for key in cells[:3]}
        return got.cell

    assert choose(cpu_ms_per_image=[1.2, 1.1, 0.5], peak_mb=[1, 1, 9]) == cell(TORCH, 2)
    assert choose(cpu_ms_per_image=[1.0, 1.03, 1.04], peak_mb=[500, 400, 300]) == cell(TORCH, 2), (
        "4 % are no difference"
    )
    assert choose(cpu_ms_per_image=[1.0, 1.0, 1.1], peak_mb=[500, 400, 300]) == cell(THREADS, 1)
    assert choose(cpu_ms_per_image=[1, 1, 1], peak_mb=[5, 5, 5], first_batch_sec=[0.2, 0.5, 2]) == cell(THREADS, 2)
    assert choose() == cell(THREADS, 1), "nothing is known but the workers"
    assert recommend([], [models[0], model(THREADS, 1, 96)]).cell.workers == 2, "4 % are more than the noise"


def test_what_repetitions_of_one_cell_differ_by_is_noise():
    unsteady = [model(THREADS, 2, 100, low=92, high=104), model(THREADS, 1, 89)]
    assert recommend([], unsteady).cell.workers == 1, "12 % between rounds, 11 % between the cells"
    assert recommend([], [unsteady[0], model(THREADS, 1, 87)]).cell.workers == 2
    got = recommend([], [model(THREADS, 2, 100), model(THREADS, 1, 87, low=80, high=98)])
    assert got.cell.workers == 1, "20 % between the rounds of the slower one"
    wild = recommend([], [model(THREADS, 2, 100), model(TORCH, 1, 50, low=10, high=90)])
    assert wild.cell.workers == 2 and wild.equals == ("torch with 1 worker",), "not told apart, but never as fast"


def test_the_network_alone_is_the_same_work_in_every_cell():
    models = [model(THREADS, 2, 100, compute=95), model(THREADS, 1, 82, compute=115)]
    assert recommend([], models).cell.workers == 1, "20 % between the networks alone, 18 % with the loaders"
    faster_than_alone = [model(THREADS, 2, 115, compute=100), model(THREADS, 1, 100, compute=100)]
    assert recommend([], faster_than_alone).cell.workers == 1, "no loader makes a network faster"


def test_one_measurement_of_everything_says_little():
    alone = [row(THREADS, 2, 109), row(THREADS, 1, 107)]
    assert recommend(alone, []).cell.workers == 1 and "within the noise of 10 %" in recommend(alone, []).reason
    assert recommend([row(THREADS, 2, 120), row(THREADS, 1, 100)], []).cell.workers == 2


def test_a_network_that_does_not_wait_has_no_use_for_a_faster_loader():
    rows = [row(PROCESSES, 2, 1000, cpu=3.0), row(THREADS, 2, 900, cpu=2.0)]
    models = [
        model(PROCESSES, 2, 17.0, compute=17.4, wait=0.0, low=16.6, high=17.5),
        model(THREADS, 2, 15.9, compute=16.2, wait=0.1, low=15.8, high=16.1),
    ]
    got = recommend(rows, models)
    assert got.cell.variant == THREADS and not got.matters and got.equals == ("custom processes with 2 workers",)
    assert got.reason.startswith(
        "the loader does not matter here: the network waited for data 0.1 % of the time at most"
    )
    assert "2.00 CPU ms/image" in got.reason
    waiting = [replace(models[0], data_wait_pct=2.5), models[1]]
    assert recommend(rows, waiting).matters
    taking_time = [models[0], replace(models[1], end_to_end=12.0, low=11.9, high=12.1)]
    assert recommend(rows, taking_time).cell.variant == PROCESSES, "no wait, but processor time taken from the network"


def test_the_spread_of_a_row_is_that_of_its_rounds_else_of_its_epochs():
    two = [run(epoch(100, [1.0]), epoch(120, [1.0])), run(epoch(88, [1.0]))]
    assert summarize(cell(), two).spread == pytest.approx((110 - 88) / 99)
    assert summarize(cell(), two[:1]).spread == pytest.approx(20 / 110)
    assert summarize(cell(), two[1:]).spread is None
    assert summarize(cell(), [{"error": "x"}, two[1]]).spread is None


def test_without_a_network_the_warm_training_loader_decides():
    rows = [row(TORCH, 2, 2000, view="test"), row(TORCH, 2, 1500, cache="cold"), row(THREADS, 2, 900)]
    got = recommend(rows, [])
    assert got.cell == rows[2].cell and got.reason == "900 images/s of the loader alone"
    half = [summarize_model(rows[2].cell, []), model(TORCH, 2, 80)]
    assert "alone (the network was not fed by all" in recommend(rows, half).reason, (
        "stopped before the first one fed the network"
    )
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
