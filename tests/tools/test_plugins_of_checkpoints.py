"""Code from outside that a checkpoint names is never imported by itself: each tool says what to pass, or needs none."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from pycls import engine
from pycls.core.checkpoint import last_path
from pycls.core.config import dump_cfg, load_cfg
from pycls.engine.identity import network_differences
from pycls.models.stored_network import differences
from tests.helpers.plugins import nothing_from_outside, write_marked
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words

ASKED = ["PLUGINS", '["marked"]']


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a run whose checkpoints say that it was made with a module `marked`."""
    out_dir = tmp_path_factory.mktemp("run")
    engine.train(tiny_cfg(out_dir, OPTIM__MAX_EPOCH=1))
    for path in (out_dir / "checkpoints").glob("*.pyth"):
        saved = torch.load(path, weights_only=True)
        path.unlink()  # they are hard links
        assert "PLUGINS: []" in saved["cfg"]
        torch.save({**saved, "cfg": saved["cfg"].replace("PLUGINS: []", "PLUGINS: [marked]")}, path)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(out_dir / "photo.png")
    return out_dir


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """Return the file that the module writes when it is imported, which it could be."""
    with nothing_from_outside(tmp_path):
        monkeypatch.syspath_prepend(tmp_path)
        yield write_marked(tmp_path)


TOOLS = {
    "predict": ("predict.py", ["{run}/photo.png", "--weights", "{weights}"]),
    "export": ("export.py", ["{weights}", "{run}/out.pt2", "--format", "torch"]),
    "convert to safetensors": ("convert_weights.py", ["{weights}", "{run}/out.safetensors", "--to", "safetensors"]),
    "convert to ours": ("convert_weights.py", ["{weights}", "{run}/ours.pyth", "--to", "ours"]),
}


def called(run, words) -> list[str]:
    return [word.format(run=run, weights=last_path(run)) for word in words]


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_needs_the_config_of_a_checkpoint_says_what_to_pass(name, run, mark):
    tool, words = TOOLS[name]
    done = run_tool_here(tool, *called(run, words))
    assert done.returncode == 2 and not mark.exists()
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("pass PLUGINS '[\"marked\"]'\n")


@pytest.mark.parametrize("name", ["predict", "convert to ours"])
def test_it_is_imported_when_the_user_asks(name, run, mark):
    tool, words = TOOLS[name]
    done = run_tool_here(tool, *called(run, words), *ASKED)
    assert done.returncode == 0 and mark.exists(), done.stderr


def test_a_prediction_can_do_without(run, mark):
    done = run_tool_here("predict.py", *called(run, TOOLS["predict"][1]), "PLUGINS", "[]")
    assert done.returncode == 0 and not mark.exists(), done.stderr


SLOPED = """
from pycls.core.config import Key, add_section
add_section("SLOPED", {"SLOPE": Key(0.1, "network", "of the activation")})
"""


def test_keys_from_outside_are_compared_where_they_are_known(tmp_path, monkeypatch):
    """A network's own key tells two networks apart whose tensors are the same."""
    with nothing_from_outside(tmp_path):
        (tmp_path / "sloped.py").write_text(SLOPED)
        one, other = (load_cfg(None, ["PLUGINS", '["sloped"]', "SLOPED.SLOPE", slope]) for slope in ("0.1", "0.2"))
        saved = {"cfg": dump_cfg(one), "pixels": {}}
        found = network_differences(saved, other, "best.pyth")
        assert found == ["its network has SLOPED.SLOPE 0.1, this config says 0.2"]
    warnings = []
    monkeypatch.setattr(differences.logger, "warning", lambda text, *words: warnings.append(text % words))
    assert network_differences(saved, load_cfg(None), "best.pyth") == []
    assert re.search(r"^best.pyth: not compared with this .* name the module that adds it in PLUGINS", *warnings)


def test_a_layout_of_others_needs_no_code(run, mark, tmp_path):
    done = run_tool_here("convert_weights.py", last_path(run), tmp_path / "out.pyth", "--to", "pycls")
    assert done.returncode == 0 and not mark.exists(), done.stderr


def test_a_run_goes_on_with_the_code_that_it_began_with(run, mark):
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(run))
    assert done.returncode == 2 and not mark.exists()
    assert done.stderr.endswith("pass PLUGINS '[\"marked\"]'\n")


@pytest.mark.parametrize("key", ["TEST.WEIGHTS", "TRAIN.WEIGHTS"])
def test_weights_alone_need_no_code(key, run, mark, tmp_path):
    """The network is that of the user's config; what the file says of its own is compared with it all the same."""
    tool = {"TEST.WEIGHTS": "test_net.py", "TRAIN.WEIGHTS": "train_net.py"}[key]
    words = ["--cfg", DIGITS, *tiny_words(tmp_path, OPTIM__MAX_EPOCH=1), key, last_path(run)]
    done = run_tool_here(tool, *words)
    assert done.returncode == 0 and not mark.exists(), done.stderr
    other = run_tool_here(tool, *words, "BN.EPS", "0.01", "OUT_DIR", tmp_path / "other")
    assert "its network has BN.EPS 1e-05, this config says 0.01" in other.stdout + other.stderr and not mark.exists()
