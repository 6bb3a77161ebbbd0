"""The introspective head equals IDML's (records/idml.json), and survives what IDML's would not."""

import copy
import hashlib

import numpy as np
import pytest
import torch

from pycls.core.checkpoint import load_weights
from pycls.engine.network.forward import forward
from pycls.engine.network.precision import Precision
from pycls.engine.step import Stepper
from pycls.losses import cross_entropy, soft_targets
from pycls.models import build_model
from pycls.models.complexity import complexity
from pycls.models.heads import introspective_logits
from pycls.models.layers.introspective import with_pulls
from tests.helpers.model_records import cfg_of, load_record
from tests.helpers.parity_fill import fill_, make_input, normals
from tests.models.test_pyramidnet import keys_of

RECORD = load_record("idml.json")
NETWORKS = RECORD["networks"]
WITH_LOGITS = [name for name, record in NETWORKS.items() if "logits_first16" in record and "200" not in name]
SMALL = "pyramidnet20_a24_basic_cifar10"
FULL = Precision(torch.device("cpu"))


def introspective(name, **more):
    return build_model(cfg_of(keys_of(name) | {"MODEL.HEAD": "introspective"} | more))


def assert_close(found, wanted, share=1e-10):
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    assert (found.detach().double().flatten() - wanted.flatten()).abs().max() <= share * wanted.abs().max()


def function_inputs(case):
    """Return features, uncertainty before its ReLU, weight and bias of a recorded case, float64, with gradients."""
    values = case["input_values"]
    length = 0.0 if "zero" in case["tag"] else 0.3
    v = torch.from_numpy(length * normals(103, 4 * 128).reshape(4, 128))
    x, weight, bias = (torch.tensor(values[name], dtype=torch.float64) for name in ("x", "W", "b"))
    inputs = x.reshape(4, 8), v, weight.reshape(5, 8), bias
    return [tensor.requires_grad_() for tensor in inputs]


# ---- the function


@pytest.mark.parametrize("case", RECORD["function"], ids=lambda case: case["tag"])
def test_logits_losses_and_gradients_are_idmls(case):
    x, v, weight, bias = function_inputs(case)
    logits = introspective_logits(x, v.relu(), weight, bias)
    assert_close(logits, case["logits_introspective_train_signal"])
    one_hot, other = (
        soft_targets(torch.tensor(case["inputs"][key]), 5, 0.0, x.dtype) for key in ("target", "target_b")
    )
    for lam in (0.0, 0.25, 0.5, 0.7, 1.0):
        mixed = cross_entropy(logits, lam * one_hot + (1 - lam) * other)
        assert_close(mixed, case["loss"][f"introspective_mixed_lam{lam}"])
    grads = torch.autograd.grad(cross_entropy(logits, one_hot), (x, v, weight, bias))
    wanted = case["grads_of_introspective_ce(target)_f64"]
    for name, grad in zip(("dL_dx", "dL_dv_first16", "dL_dW", "dL_db"), grads, strict=True):
        assert (grad.flatten()[: len(wanted[name])] - torch.tensor(wanted[name], dtype=x.dtype)).abs().max() <= 1e-12


@pytest.mark.parametrize("proxy_bias", [True, False])
def test_formula(proxy_bias):
    """1 - (1 - z) exp(-|u|^2 / (5 |f - P|^2)), with proxies P written out and differences taken before squares."""
    x, v, weight, bias = (tensor.detach().numpy() for tensor in function_inputs(RECORD["function"][0]))
    u, z = np.maximum(v, 0), x @ weight.T + bias
    proxies = weight + bias[:, None] if proxy_bias else weight
    distances = ((x[:, None] - proxies[None]) ** 2).sum(2)
    wanted = 1 - (1 - z) * np.exp(-(u**2).sum(1, keepdims=True) / (5 * distances))
    found = introspective_logits(*map(torch.from_numpy, (x, u, weight, bias)), proxy_bias=proxy_bias)
    assert np.abs(found.numpy() - wanted).max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e4])
def test_features_that_lie_on_a_proxy(scale, length, dtype):
    """There the distance is all rounding, of either sign; nothing may overflow, forward or backward."""
    weight = (scale * make_input((3, 16))).to(dtype).requires_grad_()
    bias = torch.full((3,), 0.1 * scale, dtype=dtype).requires_grad_()
    x = (weight + bias[:, None]).detach().requires_grad_()
    u = torch.full((3, 4), length, dtype=dtype).requires_grad_()
    logits = introspective_logits(x, u, weight, bias)
    logits.sum().backward()
    assert logits.dtype == torch.float32
    assert all(t.isfinite().all() for t in (logits, x.grad, u.grad, weight.grad, bias.grad))
    plain = torch.nn.functional.linear(x.float(), weight.float(), bias.float())
    low, high = torch.minimum(plain, torch.ones(())), torch.maximum(plain, torch.ones(()))
    assert (logits >= low - 1e-5 * (1 + low.abs())).all() and (logits <= high + 1e-5 * (1 + high.abs())).all()
    if length == 0:
        assert torch.equal(logits, plain)


