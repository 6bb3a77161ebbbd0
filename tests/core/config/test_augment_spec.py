"""TRAIN.AUGMENT taken apart, and what a mistake in it is answered with."""

import warnings

import pytest

from pycls.core.config import dump_cfg, load_cfg, load_cfg_text
from pycls.core.config.augment_spec import parse_augment
from tests.helpers.commands import pycls_here
from tests.helpers.paths import CONFIGS


def test_names_and_numbers():
    assert parse_augment("") is None
    assert parse_augment("AutoAugment").policy == "AutoAugment"
    assert parse_augment("RandAugment_N3_M12") == ("RandAugment", 3, 12, None, None)
    assert parse_augment("RandAugment_M0.5_N1_P0.25") == ("RandAugment", 1, 0.5, 0.25, None)
    assert parse_augment("RandAugment_N2_M7_S0.5_P0.5") == ("RandAugment", 2, 7, 0.5, 0.5)
    assert parse_augment("RandAugment_M9").num_ops == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("autoaugment", "unknown choice 'autoaugment', did you mean 'AutoAugment'"),
        ("RandAug", "did you mean 'RandAugment_N2_M9'"),
        ("Trivial", "did you mean 'TrivialAugment'"),
        ("Randaugment_N2_M9", "did you mean 'RandAugment_N2_M9'"),
        ("mixup", "choices: AutoAugment, RandAugment_N2_M9, TrivialAugment, AugMix"),
        ("AutoAugment_M0.5", "takes no numbers, got 'AutoAugment_M0.5'; write AutoAugment"),
        ("RandAugment", "gives no magnitude; write RandAugment_M9"),
        ("RandAugment_N2", "gives no magnitude; write RandAugment_N2_M9"),
        ("RandAugment_X3", "'X3' in 'RandAugment_X3' is not understood; write RandAugment_N2_M9"),
        ("RandAugment_N2_M-1", "'M-1' in"),
        ("RandAugment_N2_N3_M9", "'N3' in"),
        ("RandAugment_N2_M9_S-1", "'S-1' in"),
        ("RandAugment_N0_M9", "N in 'RandAugment_N0_M9' must be a whole number"),
        ("RandAugment_N101_M9", "N in 'RandAugment_N101_M9' must be a whole number of operations, 1 to 100"),
        ("RandAugment_N1.5_M9", "N in 'RandAugment_N1.5_M9' must be a whole number"),
        ("RandAugment_N2_M9_P2", "P in 'RandAugment_N2_M9_P2' must be a probability"),
    ],
)
def test_mistakes_are_answered_when_the_config_is_loaded(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        load_cfg(None, ["TRAIN.AUGMENT", text])
    assert str(caught.value).startswith("command line: TRAIN.AUGMENT") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4]"),
        ("TRAIN.COLOR_JITTER", "[0.4, -0.1, 0, 0]"),
        ("TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.6]"),
        ("TRAIN.COLOR_JITTER", "[a, b, c, d]"),
        ("TRAIN.COLOR_JITTER", "[nan, 0, 0, 0]"),
        ("TRAIN.RANDOM_ERASE", "1.5"),
        ("TRAIN.RANDOM_ERASE", "-0.1"),
        ("TRAIN.AUGMENT_OPS", "timmm"),
        ("TRAIN.AUGMENT_INTERPOLATION", "bicubic"),
    ],
)
def test_other_keys_are_checked_too(key, value):
    with pytest.raises(ValueError, match=key):
        load_cfg(None, [key, value])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "bilinear does nothing without TRAIN.AUGMENT; set one of AutoAugment, "),
        (
            ["TRAIN.AUGMENT", "AutoAugment", "TRAIN.AUGMENT_OPS", "pycls"],
            "is for TRAIN.AUGMENT_OPS torchvision, got pycls",
        ),
        (["TRAIN.AUGMENT", "RandAugment_M7", "TRAIN.AUGMENT_OPS", "timm"], "torchvision, got timm.*; leave it empty"),
    ],
)
def test_an_interpolation_that_nothing_would_follow_is_an_error(keys, words):
    with pytest.raises(ValueError, match=words) as caught:
        load_cfg(None, [*keys, "TRAIN.AUGMENT_INTERPOLATION", "bilinear"])
    assert str(caught.value).startswith("command line: TRAIN.AUGMENT_INTERPOLATION bilinear") and "\n" not in str(
        caught.value
    )


def test_keys_of_pytorch_cls_name_ours():
    with pytest.warns(UserWarning, match=r"use TRAIN\.COLOR_JITTER"):
        load_cfg(None, ["DATA_LOADER.COLOR_JITTER", "True"])


# ---- whose policy a name means


