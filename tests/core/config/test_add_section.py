"""Code from outside adds keys, which are then like any other."""

import pytest

from pycls.core.config import Key, add_section, decides, defaults, dump_cfg, load_cfg, load_cfg_text


@pytest.fixture(autouse=True)
def no_section_stays(monkeypatch):
    monkeypatch.setattr(defaults, "_OUTSIDE", {})


def add_mine(width: int = 64) -> None:
    row = Key("fast", "nothing", "how", choices=("fast", "slow"))
    add_section("MINE", {"WIDTH": width, "RATE": 0.5, "ON": False, "SIZES": [1, 2], "HOW": row})


def test_its_keys_are_set_and_printed_as_all_are():
    add_mine()
    cfg = load_cfg(None, ["MINE.WIDTH", "32", "MINE.RATE", "1", "MINE.SIZES", "[3]", "MINE.HOW", "slow"])
    assert dict(cfg.MINE) == {"WIDTH": 32, "RATE": 1.0, "ON": False, "SIZES": [3], "HOW": "slow"}
    assert load_cfg_text(dump_cfg(cfg), "dump") == cfg
    assert decides("MINE.WIDTH") == "network" and decides("MINE.HOW") == "nothing"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["MINE.WITDH", "3"], "unknown key MINE.WITDH, did you mean 'MINE.WIDTH'"),
        (["MINE.WIDTH", "wide"], "MINE.WIDTH expects a whole number, got wide"),
        (["MINE.HOW", "slwo"], "MINE.HOW: unknown choice 'slwo', did you mean 'slow'"),
        (["MINE.RATE", "1e999"], "MINE.RATE must be finite, got inf"),
        (["MINE.SIZES", "[None]"], "MINE.SIZES must be whole numbers"),
        (["MINE.SIZES", "[1j]"], "MINE.SIZES must be whole numbers"),
        (["MINE.SIZES", "[True]"], "MINE.SIZES must be whole numbers"),
        (["MINE.SIZES", "['x']"], "MINE.SIZES must be whole numbers"),
    ],
)
def test_mistakes_in_its_keys_are_one_line(words, expected):
    add_mine()
    with pytest.raises(ValueError, match=expected):
        load_cfg(None, words)


def test_adding_it_again_changes_nothing_and_another_one_clashes():
    add_mine()
    add_mine()
    with pytest.raises(ValueError, match="MINE was added before with other keys or defaults"):
        add_mine(width=65)
    assert load_cfg(None).MINE.WIDTH == 64


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("MODEL", {"WIDTH": 1}, "'MODEL' is no name"),
        ("OUT_DIR", {"WIDTH": 1}, "'OUT_DIR' is no name"),
        ("MEM", {"WIDTH": 1}, "'MEM' is no name"),
        ("mine", {"WIDTH": 1}, "'mine' is no name"),
        ("MINE", {"width": 1}, r"MINE\.width: expected a key in capital letters"),
        ("MINE", {"SUB": {"WIDTH": 1}}, r"MINE\.SUB: the default must be"),
        ("MINE", {"WIDTH": Key(1, "speed")}, r"MINE\.WIDTH: decides must be one of network"),
        ("MINE", {"SIZES": [1, None]}, r"MINE\.SIZES: its own default \[1, None\]"),
        ("MINE", {"NAME": Key("x", "network", form="nosuch")}, r"MINE\.NAME: see Key for what form"),
        ("MINE", {"SIZES": Key([1], "network", items=dict)}, r"MINE\.SIZES: see Key for what form"),
        ("MINE", {"NAME": Key("b", "network", choices="abc")}, r"MINE\.NAME: see Key for what form"),
        ("MINE", {"WIDTH": Key(0, "network", at_least=1)}, r"MINE\.WIDTH: its own default 0 must be at least 1"),
    ],
)
def test_a_section_that_means_nothing_is_refused(name, keys, words):
    with pytest.raises(ValueError, match=words):
        add_section(name, keys)
    assert not defaults._OUTSIDE
