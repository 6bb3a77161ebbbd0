"""One image a process and step: trains where the maps stay larger than a pixel, else is refused before anything."""

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.engine.state import check_network
from pycls.models import build_model
from tests.helpers.runs import DIGITS, run_tool_here, tiny_words


def _cfg(tmp_path, **keys):
    return load_cfg(None, ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits", *tiny_words(tmp_path, **keys)])


@pytest.mark.parametrize(("strides", "pixels"), [([1, 2], 16), ([2, 2], 4), ([2, 4], 1)])
def test_what_is_refused_is_what_torch_cannot_train(strides, pixels, tmp_path):
    cfg = _cfg(tmp_path, TRAIN__BATCH_SIZE=1, ANYNET__STRIDES=strides)
    try:
        build_model(cfg).train()(torch.randn(1, 3, 8, 8))
    except ValueError:
        with pytest.raises(ValueError, match=r"^TRAIN.BATCH_SIZE 1 is 1 image .* expected at least 2, or larger"):
            check_network(cfg)
        assert pixels == 1
    else:
        check_network(cfg)
        assert pixels > 1


def test_shares_of_accumulated_steps_count(tmp_path):
    words = {"TRAIN__BATCH_SIZE": 4, "ANYNET__STRIDES": [2, 4]}
    with pytest.raises(ValueError, match=r"^TRAIN.BATCH_SIZE 4 is 1 image .* expected at least 8"):
        check_network(_cfg(tmp_path, OPTIM__ACCUM_STEPS=4, **words))
    check_network(_cfg(tmp_path, **words))


def test_the_command_refuses_it_and_writes_nothing(tmp_path):
    done = run_tool_here(
        "train_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "out", TRAIN__BATCH_SIZE=1, ANYNET__STRIDES=[2, 4])
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "TRAIN.BATCH_SIZE 1 is 1 image" in done.stderr
    assert not (tmp_path / "out").exists()