def test_a_command_says_what_the_name_means():
    done = pycls_here(
        "train", "--cfg", "configs/quickstart/digits.yaml", "--print-cfg", "TRAIN.AUGMENT=pycls_AutoAugment"
    )
    assert "  AUGMENT: AutoAugment\n  AUGMENT_OPS: pycls\n" in done.stdout and done.returncode == 0, done.stderr


def said_of(tmp_path, text, *words):
    """Return TRAIN.AUGMENT and whose it is as a file and words give it, and what was said of it."""
    (tmp_path / "a.yaml").write_text(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train = load_cfg(str(tmp_path / "a.yaml"), words).TRAIN
    said = "; ".join(str(warning.message) for warning in caught)
    return train.AUGMENT, train.AUGMENT_OPS, said if "TRAIN.AUGMENT" in said else ""


@pytest.mark.parametrize(
    ("written", "policy", "ops"),
    [
        ("pycls_AutoAugment", "AutoAugment", "pycls"),
        ("pycls_RandAugment_N2_M0.5_P0.3", "RandAugment_N2_M0.5_P0.3", "pycls"),
        ("pycls_RandAugment_N2_M1", "RandAugment_N2_M1", "pycls"),
        ("torchvision_TrivialAugment", "TrivialAugment", "torchvision"),
        ("timm_RandAugment_N2_M7_S0.5", "RandAugment_N2_M7_S0.5", "timm"),
        ("AutoAugment", "AutoAugment", "torchvision"),
    ],
)
def test_a_name_may_say_whose_policy_it_is(tmp_path, written, policy, ops):
    train = load_cfg(None, ["TRAIN.AUGMENT", written]).TRAIN
    assert (policy, ops) == (train.AUGMENT, train.AUGMENT_OPS)
    assert said_of(tmp_path, f"TRAIN: {{AUGMENT: {written}}}") == (policy, ops, "")
    assert train == load_cfg_text(dump_cfg(load_cfg(None, ["TRAIN.AUGMENT", written])), "again").TRAIN


def test_the_name_and_the_key_agree_or_are_refused(tmp_path):
    both = "TRAIN: {AUGMENT_OPS: %s, AUGMENT: pycls_AutoAugment}"
    assert said_of(tmp_path, both % "pycls") == ("AutoAugment", "pycls", "")
    said = r"a\.yaml:1: TRAIN\.AUGMENT pycls_AutoAugment and TRAIN\.AUGMENT_OPS timm name two operator sets: leave one"
    with pytest.raises(ValueError, match=said):
        said_of(tmp_path, both % "timm")
    with pytest.raises(ValueError, match=r"command line: .* name two operator sets"):
        load_cfg(None, ["TRAIN.AUGMENT_OPS", "timm", "TRAIN.AUGMENT", "pycls_AutoAugment"])
    file = "TRAIN: {AUGMENT: pycls_RandAugment_N2_M0.5}"  # the command line wins
    assert said_of(tmp_path, file, "TRAIN.AUGMENT_OPS", "timm") == ("RandAugment_N2_M0.5", "timm", "")
    assert said_of(tmp_path, file, "TRAIN.AUGMENT", "timm_RandAugment_M9") == ("RandAugment_M9", "timm", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pycls_", "unknown choice 'pycls_'"),
        ("pycls_AutoAugmnt", "unknown choice 'AutoAugmnt', did you mean 'AutoAugment'"),
        ("Pycls_AutoAugment", "unknown choice 'Pycls_AutoAugment'"),
        ("pycls_RandAugment_N2", "gives no magnitude"),
        ("mine_AutoAugment", "unknown choice 'mine_AutoAugment'"),
    ],
)
def test_a_name_of_nobody_s_is_an_error(text, words):
    with pytest.raises(ValueError, match=words):
        load_cfg(None, ["TRAIN.AUGMENT", text])


# What pycls's files begin with.
THEIRS = "MODEL: {TYPE: resnet, DEPTH: 50}\nNUM_GPUS: 8\n"


@pytest.mark.parametrize("policy", ["AutoAugment", "RandAugment_N2_M1", "RandAugment_N2_M0.5_P0.5"])
@pytest.mark.parametrize("mark", ["NUM_GPUS: 8", "OPTIM: {MTA: True}", "LAUNCH: {MODE: local}", "PORT: 10001"])
def test_a_file_with_keys_of_pycls_alone_means_its_policies_and_says_so(tmp_path, mark, policy):
    found = said_of(tmp_path, f"{mark}\nTRAIN: {{AUGMENT: {policy}}}")
    assert found[:2] == (policy, "pycls")
    assert f"a.yaml:2: TRAIN.AUGMENT {policy} is read as pycls's, as all keys are its" in found[2]
    assert f"(pycls_{policy} is pycls's, torchvision_{policy} torchvision's)" in found[2]


