"""The shipped files of pycls hold pycls's values, and those of pytorch-cls load as they are written."""

import ast
import hashlib
import json
import warnings

import pytest
import torch
import yaml

from pycls.core.config import diff_cfg, load_cfg
from pycls.core.config.defaults import declared_keys
from pycls.engine.checks import check_supported
from pycls.models import build_model
from pycls.models.complexity import complexity
from pycls.optim import build_optimizer
from tests.helpers.model_records import cfg_of, load_record
from tests.helpers.parity_fill import fill_, make_input
from tests.helpers.paths import CONFIGS

PYCLS = {name: record for name, record in load_record("pycls_models.json").items() if "yaml_sha256" in record}
MOBILENETS = load_record("pytorch_cls_models.json")
COMMON = {"MODEL.TYPE": "mobilenet", "MODEL.NUM_CLASSES": 1000}


def leaves(tree, prefix=""):
    """Yield ("SECTION.KEY", value) with text read as Python reads it: 5e-5 is text to PyYAML."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", literal(value)


def literal(value):
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError):
        return value


@pytest.mark.parametrize("name", PYCLS)
def test_values_are_those_of_pycls(name):
    keys = declared_keys()
    values = dict(leaves(yaml.safe_load((CONFIGS / name).read_text())))
    values = {key: value for key, value in values.items() if not keys[key].ours}  # what its code does is said by ours
    if policy := values.get("TRAIN.AUGMENT"):  # its name for it; here the name says whose it is
        values["TRAIN.AUGMENT"] = policy.removeprefix("pycls_")
    lines = sorted(f"{key} {json.dumps(value)}" for key, value in values.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == PYCLS[name]["yaml_sha256"]


@pytest.mark.parametrize("name", [name for name in PYCLS if not name.startswith("examples/")])
def test_images_are_shown_as_pycls_shows_them(name):
    """As keys, and in the header. FFCV, of the one example, has a view of its own."""
    cfg, header = load_cfg(str(CONFIGS / name)), (CONFIGS / name).read_text().split("MODEL:")[0]
    assert cfg.TRAIN.CROP_STYLE == "pycls" and "Images are shown as in pycls" in header
    if cfg.TRAIN.DATASET.startswith("imagenet"):
        assert not cfg.DATA_LOADER.ANTIALIAS and "without antialiasing" in header


def test_all_files_of_pycls_are_there():
    folders = ("dds_baselines", "archive", "vitconv_baselines", "fsdp", "examples")
    shipped = {str(path.relative_to(CONFIGS)) for folder in folders for path in (CONFIGS / folder).rglob("*.yaml")}
    assert shipped == set(PYCLS) and len(shipped) == 87
    assert sum(name.startswith("dds_baselines") for name in shipped) == 36


def build_mobilenet(name):
    """Build a recorded MobileNet from its keys as pytorch-cls spells them."""
    with pytest.warns(UserWarning, match=r"MB\.SE_RARIOS is called MB\.SE_RATIOS here"):
        return build_model(cfg_of(COMMON | MOBILENETS[name]["cfg"]))


@pytest.mark.parametrize("name", MOBILENETS)
def test_mobilenets_are_those_of_pytorch_cls(name):
    record = MOBILENETS[name]
    with torch.device("meta"):
        model = build_mobilenet(name)
    lines = sorted(f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items())
    assert len(lines) == record["state_dict_keys"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == record["state_dict_sha256"]
    biases = sum(layer.bias.numel() for layer in model.modules() if isinstance(layer, torch.nn.Linear))
    counts = complexity(model, 224)  # their counter leaves the biases of linear layers out
    wanted = {"flops": record["flops"] + biases, "params": record["params"], "acts": record["acts"]}
    assert counts == wanted


@pytest.mark.parametrize("name", [name for name, record in MOBILENETS.items() if "logits_first8" in record])
def test_logits_of_mobilenets(name):
    record = MOBILENETS[name]
    model = fill_(build_mobilenet(name)).double().eval()
    with torch.no_grad():
        logits = model(make_input((1, 3, record["im_size"], record["im_size"])).double())[0]
    wanted = torch.tensor(record["logits_first8"], dtype=torch.float64)
    torch.testing.assert_close(logits[:8], wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("MobileNetV2", "MobileNetV2"),
        ("MobileNetV3Large", "MobileNetV3Large"),
        ("MobileNetV3Small", "MobileNetV3Small_with_11_acts"),
    ],
)
def test_shipped_mobilenets(name, recorded):
    with torch.device("meta"):
        model = build_model(load_cfg(str(CONFIGS / f"mobilenet/{name}.yaml")))
    assert complexity(model, 224)["params"] == MOBILENETS[recorded]["params"]


PYTORCH_CLS = """\
MODEL: {TYPE: mobilenet, NUM_CLASSES: 1000}
MEM: {RELU_INPLACE: False}
MB:
  STEM_ACT:    'relu'
  STRIDES:    [1,   2]
  WIDTHS:     [16, 24]
  EXP_RATIOS: [1,   6]
  KERNELS:    [3,   3]
  SE_RARIOS:  [0,   0.25]
  ACTS:       ['relu', 'swish']
  HEAD_ACTS:  ['relu']
