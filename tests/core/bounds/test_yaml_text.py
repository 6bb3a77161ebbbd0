"""YAML that would outgrow memory or time is refused by its line; what PyYAML reads within the bounds is read alike."""

import pytest
import yaml

from pycls.core.bounds.yaml_text import MOST_BYTES, load_yaml
from pycls.core.config import load_cfg, load_cfg_text


def _doubling(levels):
    """Return aliases that stand for 2 ** levels values."""
    return "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels))])


def _doubling_sections(levels):
    return "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}" for n in range(1, levels))])


def _chain(levels):
    return "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))])


BOMBS = {
    "doubling lists": (_doubling(60), "f.yaml:1[0-9]: there are more than 200,000 values"),
    "doubling sections": (_doubling_sections(60), "more than 200,000 values"),
    "itself": ("a: &a [b, *a]", "f.yaml:1: an alias .* it stands in"),
    "itself, in sections": ("a: &a\n  b:\n    c: *a", "f.yaml:1: an alias .* it stands in"),
    "deep lists": ("[" * 3000 + "]" * 3000, "f.yaml:1: .* more than 20 levels deep"),
    "deep sections": ("\n".join(" " * n + "a:" for n in range(1500)), "f.yaml:2[0-9]: .* more than 20 levels deep"),
    "deep by aliases": (_chain(99), "levels deep"),
    "open brackets": ("{" * 500_000, "levels deep"),
    "many values": ("a: [" + "1," * 900_000 + "1]", "f.yaml:1: there are more than 200,000 values"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(150_000)), "more than 200,000 values"),
    "long": ("a: " + "x" * MOST_BYTES, "has 2,000,003 characters"),
    "half a character": ("a: \udcff", "f.yaml: not valid YAML"),
    "two documents": ("a: 1\n---\nb: 2", "not valid YAML: expected a single document"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_little_cost(name):
    text, words = BOMBS[name]
    with pytest.raises(ValueError, match=words) as error:
        load_yaml(text, "f.yaml")
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "a", "[1, 2.5, yes, null, 2001-01-01]", "a: &x [1, {b: c}]\nd: [*x, *x]\ne: *x", "'é'"]
)
def test_what_is_small_is_read_as_by_pyyaml(text):
    assert load_yaml(text, "f.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MODEL: {TYPE: !!python/object/apply:os.system [true]}", "YAML tag .*os.system is not supported"),
        ("MODEL: !!python/object:os.x {TYPE: a}", "YAML tag .*python/object:os.x is not supported"),
        ("OPTIM: {STEPS: !!python/tuple [0]}", "YAML tag .*python/tuple is not supported"),
        ("? [MODEL, TYPE]\n: 1", "expected a key, found a sequence"),
        ("OPTIM: {STEPS: &a [*a]}", "an alias"),
        ("OPTIM: {STEPS: [0x" + "f" * 20_000 + "]}", "OPTIM.STEPS must be numbers, .* characters"),
        ("x" * 900 + ": 1", r"unknown key x+\.\.\. \(900 characters\)$"),
    ],
)
def test_configs_in_files_and_in_checkpoints_go_through_the_same_door(tmp_path, text, words):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=words):
        load_cfg(str(tmp_path / "a.yaml"))
    if "0x" not in text:  # stored values are not checked again
        with pytest.raises(ValueError, match=f"net.pyth:1: {words}"):
            load_cfg_text(text, "net.pyth")


def test_an_anchor_may_be_used_as_it_is_meant(tmp_path):
    (tmp_path / "a.yaml").write_text("TRAIN: {IM_SIZE: &size 96}\nTEST: {IM_SIZE: *size}\n")
    cfg = load_cfg(str(tmp_path / "a.yaml"), ["TEST.DATASET", "imagenet"])
    assert cfg.TRAIN.IM_SIZE == cfg.TEST.IM_SIZE == 96
