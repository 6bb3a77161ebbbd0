"""A setting without effect is an error on the command line, and a warning in a file: over all rows of the tables."""

import warnings

import pytest

from pycls.commands import COMMANDS
from pycls.core.config import known_choices, load_cfg
from pycls.core.config.defaults import declared_keys, is_declared
from pycls.core.config.keys import SECTIONS
from pycls.core.config.reading import ALWAYS_TOLD, READ_BY, READ_IF, Need
from pycls.datasets import DATASETS
from pycls.models import MODELS

KEYS = declared_keys(outside=False)
DIGITS = ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits"]


def needs_of(key):
    return READ_IF.get(key, READ_IF.get(key.rpartition(".")[0], ()))


def value_of(key):
    """Return a value other than the default, which asks for something."""
    row = KEYS[key]
    if row.choices:
        word = next(choice for choice in row.choices if choice not in ("", row.default))
        return f"['{word}']" if isinstance(row.default, list) else word
    if isinstance(row.default, bool):
        return str(not row.default) if row.decides == "network" or not row.default else "True"
    if isinstance(row.default, list):
        number = row.at_most if row.below is None and row.at_most is not None else row.at_least
        return str([0, 5] if key == "OPTIM.STEPS" else [number] * (row.counts[-1] if row.counts else 1))
    if isinstance(row.default, str):
        return "something"
    if isinstance(row.default, float):
        return str((row.default or 0.5) * 0.75)
    return str(8 * (row.default or 1))


def unmet(need):
    """Return KEY VALUE words by which a need is not met."""
    words = ["MODEL.TYPE", need.of] if need.of else []
    for key in need.keys:
        row = KEYS[key]
        other = next((choice for choice in reversed(row.choices) if choice and choice not in need.values), "")
        off = (
            other if need.values else {bool: "False", int: "0", float: "0", list: "[0, 0, 0, 0]"}.get(type(row.default))
        )
        words += [key, off or "", *(["OPTIM.STEPS", "[0]"] if off == "steps" else [])]
    return words


def test_every_name_in_the_tables_is_one():
    for name in (*READ_IF, *READ_BY, *ALWAYS_TOLD):
        assert is_declared(name) or name in SECTIONS, name
    for need in (need for needs in READ_IF.values() for need in needs):
        for key in need.keys:
            assert not need.values or set(need.values) < set(KEYS[key].choices), key
    assert {name for readers in READ_BY.values() for name in readers.commands} <= set(COMMANDS)


def test_the_tables_know_every_data_set_and_network():
    told = [need.values for needs in READ_IF.values() for need in needs if need.keys[:1] == ("TRAIN.DATASET",)]
    arrays = {name for name, dataset in DATASETS.items() if dataset.im_size is not None}
    assert set(READ_IF["TRAIN.CROP_PADDING"][0].values) == arrays
    assert set(READ_IF["TRAIN.CROP_AREA"][0].values) == set(DATASETS) - arrays
    assert set(READ_IF["TRAIN.PCA_STD"][0].values) == {name for name, found in DATASETS.items() if found.lighting}
    assert set(READ_IF["DATA_DIR"][0].values) == set(DATASETS) - {"digits"}
    assert set().union(*map(set, told)) == set(DATASETS)
    assert {kind for section in READ_IF for need in READ_IF[section] if need.keys == ("MODEL.TYPE",)
            for kind in need.values} == set(MODELS)  # fmt: skip


CASES = [(key, need) for key in KEYS for need in needs_of(key)]


@pytest.mark.parametrize(("key", "need"), CASES, ids=[f"{key}-{need}" for key, need in CASES])
def test_a_key_that_is_not_read_is_refused_and_one_that_is_read_is_not(key, need):
    met = [word for other in needs_of(key) if other is not need for word in meet(other)]
    words = [*met, *unmet(need), key, value_of(key)]
    with pytest.raises(ValueError, match=r"^command line: \S+ .* does nothing ") as error:
        load_cfg(None, words, "scale")
    assert "\n" not in str(error.value) and (key in str(error.value) or key in words[:-2] or met)
    if key not in ALWAYS_TOLD:
        load_cfg(None, words)  # no command line
    if need.keys:
        load_cfg(None, [*met, *meet(need), key, value_of(key)], "scale")


def meet(need: Need):
    key, row = need.keys[0], KEYS[need.keys[0]]
    on = {bool: "True", int: "1", float: "0.5", list: "[0.1, 0, 0, 0]"}.get(type(row.default), "d")
    if key == "TRAIN.AUGMENT":
        on = "AutoAugment"
    steps = ["OPTIM.STEPS", "[0]"] if need.values == ("steps",) else []
    return [*steps, key, need.values[0] if need.values else on]


@pytest.mark.parametrize("key", [key for key in KEYS if READ_BY.get(key) or READ_BY.get(key.rpartition(".")[0])])
def test_a_command_refuses_what_it_does_not_read(key):
    readers = READ_BY.get(key) or READ_BY[key.rpartition(".")[0]]
    words = [word for need in needs_of(key) for word in meet(need)] + [key, value_of(key)]
    for command in COMMANDS:
        if command in readers.commands:
            load_cfg(None, words, command)
        else:
            with pytest.raises(ValueError, match=rf"command line: \S+ is not read by {command}: "):
                load_cfg(None, words, command)


