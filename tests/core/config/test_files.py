"""`_BASE_` in a YAML file: a file builds on others, as detectron2's merge."""

import pytest

from pycls.core.config import dump_cfg, load_cfg, load_cfg_text
from tests.helpers.paths import CONFIGS


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def merged(base, child):
    """Merge two trees as detectron2 does: dictionaries key by key, the child's value over the base's."""
    both = dict(base)
    for key, value in child.items():
        both[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return both


def test_a_file_says_what_differs_from_its_base(tmp_path):
    write(
        tmp_path / "base.yaml", "OPTIM: {BASE_LR: 0.5, MAX_EPOCH: 7, STEPS: [0, 3, 5], LR_POLICY: steps}\nDESC: base\n"
    )
    child = write(tmp_path / "sub/child.yaml", "_BASE_: ../base.yaml\nOPTIM:\n  BASE_LR: 0.25\n  STEPS: [0, 2]\n")
    cfg = load_cfg(child, ["OPTIM.MAX_EPOCH", "9"])
    expected = merged(
        {"OPTIM": {"BASE_LR": 0.5, "MAX_EPOCH": 7, "STEPS": [0, 3, 5]}, "DESC": "base"},
        {"OPTIM": {"BASE_LR": 0.25, "STEPS": [0, 2]}},
    )
    assert {name: cfg.OPTIM[name] for name in expected["OPTIM"]} == expected["OPTIM"] | {"MAX_EPOCH": 9}
    assert cfg.DESC == "base"
    text = dump_cfg(cfg)
    assert "_BASE_" not in text and load_cfg_text(text, "again") == cfg


def test_several_levels_several_bases_and_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.yaml", "_BASE_: configs/baselines/R-50.yaml\nDESC: a\nRNG_SEED: 3\n")
    write(tmp_path / "b.yaml", "RNG_SEED: 4\nLOG_PERIOD: 99\n")
    write(tmp_path / "c.yaml", "_BASE_: [a.yaml, b.yaml]\nLOG_PERIOD: 98\n")
    cfg, shipped = load_cfg("c.yaml"), load_cfg(str(CONFIGS / "baselines/R-50.yaml"))
    assert (cfg.DESC, cfg.RNG_SEED, cfg.LOG_PERIOD) == ("a", 4, 98)
    assert cfg.MODEL == shipped.MODEL and cfg.OPTIM == shipped.OPTIM


def test_a_base_in_the_home_folder_or_of_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MINE", str(tmp_path / "mine"))
    write(tmp_path / "home/a.yaml", "RNG_SEED: 5\n")
    write(tmp_path / "mine/b.yaml", "LOG_PERIOD: 6\n")
    cfg = load_cfg(write(tmp_path / "c.yaml", '_BASE_: ["~/a.yaml", "$MINE/b.yaml"]\n'))
    assert (cfg.RNG_SEED, cfg.LOG_PERIOD) == (5, 6)
    with pytest.raises(ValueError, match=r"d\.yaml:2: _BASE_: the environment variable NO_SUCH is not set"):
        load_cfg(write(tmp_path / "d.yaml", "# x\n_BASE_: ${NO_SUCH}/a.yaml\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("_BASE_: b.yaml\n", r"b\.yaml:2: _BASE_ leads back to where it began: .*a\.yaml -> .*b\.yaml -> .*a\.yaml$"),
        ("_BASE_: a.yaml\n", r"a\.yaml:1: _BASE_ leads back to where it began: .*a\.yaml -> .*a\.yaml$"),
        ("_BASE_: wrong.yaml\n", r"wrong\.yaml:2: unknown key OPTIM\.BASELR, did you mean 'OPTIM\.BASE_LR'"),
        ("_BASE_: range.yaml\n", r"range\.yaml:1: RNG_SEED must be at least 0"),
        ("_BASE_: wrnog.yaml\n", r"a\.yaml:1: _BASE_ wrnog\.yaml: there is no .*, did you mean 'wrong\.yaml'"),
        ("_BASE_:\n", r"a\.yaml:1: _BASE_ expects the name of a YAML file, got None"),
        ("_BASE_: [[x]]\n", r"a\.yaml:1: _BASE_ expects the name of a YAML file"),
        ("_BASE_: {x: 1}\n", r"a\.yaml:1: unknown key _BASE_\.x|a\.yaml:1: _BASE_ expects"),
        ("MODEL: {_BASE_: b.yaml}\n", r"a\.yaml:1: unknown key MODEL\._BASE_"),
    ],
)
def test_mistakes_name_the_file_that_makes_them(tmp_path, text, said):
    write(tmp_path / "b.yaml", "DESC: b\n_BASE_: a.yaml\n")
    write(tmp_path / "wrong.yaml", "OPTIM:\n  BASELR: 1\n")
    write(tmp_path / "range.yaml", "RNG_SEED: -1\n")
    with pytest.raises(ValueError, match=said) as error:
        load_cfg(write(tmp_path / "a.yaml", text))
    assert "\n" not in str(error.value)


def test_a_base_is_of_files_only_and_a_folder_is_no_config(tmp_path):
    with pytest.raises(ValueError, match="_BASE_ is written at the top of a YAML file"):
        load_cfg(None, ["_BASE_", "a.yaml"])
    (tmp_path / "config.yaml").touch()
    with pytest.raises(ValueError, match=r"is a folder, no config; give a file in it, .*config\.yaml for instance"):
        load_cfg(str(tmp_path))


def test_what_a_base_says_and_the_file_switches_off_is_meant(tmp_path, recwarn):
    write(tmp_path / "base.yaml", "MODEL: {TYPE: resnet}\nRESNET: {NUM_GROUPS: 32}\n")
    load_cfg(write(tmp_path / "a.yaml", "_BASE_: base.yaml\nMODEL: {TYPE: regnet}\n"))
    assert not recwarn.list
