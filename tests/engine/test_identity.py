"""Which differences between a file's config and the one in force change what its tensors compute."""

import pytest

from pycls.core.config import dump_cfg, load_cfg
from pycls.engine.identity import network_differences

RESNET = ["MODEL.TYPE", "resnet", "MODEL.DEPTH", "50"]


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


def test_a_file_of_pycls_without_an_activation_means_its_own():
    saved = {"cfg": "MODEL:\n  TYPE: effnet\n"}
    assert not network_differences(saved, load_cfg(None, ["MODEL.TYPE", "effnet", "MODEL.ACTIVATION_FUN", "silu"]), "a")
    (words,) = network_differences(saved, load_cfg(None, ["MODEL.TYPE", "effnet", "MODEL.ACTIVATION_FUN", "relu"]), "a")
    assert "MODEL.ACTIVATION_FUN silu" in words


@pytest.mark.parametrize("saved", [{}, {"cfg": ""}, {"cfg": None}, {"cfg": {"MODEL": 1}}, {"cfg": "NO: {SUCH: 1}"}])
def test_a_file_without_a_config_that_can_be_read_is_not_compared(saved):
    assert network_differences(saved, load_cfg(None, RESNET), "a.pyth") == []