def test_autocast_does_not_reach_the_distances():
    inputs = [tensor.detach().float() for tensor in function_inputs(RECORD["function"][0])]
    wanted = introspective_logits(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(introspective_logits(*inputs), wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_reach_the_head(dtype):
    """Features that half precision just holds: their embedding would be infinite in it, and every gradient nothing."""
    head = introspective(SMALL).fc.train()
    (layer,) = head._outside
    torch.nn.init.constant_(layer.weight, 0.5)
    features = (make_input((2, head.in_features)).abs().clamp(max=1) * 6e4).to(dtype)
    wanted = introspective_logits(features, head.embed(features.float()), head.weight, head.bias)
    x = features.clone().requires_grad_()
    with torch.autocast("cpu", dtype):
        logits = head(x)
    logits.sum().backward()
    assert logits.dtype == torch.float32 and torch.equal(logits, wanted)
    assert all(t.grad.isfinite().all() for t in (x, layer.weight, layer.bias, head.weight, head.bias))


def test_distances_are_exact_where_everything_is_tiny():
    inputs = [1e-7 * tensor.detach() for tensor in function_inputs(RECORD["function"][0])]
    x, u, weight, bias = inputs[0], inputs[1].relu(), *inputs[2:]
    proxies = weight + bias[:, None]
    pulls = 1 - torch.exp(-u.square().sum(1)[:, None] / (5 * (x[:, None] - proxies).square().sum(2)))
    logits = introspective_logits(x, u, weight, bias)
    torch.testing.assert_close(logits, torch.lerp(x @ weight.T + bias, torch.ones(4, 5).double(), pulls))


# ---- networks


@pytest.mark.parametrize("name", NETWORKS)
def test_names_are_idmls(name):
    with torch.device("meta"):
        model = introspective(name)
    lines = [f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items()]
    assert [key.split()[0] for key in lines[-2:]] == ["uncertainty.weight", "uncertainty.bias"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == NETWORKS[name]["keys_sha256"]
    assert sum(p.numel() for p in model.parameters()) == NETWORKS[name]["num_params"]


@pytest.mark.parametrize("name", [name for name in RECORD["counts"] if name.startswith("resnet") or "200" in name])
def test_counts_are_idmls(name):
    with torch.device("meta"):
        model = introspective(name)
    assert [sum(p.numel() for p in model.parameters()), len(model.state_dict())] == RECORD["counts"][name]


@pytest.mark.parametrize("name", WITH_LOGITS)
def test_both_forms_are_idmls(name):
    record = NETWORKS[name]
    model = fill_(introspective(name).double()).eval()
    images = make_input(record["input_shape"]).double()
    with torch.no_grad():
        assert_close(model(images).flatten()[:16], record["logits_first16"])
        model.fc.train()  # the head alone: the record has batch norm in evaluation
        assert_close(model(images).flatten()[:16], record["introspective_first16"])


@pytest.mark.parametrize("name, dtype, share", [("nomix_f32", torch.float32, 1e-4), ("nomix_f64", torch.float64, 1e-9)])
def test_two_steps_are_idmls(name, dtype, share):
    record = RECORD["train_step"][name]
    model = fill_(introspective(SMALL).to(dtype)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.9, nesterov=True, weight_decay=1e-4)
    precision = Precision(torch.device("cpu"))
    stepper = Stepper(model, cross_entropy, optimizer, precision.scaler(), precision)
    for step in record["steps"]:
        images = make_input((4, 3, 32, 32), step["input_seed"]).to(dtype)
        targets = soft_targets(torch.tensor(step["target"]), 10, 0.0, dtype)
        loss, _ = stepper.step(images, targets, lr=0.25)
        assert_close(loss, step["loss"], share)
        state, grads = model.state_dict(), {key: p.grad for key, p in model.named_parameters()}
        for key, norm in step["grad_l2"].items():
            assert_close(grads[key].norm(), norm, 10 * share)
        for key, first in step["params_after"].items():
            assert_close(state[key.removesuffix("_first4")].flatten()[:4], first, 10 * share)
        assert_close(state["bn1.running_mean"][:4], step["bn1.running_mean_first4"], share)
    with torch.no_grad():
        logits = model.eval()(make_input((4, 3, 32, 32), 99).to(dtype)).flatten()[:16]
    assert_close(logits, record["eval_plain_after(seed 99)_first16"], 10 * share)


def test_idmls_files_load(tmp_path):
    source = introspective(SMALL)
    weights = {f"module.{key}": value for key, value in source.state_dict().items()}
    torch.save({"epoch": 299, "state_dict": weights}, tmp_path / "model_best.pth.tar")
    model = introspective(SMALL)
    report = load_weights(model, tmp_path / "model_best.pth.tar")
    assert (report.missing, report.unexpected, report.reinitialized) == ([], [], [])
    assert torch.equal(model.uncertainty.weight, source.uncertainty.weight)


def test_a_plain_network_gets_a_head(tmp_path):
    """Files of CutMix, and of other numbers of classes, start an introspective network."""
    plain = build_model(cfg_of(keys_of(SMALL)))
    torch.save({"state_dict": plain.state_dict()}, tmp_path / "plain.pth")
    report = load_weights(introspective(SMALL), tmp_path / "plain.pth")
    assert report.missing == ["uncertainty.weight", "uncertainty.bias"]
    report = load_weights(introspective(SMALL, **{"MODEL.NUM_CLASSES": 7}), tmp_path / "plain.pth")
    assert report.reinitialized == ["fc.weight", "fc.bias"]


def test_width_and_quirk_are_keys():
    model = introspective(SMALL, **{"IDML.WIDTH": 5, "IDML.PROXY_BIAS": False})
    assert model.uncertainty.out_features == 5
    u, features = model.uncertainty, torch.rand(3, model.fc.in_features)
    wanted = introspective_logits(features, u(features).relu(), model.fc.weight, model.fc.bias, proxy_bias=False)
    assert torch.equal(model.fc(features), wanted)


def test_a_copy_has_its_own_uncertainty():
    """An EMA is a copy: it must use, and be filled with, its own layer."""
    model = introspective(SMALL)
    twin = copy.deepcopy(model)
    images = make_input((2, 3, 32, 32))
    with torch.no_grad():
        before = twin.train()(images)
        model.uncertainty.bias += 100
        assert torch.equal(twin(images), before)
        twin.uncertainty.bias += 100
        assert not torch.equal(twin(images), before)


def test_cost_is_that_of_the_plain_network():
    """What the head adds is done in training only."""
    with torch.device("meta"):
        plain, model = complexity(build_model(cfg_of(keys_of(SMALL))), 32), complexity(introspective(SMALL), 32)
    assert (model["flops"], model["acts"]) == (plain["flops"], plain["acts"])


def test_compiles_into_one_graph():
    classifier = introspective(SMALL).train().fc
    features = make_input((4, classifier.in_features))
    compiled = torch.compile(classifier, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(features), classifier(features))


def test_network_without_a_linear_classifier():
    keys = {"MODEL.TYPE": "torchvision", "MODEL.NAME": "squeezenet1_1", "MODEL.HEAD": "introspective"}
    with pytest.raises(
        ValueError, match=r"MODEL.HEAD: introspective needs .* linear classifier .* is classifier.1, Conv2d"
    ):
        build_model(cfg_of(keys))
    with pytest.raises(ValueError, match=r"IDML.WIDTH must be at least 0"):
        introspective(SMALL, **{"IDML.WIDTH": -1})


def timm_network(name):
    pytest.importorskip("timm")
    return build_model(cfg_of({"MODEL.TYPE": "timm", "MODEL.NAME": name, "MODEL.HEAD": "introspective"}))


def test_a_linear_layer_of_timms_own_class_is_one():
    with torch.device("meta"):
        model = timm_network("mobilenetv3_small_050")
    assert type(model.classifier).__name__ == "Introspective" and model.uncertainty.in_features == 1024


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "levit_128s"])
def test_a_network_with_two_classifiers_is_refused(name):
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match=r"one classifier, but this one has two, head.* head_dist"),
    ):
        timm_network(name)