OPTIM: {NAME: sgd, ALPHA: 0.9, GAMMA: 0.1, GRAD_CLIP: 5., WEIGHT_DECAY: 1e-5, LR_POLICY: cos}
TRAIN: {DATASET: imagenet_dataset, EVAL_PERIOD: 1, CHECKPOINT_PERIOD: 1, AMP: True}
TEST: {DATASET: imagenet_dataset, AMP: True}
DATA_LOADER:
  NUM_WORKERS: 12
  BACKEND: 'dali_cpu'
  WORLD_SIZE: 1
  MEMORY_DATA: True
  PCA_JITTER: False
  COLOR_JITTER: False
  CUTOUT: 0
PREC_TIME: {NUM_ITER: 200}
DETERMINSTIC: True
PORT: 10001
RANDOM_OUT_DIR: True
SAVE_NAME: mine
LOG_DEST: 'file'
"""


def test_a_file_of_pytorch_cls_loads_with_one_warning(tmp_path):
    path = tmp_path / "theirs.yaml"
    path.write_text(PYTORCH_CLS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cfg = load_cfg(str(path))
    (warning,) = caught
    text = str(warning.message)
    ignored = ("OPTIM.GAMMA", "TRAIN.CHECKPOINT_PERIOD", "TEST.AMP", "PORT")
    ignored += ("DATA_LOADER.WORLD_SIZE", "DATA_LOADER.MEMORY_DATA", "DATA_LOADER.COLOR_JITTER", "DATA_LOADER.CUTOUT")
    assert all(f"{key} means nothing here" in text for key in ignored)
    assert "RANDOM_OUT_DIR, SAVE_NAME mean nothing here and are ignored" in text
    assert "theirs.yaml:13: TRAIN.DATASET imagenet_dataset is read as TRAIN.DATASET imagenet" in text
    changed = diff_cfg(cfg)
    assert {key: changed.get(key) for key in MEANT} == MEANT
    assert build_model(cfg).stem.af.inplace is False


MEANT = {
    "MODEL.ACTIVATION_INPLACE": False,
    "MB.SE_RATIOS": [0, 0.25],
    "OPTIM.GRAD_CLIP": 5.0,
    "TRAIN.DATASET": "imagenet",
    "TEST.DATASET": "imagenet",
    "TRAIN.MIXED_PRECISION": True,
    "TRAIN.PCA_STD": 0.0,
    "DATA_LOADER.BACKEND": "dali_cpu",
    "DATA_LOADER.NUM_WORKERS": 12,
    "PREC_TIME.NUM_ITER": 200,
    "CUDNN.DETERMINISTIC": True,
    "LOG_DEST": "file",
}


def test_an_efficientnet_without_activation_is_told_of():
    """pytorch-cls's files name none and mean silu; pycls's default, which is kept, is relu."""
    with pytest.warns(UserWarning, match=r"effnet without MODEL\.ACTIVATION_FUN gets relu; .* silu"):
        assert load_cfg(None, ["MODEL.TYPE", "effnet"]).MODEL.ACTIVATION_FUN == "relu"


@pytest.mark.parametrize("name", [name for name in PYCLS if name.startswith("examples/")])
def test_what_cannot_be_trained_yet_is_refused(name):
    with pytest.raises(ValueError, match=r"DATA_LOADER\.MODE.* is not available yet"):
        check_supported(load_cfg(str(CONFIGS / name), ["DEVICE", "cpu"]))


def test_the_rest_can_be_trained():
    for name in ("dds_baselines/effnet/EN-B5_dds_8gpu.yaml", "archive/imagenet/resnet/X-101-32x4d_step_8gpu.yaml"):
        check_supported(load_cfg(str(CONFIGS / name), ["DEVICE", "cpu"]))
    for name in (name for name in PYCLS if name.startswith("vitconv_baselines")):
        check_supported(load_cfg(str(CONFIGS / name), ["DEVICE", "cpu"]))
    for name in ("mobilenet/MobileNetV3Small.yaml", "fsdp/example.yaml"):
        check_supported(load_cfg(str(CONFIGS / name), ["DEVICE", "cpu"]))


def test_rmsprop_is_rmsprop():
    """pytorch-cls announces it and builds SGD."""
    with pytest.warns(UserWarning, match=r"OPTIM.NAME is called OPTIM.OPTIMIZER"):
        cfg = load_cfg(None, ["OPTIM.NAME", "rmsprop", "OPTIM.ALPHA", "0.95"])
    optimizer = build_optimizer(cfg, torch.nn.Linear(2, 2))
    assert isinstance(optimizer, torch.optim.RMSprop) and optimizer.defaults["alpha"] == 0.95
