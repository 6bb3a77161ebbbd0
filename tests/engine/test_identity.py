"""Which differences between a file's config and the one in force change what its tensors compute."""

import pytest
import torch
import yaml

from pycls.core.checkpoint import save_checkpoint
from pycls.core.config import dump_cfg, flatten, load_cfg, with_value
from pycls.core.config.defaults import declared_keys
from pycls.engine import identity
from pycls.engine.identity import check_classes, network_differences
from pycls.engine.restoring.same_run import check_same_run
from pycls.engine.setup import pixel_contract
from pycls.models import build_model
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words

RESNET = ["MODEL.TYPE", "resnet", "MODEL.DEPTH", "50"]


INTROSPECTIVE = ["MODEL.HEAD", "introspective", "IDML.WIDTH", "8"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["RESNET.STRIDE_1X1", "False"], ["RESNET.STRIDE_1X1 True, this config says False"]),
        (["MODEL.ACTIVATION_FUN", "silu"], ["MODEL.ACTIVATION_FUN relu, this config says silu"]),
        (["MODEL.TYPE", "anynet", "BN.EPS", "0.01"], ["BN.EPS 1e-05, this config says 0.01"]),
        (["MODEL.LOSS_FUN", "focal", "OPTIM.BASE_LR", "7", "MODEL.STOCHASTIC_DEPTH", "0.1", "EN.DC_RATIO", "0.2"], []),
    ],
)
def test_differences_are_named(words, found):
    saved = {"cfg": dump_cfg(load_cfg(None, RESNET)), "pixels": {}}
    cfg = load_cfg(None, [*RESNET, *words])
    assert network_differences(saved, cfg, "a.pyth") == [f"its network has {words}" for words in found]


def test_classes_that_look_the_same_are_named_by_their_code_points():
    """As of a data set that was copied by a Mac after the training."""
    check_classes(["caf\u00e9", "tea"], ["caf\u00e9", "tea"], "a.pyth")
    with pytest.raises(ValueError, match=r"spelled with other code points \(caf U\+00E9 and cafe U\+0301\): rename"):
        check_classes(["caf\u00e9", "tea"], ["cafe\u0301", "tea"], "a.pyth")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("zebra dog emu", "the data set has 3 without 'cat' with 'zebra' that it was not trained on; give a renamed"),
        ("cat dog", "the data set has 2 without 'emu'"),
        ("cat cow dog emu", "the data set has 4 with 'cow' that it was not trained on"),
    ],
)
def test_a_renamed_class_is_named_on_both_sides(found, said):
    """A class that sorts elsewhere after it was renamed moves the others: their numbers are no help."""
    with pytest.raises(ValueError, match=f"^a.pyth: was trained on 3 classes, {said}"):
        check_classes(["cat", "dog", "emu"], sorted(found.split()), "a.pyth")


def test_classes_in_another_order_are_named_by_number():
    with pytest.raises(ValueError, match=r"class 1 is 'b' in the checkpoint and 'c' in the data set$"):
        check_classes(["a", "b", "c"], ["a", "c", "b"], "a.pyth")


def test_a_file_of_pycls_without_an_activation_means_its_own():
    saved = {"cfg": "MODEL:\n  TYPE: effnet\n"}
    assert not network_differences(saved, load_cfg(None, ["MODEL.TYPE", "effnet", "MODEL.ACTIVATION_FUN", "silu"]), "a")
    (words,) = network_differences(saved, load_cfg(None, ["MODEL.TYPE", "effnet", "MODEL.ACTIVATION_FUN", "relu"]), "a")
    assert "MODEL.ACTIVATION_FUN silu" in words


@pytest.mark.parametrize("found", ["", None, {}, {"MODEL": 1}, {"MODEL": torch.ones(1)}, "NO: {SUCH: 1}", "[", 3])
def test_a_file_without_a_config_that_can_be_read_is_not_compared(found):
    assert network_differences({}, load_cfg(None, RESNET), "a.pyth") == []
    assert network_differences({"cfg": found}, load_cfg(None, RESNET), "a.pyth") == []


UNKNOWN = {"MODEL": {"TYPE": "resnet", "DEPTH": 50, "LOGITS": "rbf"}, "NAS": {"WIDTH": 16}, "BN": {"EPS": 0.002}}


@pytest.mark.parametrize("found", [UNKNOWN, yaml.safe_dump(UNKNOWN), "BN: {EPS: 0.002, MOM: x}"])
def test_what_can_be_read_is_compared_and_the_rest_is_one_line(found, monkeypatch):
    warnings = []
    monkeypatch.setattr(identity.logger, "warning", lambda text, *words: warnings.append(text % words))
    words = network_differences({"cfg": found}, load_cfg(None, RESNET), "a.pyth")
    assert words == ["its network has BN.EPS 0.002, this config says 1e-05"] and len(warnings) == 1
    assert warnings[0].startswith("a.pyth: not compared with this config: a.pyth (config):")