@pytest.mark.parametrize(
    ("text", "words", "ops", "is_told"),
    [
        # with a key of ours besides: the name means what docs/AUGMENT.md says, which may not be what was meant
        (THEIRS + "OPTIM: {MTA: True}\nTRAIN: {AUGMENT: AutoAugment, HFLIP: 0.5}", [], "torchvision", True),
        ("DEVICE: cpu\nTRAIN: {AUGMENT: AutoAugment, CROP_STYLE: pycls}", [], "torchvision", True),
        (THEIRS + "DEVICE: cpu\nTRAIN: {AUGMENT: AutoAugment}", [], "torchvision", False),
        # nothing tells, or all is told
        ("TRAIN: {AUGMENT: AutoAugment}", [], "torchvision", False),
        (THEIRS + "TRAIN: {AUGMENT: torchvision_AutoAugment}", [], "torchvision", False),
        (THEIRS + "TRAIN: {AUGMENT: pycls_AutoAugment}", [], "pycls", False),
        (THEIRS + "TRAIN: {AUGMENT: AutoAugment, AUGMENT_OPS: torchvision}", [], "torchvision", False),
        (THEIRS + "TRAIN: {AUGMENT: AutoAugment}", ["TRAIN.AUGMENT_OPS", "torchvision"], "torchvision", False),
        (THEIRS, ["TRAIN.AUGMENT", "AutoAugment"], "torchvision", False),
        (THEIRS + "TRAIN: {AUGMENT: AutoAugment}", ["TRAIN.AUGMENT", "AutoAugment"], "torchvision", False),
        # policies and magnitudes that pycls does not have
        (THEIRS + "TRAIN: {AUGMENT: TrivialAugment}", [], "torchvision", False),
        (THEIRS + "TRAIN: {AUGMENT: RandAugment_N2_M9}", [], "torchvision", False),
        # its ffcv mode calls torchvision's; pytorch-cls has none
        (THEIRS + "DATA_LOADER: {MODE: ffcv}\nTRAIN: {AUGMENT: AutoAugment}", [], "torchvision", False),
        (THEIRS + "RANDOM_OUT_DIR: True\nTRAIN: {AUGMENT: AutoAugment}", [], "torchvision", False),
    ],
)
def test_other_files_keep_what_a_bare_name_means(tmp_path, text, words, ops, is_told):
    _, found, said = said_of(tmp_path, text, *words)
    assert found == ops and ("AutoAugment is torchvision's, though " in said) == is_told, said
    assert not is_told or "(pycls_AutoAugment is pycls's, torchvision_AutoAugment torchvision's)" in said


def test_a_magnitude_that_only_pycls_gives_a_meaning_is_told_of(tmp_path):
    """One of thirty steps of torchvision's, the whole way of pycls's."""
    words = "TRAIN.AUGMENT RandAugment_N2_M1 is torchvision's, whose M goes from 0 to 30, not from 0 to 1"
    assert words in said_of(tmp_path, "TRAIN: {AUGMENT: RandAugment_N2_M1}")[2]
    assert words in said_of(tmp_path, "", "TRAIN.AUGMENT", "RandAugment_N2_M1")[2]
    assert said_of(tmp_path, "", "TRAIN.AUGMENT", "torchvision_RandAugment_N2_M1")[1:] == ("torchvision", "")
    assert said_of(tmp_path, "TRAIN: {AUGMENT: RandAugment_N2_M2}")[1:] == ("torchvision", "")


@pytest.mark.filterwarnings("ignore:.*RandAugment_N2_M1 is torchvision")
def test_a_checkpoint_of_pycls_means_its_policies():
    for policy, ops in (("AutoAugment", "pycls"), ("RandAugment_N2_M1", "pycls"), ("''", "torchvision")):
        text = f"MODEL: {{TYPE: resnet, ACTIVATION_FUN: relu}}\nTRAIN: {{AUGMENT: {policy}}}\n"
        assert ops == load_cfg_text(text, "a.pyth", foreign=True).TRAIN.AUGMENT_OPS
        assert load_cfg_text(text, "a.pyth").TRAIN.AUGMENT_OPS == "torchvision"


def test_its_shipped_recipes_have_its_policies():
    files = [path for path in CONFIGS.rglob("*.yaml") if "AUGMENT: " in path.read_text()]
    assert len(files) == 25
    for path in files:
        theirs = path.parent.parent.name == "vitconv_baselines" or path.parent.name == "fsdp"
        assert (load_cfg(str(path)).TRAIN.AUGMENT_OPS == "pycls") == theirs, path
