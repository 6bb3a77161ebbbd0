"""RegNet's formulas, against pycls's own functions (records/models_maths.json)."""

import pytest

from pycls.models.regnet import adjust_block_compatibility, block_widths, generate_regnet
from tests.helpers.model_records import load_record

MATHS = load_record("models_maths.json")
REGNETS = {name: r for name, r in load_record("pycls_models.json").items() if "regnet_stages" in r}


@pytest.mark.parametrize("case", MATHS["generate_regnet"])
def test_generate_regnet(case):
    numbers = (case["wa"], case["w0"], case["wm"], case["d"])
    assert generate_regnet(*numbers) == (case["ws"], case["ds"])
    assert block_widths(*numbers) == case["ws_all"]


@pytest.mark.parametrize("case", [case for case in MATHS["adjust_block_compatibility"] if "out" in case])
def test_adjust_block_compatibility(case):
    assert list(adjust_block_compatibility(*case["in"])) == case["out"]


@pytest.mark.parametrize("case", [case for case in MATHS["adjust_block_compatibility"] if "error" in case])
def test_adjust_block_compatibility_refuses(case):
    with pytest.raises(ValueError, match=r"REGNET.BOT_MUL.*1\.5"):
        adjust_block_compatibility(*case["in"])


@pytest.mark.parametrize("name", REGNETS)
def test_stages_of_published_networks(name):
    cfg, stages = REGNETS[name]["cfg"], REGNETS[name]["regnet_stages"]
    defaults = {"WA": 5.0, "W0": 32, "WM": 2.5, "DEPTH": 10, "BOT_MUL": 1.0, "GROUP_W": 16}
    wa, w0, wm, depth, bot_mul, group_w = (cfg.get(f"REGNET.{key}", value) for key, value in defaults.items())
    widths, depths = generate_regnet(wa, w0, wm, depth)
    assert depths == stages["depths"]
    adjusted = adjust_block_compatibility(widths, [bot_mul] * len(widths), [group_w] * len(widths))
    assert adjusted == (stages["widths"], stages["bot_muls"], stages["group_ws"])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((-1.0, 32, 2.5, 10), "REGNET.WA"),
        ((5.0, 30, 2.5, 10), r"REGNET.W0.*nearest: 32"),
        ((5.0, 0, 2.5, 10), r"REGNET.W0.*nearest: 8"),
        ((5.0, 32, 1.0, 10), "REGNET.WM"),
        ((5.0, 32, 2.5, 0), "REGNET.DEPTH"),
    ],
)
def test_numbers_out_of_range(numbers, message):
    with pytest.raises(ValueError, match=message):
        generate_regnet(*numbers)


def test_widths_that_no_network_has_are_refused():
    with pytest.raises(ValueError, match=r"REGNET\.WA 1e\+06, W0 8, WM 100 .* give blocks of 8,000,000 channels"):
        block_widths(1e6, 8, 100.0, 13)