def test_keys_of_families_that_are_not_built_are_no_difference():
    """Whole trees of pytorch-cls have other defaults for MobileNets, older ones of pycls for their stems."""
    text = "MODEL: {TYPE: resnet, DEPTH: 50}\nMB: {HEAD_ACTS: []}\nANYNET: {STEM_TYPE: plain_block}\nEN: {STEM_W: 7}\n"
    assert network_differences({"cfg": text}, load_cfg(None, RESNET), "a.pyth") == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["IDML.PROXY_BIAS", "False"], ["IDML.PROXY_BIAS True, this config says False"]),
        (["IDML.WIDTH", "9"], ["IDML.WIDTH 8, this config says 9"]),
        (["MODEL.HEAD", "linear"], ["MODEL.HEAD introspective, this config says linear"]),
        (["MODEL.TYPE", "vit", "IDML.PROXY_BIAS", "False"], ["IDML.PROXY_BIAS True, this config says False"]),
        (["MODEL.NUM_CLASSES", "3"], []),  # the shapes of the tensors say it
    ],
)
def test_other_heads_are_other_networks(words, found):
    saved = {"cfg": dump_cfg(load_cfg(None, [*RESNET, *INTROSPECTIVE])), "pixels": {}}
    cfg = load_cfg(None, [*RESNET, *INTROSPECTIVE, *words])
    assert network_differences(saved, cfg, "a.pyth") == [f"its network has {words}" for words in found]


def test_an_uncertainty_of_the_published_width_is_no_difference():
    words = ["MODEL.HEAD", "introspective", "TRAIN.DATASET", "cifar10", "IDML.WIDTH"]
    saved = {"cfg": dump_cfg(load_cfg(None, [*words, "0"])), "pixels": {}}
    assert network_differences(saved, load_cfg(None, [*words, "128"]), "a.pyth") == []


def test_the_keys_of_a_linear_network_s_other_head_are_no_difference():
    saved = {"cfg": dump_cfg(load_cfg(None, RESNET)), "pixels": {}}
    assert network_differences(saved, load_cfg(None, [*RESNET, "IDML.PROXY_BIAS", "False"]), "a.pyth") == []


def test_an_evaluation_with_another_head_is_refused(tmp_path):
    keys = {"MODEL__HEAD": "introspective", "IDML__WIDTH": 8}
    cfg = tiny_cfg(tmp_path, **keys)
    torch.manual_seed(1)
    state = {"model_state": build_model(cfg).state_dict(), "cfg": dump_cfg(cfg), "pixels": pixel_contract(cfg)}
    save_checkpoint(state, tmp_path / "a.pyth")
    keys |= {"TEST__WEIGHTS": tmp_path / "a.pyth"}
    assert run_tool_here("test_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "out", **keys)).returncode == 0
    words = tiny_words(tmp_path / "other", **keys, IDML__PROXY_BIAS=False)
    done = run_tool_here("test_net.py", "--cfg", DIGITS, *words)
    assert done.returncode == 2 and not (tmp_path / "other/test.json").exists()
    assert "a.pyth: its network has IDML.PROXY_BIAS True, this config says False; its error" in done.stderr


def outcome(key, saved, cfg, epoch, caplog):
    """Return what a resume says of another value of a key: refused, warned or nothing."""
    caplog.clear()
    try:
        check_same_run(saved, cfg, epoch, "a.pyth")
    except ValueError as error:
        assert key in str(error)
        return "refused"
    return "warned" if any(key in record.getMessage() for record in caplog.records) else "nothing"


@pytest.mark.parametrize("key", declared_keys(outside=False))
def test_a_resume_follows_what_a_key_decides(key, caplog, monkeypatch):
    monkeypatch.setattr("pycls.engine.restoring.same_run.logger.propagate", True)
    cfg, row = load_cfg(None), declared_keys()[key]
    saved = with_value(cfg, key, "another" if dict(flatten(cfg))[key] != "another" else "")
    if key == "OPTIM.MAX_EPOCH":
        saved = with_value(cfg, key, 999)
    during = {"network": "refused", "nothing": "nothing"}.get(row.decides, "refused" if row.fixed else "warned")
    assert outcome(key, saved, cfg, 1, caplog) == during
    at_its_end = during
    if row.decides == "training" or key.startswith("TRAIN."):
        at_its_end = "nothing" if during == "nothing" else "refused"
    expected = "warned" if key == "OPTIM.MAX_EPOCH" else at_its_end
    assert outcome(key, saved, cfg, cfg.OPTIM.MAX_EPOCH, caplog) == expected


@pytest.mark.parametrize("key", ["BN.EPS", "LN.EPS"])
def test_a_resume_with_another_epsilon_is_refused(key):
    with pytest.raises(ValueError, match=f"a.pyth: belongs to a run with {key} 1e-05, this config says 0.001"):
        check_same_run(load_cfg(None), load_cfg(None, [key, "1e-3"]), 1, "a.pyth")
