"""Networks equal those of pycls: names, shapes, counts and outputs (records/pycls_models.json)."""

import hashlib
from collections import Counter

import pytest
import torch
from torch import nn

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.models.complexity import complexity
from pycls.optim.param_groups import named_roles
from tests.helpers.model_records import cfg_of, load_record
from tests.helpers.parity_fill import fill_, make_input, values_for
from tests.helpers.paths import CONFIGS

MODELS = load_record("pycls_models.json")
WITH_LOGITS = [name for name, record in MODELS.items() if "logits_first8" in record]


def cfg_for(name):
    """Load a recorded network: from its file in configs/, or from its keys where it is a made-up one."""
    return load_cfg(f"{CONFIGS}/{name}") if name.endswith(".yaml") else cfg_of(MODELS[name]["cfg"])


def build_meta(name):
    """Build a recorded network without data."""
    with torch.device("meta"):
        return build_model(cfg_for(name))


def test_fill_gives_the_recorded_stream():
    first3 = values_for("conv1.weight", (64, 3, 7, 7)).ravel()[:3]
    assert first3 == pytest.approx([-0.05067526190184102, -0.01775712685810945, -0.0669325694184994], rel=1e-12)
    first3 = values_for("bn1.running_var", (64,))[:3]
    assert first3 == pytest.approx([1.071335161966441, 1.1281951575041245, 1.3496174846202305], rel=1e-12)
    first3 = make_input((2, 3, 224, 224)).ravel()[:3].tolist()
    assert first3 == pytest.approx([-0.5111493468284607, -1.181167483329773, 0.18270958960056305], rel=1e-6)


@pytest.mark.filterwarnings("ignore:VIT.C_STEM_KERNELS")  # one made-up network has kernels that pycls does not use
@pytest.mark.parametrize("name", MODELS)
def test_state_dict_and_complexity(name):
    record = MODELS[name]
    model = build_meta(name)
    lines = sorted(f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items())
    assert len(lines) == record["state_dict_keys"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == record["state_dict_sha256"]
    assert Counter(role for _, _, role in named_roles(model)) == +Counter(record["optimizer_groups"])
    assert complexity(model, record["im_size"]) == record["complexity"]


@pytest.mark.parametrize("name", load_record("models_maths.json")["optimizer_groups"])
def test_parameter_order(name):
    """Optimizer states number parameters, so the order within each group is part of a checkpoint."""
    wanted = load_record("models_maths.json")["optimizer_groups"][name]
    groups = {}
    for key, _, role in named_roles(build_meta(f"dds_baselines/{name}")):
        groups.setdefault(role, []).append(key)
    for keys, group in zip((groups["bn"], groups["bias"], groups["rest"]), wanted, strict=True):
        assert (len(keys), keys[:3], keys[-2:]) == (group["count"], group["first3"], group["last2"][-len(keys) :])


@pytest.mark.parametrize("name", WITH_LOGITS)
def test_logits(name, monkeypatch):
    record = MODELS[name]
    model = fill_(build_model(cfg_for(name))).double().eval()
    size = record["forward_im_size"]
    if size == 224 and "EN-" in name:
        monkeypatch.setattr(nn.Conv2d, "_conv_forward", depthwise_by_shifts)
    with torch.no_grad():
        logits = model(make_input((1, 3, size, size)).double())[0]
    wanted = torch.tensor(record["logits_first8"], dtype=torch.float64)
    torch.testing.assert_close(logits[:8], wanted, rtol=1e-9, atol=1e-12)
    assert logits.abs().mean().item() == pytest.approx(record["logits_abs_mean"], rel=1e-9)
    assert logits.argmax().item() == record["logits_argmax"]


conv_forward = nn.Conv2d._conv_forward


def depthwise_by_shifts(conv, x, weight, bias):
    """Convolve; depthwise ones as a sum of shifted images, for PyTorch takes 20 s for EfficientNet's in float64."""
    if conv.groups == 1:
        return conv_forward(conv, x, weight, bias)
    kernel, stride, pad = conv.kernel_size[0], conv.stride[0], conv.padding[0]
    rows, cols = ((side - 1) // stride + 1 for side in x.shape[2:])
    x = nn.functional.pad(x, (pad, pad, pad, pad))
    y = x.new_zeros(x.shape[0], x.shape[1], rows, cols)
    for i in range(kernel):
        for j in range(kernel):
            y += weight[:, 0, i, j, None, None] * x[:, :, i::stride, j::stride][:, :, :rows, :cols]
    return y


def test_depthwise_by_shifts_is_a_convolution():
    conv = nn.Conv2d(4, 4, 5, stride=2, padding=2, groups=4, bias=False).double()
    x = make_input((2, 4, 11, 11)).double()
    torch.testing.assert_close(depthwise_by_shifts(conv, x, conv.weight, None), conv(x))
