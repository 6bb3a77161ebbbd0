"""A run's folder in the place of a weights file, and evaluations that leave other runs alone."""

import pytest
import torch
from PIL import Image

from pycls import engine
from pycls.core.checkpoint import best_path, checkpoint_dir, epoch_path, last_path, save_checkpoint
from pycls.core.config import dump_cfg
from pycls.core.weights.sources import find_weights, run_checkpoint
from pycls.engine.setup import pixel_contract
from pycls.models import build_model
from tests.helpers.commands import pycls_here
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words

ONE_STEP = {"OPTIM__MAX_EPOCH": 1, "TRAIN__BATCH_SIZE": 1200, "OPTIM__EMA_UPDATE_PERIOD": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder as a run leaves it: best.pyth and last.pyth of different weights."""
    out_dir = tmp_path_factory.mktemp("run")
    cfg = tiny_cfg(out_dir)
    about = {"cfg": dump_cfg(cfg), "pixels": pixel_contract(cfg), "classes": list("0123456789")}
    for seed, path in enumerate((best_path(out_dir), last_path(out_dir))):
        torch.manual_seed(seed)
        save_checkpoint({"model_state": build_model(cfg).state_dict(), **about}, path)
    return out_dir


def test_the_best_comes_first_then_the_last_then_the_newest_epoch(tmp_path):
    folder = checkpoint_dir(tmp_path)
    folder.mkdir()
    assert run_checkpoint(tmp_path) is None
    with pytest.raises(ValueError, match=r"TEST\.WEIGHTS .*: is a folder without checkpoints of a run"):
        find_weights(tmp_path, key="TEST.WEIGHTS")
    for name in (epoch_path(tmp_path, 9).name, "model_epoch_10000.pyth", "last.pyth", "model.pyth", "best.pyth"):
        (folder / name).touch()  # each is preferred to those before it
        assert find_weights(tmp_path) == find_weights(folder) == find_weights(str(tmp_path)) == folder / name


def test_evaluation_and_prediction_take_a_run_folder_and_say_which_file(run, tmp_path):
    best = best_path(run)
    tested = run_tool_here("test_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "t", TEST__WEIGHTS=run))
    assert tested.returncode == 0 and f"{best}: " in tested.stdout and "355 images" in tested.stdout, tested.stderr
    assert f'"weights": "{best}"' in (tmp_path / "t/test.json").read_text()
    Image.new("RGB", (20, 20), (9, 200, 30)).save(tmp_path / "a.png")
    done = pycls_here("predict", tmp_path / "a.png", "--weights", run)
    assert done.returncode == 0 and f"{run}: its best.pyth is taken, {best}\n" in done.stderr, done.stderr


def test_conversion_and_training_take_the_folder_of_checkpoints(run, tmp_path):
    folder, best = checkpoint_dir(run), best_path(run)
    done = pycls_here("convert", folder, tmp_path / "a.safetensors", "--to", "safetensors")
    assert done.returncode == 0 and f"{folder}: its best.pyth is taken, {best}\n" in done.stderr, done.stderr
    trained = engine.train(tiny_cfg(tmp_path / "new", **ONE_STEP, TRAIN__WEIGHTS=folder))
    assert trained.epochs == 1 and f"{best}: " in (tmp_path / "new/stdout.log").read_text()


def test_an_evaluation_without_weights_takes_the_last_where_no_epoch_was_evaluated(run, tmp_path):
    checkpoint_dir(tmp_path).mkdir()
    last_path(tmp_path).write_bytes(last_path(run).read_bytes())
    engine.test(tiny_cfg(tmp_path))
    assert '"weights": ' in (text := (tmp_path / "test.json").read_text()) and "last.pyth" in text


def test_results_do_not_go_into_the_folder_of_another_run(run, tmp_path):
    weights = tmp_path / "other.pyth"
    weights.write_bytes(best_path(run).read_bytes())
    before = sorted(path.name for path in run.rglob("*"))
    done = run_tool_here("test_net.py", "--cfg", DIGITS, *tiny_words(run, TEST__WEIGHTS=weights))
    assert done.returncode == 2 and "holds another run than the one of" in done.stderr and "set OUT_DIR" in done.stderr
    assert done.stderr.count("\n") == 1 and sorted(path.name for path in run.rglob("*")) == before
    own = run_tool_here("test_net.py", "--cfg", DIGITS, *tiny_words(run, TEST__WEIGHTS=last_path(run)))
    assert own.returncode == 0, own.stderr