def test_a_file_is_warned_of_in_one_line_and_only_for_what_it_says_itself(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "MODEL: {TYPE: effnet, ACTIVATION_FUN: silu}\nRESNET:\n  NUM_GROUPS: 32\n  STRIDE_1X1: False\n"
        "OPTIM: {EMA_UPDATE_PERIOD: 0, EMA_ALPHA: 0.1}\nDATA_LOADER: {NUM_WORKERS: 4}\n"
    )
    with pytest.warns(UserWarning) as told:
        load_cfg(str(tmp_path / "a.yaml"))
    (text,) = [str(warning.message) for warning in told]
    assert "a.yaml:3: RESNET.NUM_GROUPS, RESNET.STRIDE_1X1 do nothing for MODEL.TYPE effnet" in text
    assert "a.yaml:5: OPTIM.EMA_ALPHA does nothing without OPTIM.EMA_UPDATE_PERIOD" in text and "WORKERS" not in text


@pytest.mark.parametrize(
    "words", [["OPTIM.EMA_UPDATE_PERIOD", "0"], ["OPTIM.LR_POLICY", "steps", "OPTIM.STEPS", "[0]"]]
)
def test_what_the_command_line_switches_off_or_on_in_a_file_is_meant(tmp_path, words):
    (tmp_path / "a.yaml").write_text("OPTIM: {EMA_ALPHA: 0.1, WARMUP_EPOCHS: 1}\n")
    if "steps" in words:
        (tmp_path / "a.yaml").write_text("OPTIM: {LR_MULT: 0.3}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_cfg(str(tmp_path / "a.yaml"), words, "train")


@pytest.mark.parametrize(
    ("network", "key", "value", "is_read"),
    [
        (["mobilenet"], "MODEL.ACTIVATION_FUN", "silu", False),
        (["effnet"], "MODEL.ACTIVATION_FUN", "silu", True),
        (["pyramidnet"], "BN.ZERO_INIT_FINAL_GAMMA", "True", False),
        (["lip_resnet"], "BN.ZERO_INIT_FINAL_GAMMA", "True", False),
        (["cutmix_resnet"], "BN.ZERO_INIT_FINAL_GAMMA", "True", True),
        (["vit"], "BN.EPS", "0.001", False),
        (["vit", "VIT.STEM_TYPE", "conv"], "BN.EPS", "0.001", True),
        (["densenet"], "BN.MOM", "0.2", True),
        (["cutmix_resnet", "TRAIN.DATASET", "imagenet"], "RESNET.TRANS_FUN", "bottleneck_transform", False),
        (["cutmix_resnet", "TRAIN.DATASET", "cifar10"], "RESNET.TRANS_FUN", "bottleneck_transform", True),
        (["resnet", "TRAIN.DATASET", "imagenet"], "RESNET.TRANS_FUN", "bottleneck_transform", True),
    ],
)
def test_what_some_networks_have_no_layers_for(network, key, value, is_read):
    words = ["MODEL.TYPE", *network, key, value]
    if is_read:
        load_cfg(None, words, "train")
        return
    with pytest.raises(ValueError, match=rf"^command line: {key} {value} does nothing for "):
        load_cfg(None, words, "train")


def test_data_dir_is_told_wherever_it_is_written(tmp_path, monkeypatch):
    hint = "TRAIN.DATASET imagenet TEST.DATASET imagenet"
    with pytest.raises(ValueError, match=rf"^command line: DATA_DIR photos does nothing for .* digits.*{hint}"):
        load_cfg(None, [*DIGITS, "DATA_DIR", "photos"])
    (tmp_path / "a.yaml").write_text("DATA_DIR: photos\nTRAIN: {DATASET: digits}\n")
    with pytest.raises(ValueError, match=r"a\.yaml:1: DATA_DIR photos does nothing"):
        load_cfg(str(tmp_path / "a.yaml"))
    monkeypatch.setenv("PYCLS_DATA_DIR", "/photos")
    load_cfg(None, DIGITS, "train")
    mixed = ["TRAIN.DATASET", "imagenet", "TEST.DATASET", "digits", "DATA_DIR", "photos"]
    load_cfg(None, mixed, "train")
    with pytest.raises(ValueError, match=r"DATA_DIR photos does nothing for TEST\.DATASET digits"):
        load_cfg(None, mixed, "test")


def test_what_is_only_accepted_for_pycls_may_say_what_is_so():
    load_cfg(None, ["LAUNCH.MODE", "local", "HOST", "localhost"], "train")


def test_names_from_outside_may_read_anything(monkeypatch):
    monkeypatch.setitem(MODELS, "mine", lambda cfg: None)
    monkeypatch.setitem(DATASETS, "mine", DATASETS["digits"])
    words = [
        "MODEL.TYPE",
        "mine",
        "TRAIN.DATASET",
        "mine",
        "TEST.DATASET",
        "mine",
        "DATA_DIR",
        "x",
        "VIT.NUM_HEADS",
        "3",
    ]
    load_cfg(None, words, "train")
    assert "mine" in known_choices("MODEL.TYPE")