# ---- uncertainty of predictions


def test_uncertainty_of_predictions():
    model = fill_(introspective(SMALL)).eval()
    images = make_input((6, 3, 32, 32))
    with torch.no_grad():
        logits, uncertainty = forward(model, images, FULL)
        assert torch.equal(logits, model(images)) and uncertainty.shape == (6,)
        model.fc.train()
        pulled, best = model(images), logits.argmax(1)
    rows = torch.arange(6)
    wanted = 1 - (pulled[rows, best] - 1) / (logits[rows, best] - 1)  # from the definition of the training logits
    torch.testing.assert_close(uncertainty, wanted, rtol=1e-4, atol=1e-4)
    assert ((uncertainty > 0) & (uncertainty < 1)).all()
    assert not model.fc._forward_pre_hooks


def test_with_flips_the_uncertainty_is_that_of_the_class_that_is_reported():
    model = fill_(introspective(SMALL)).eval()
    images = make_input((40, 3, 32, 32))
    with torch.no_grad():
        model.fc.bias -= model(images).mean(0)  # then the two views of noise often predict different classes
        (one, pulls), (other, mirrored) = with_pulls(model, images), with_pulls(model, images.flip(3))
        logits, uncertainty = forward(model, images, FULL, hflip=True)
    assert (one.argmax(1) != other.argmax(1)).any()
    best = logits.argmax(1, keepdim=True)
    torch.testing.assert_close(logits, (one + other) / 2)
    torch.testing.assert_close(uncertainty[:, None], (pulls.gather(1, best) + mirrored.gather(1, best)) / 2)


def test_a_plain_network_has_no_uncertainty():
    model = build_model(cfg_of(keys_of(SMALL))).eval()
    assert with_pulls(model, make_input((2, 3, 32, 32)))[1] is None
    assert forward(model, make_input((2, 3, 32, 32)), FULL, hflip=True)[1] is None
