"""What every registered network must do. A new line in MODELS needs an example here."""

import copy
import pickle

import pytest
import torch

from pycls.models import MODELS, build_model
from pycls.models.complexity import complexity
from pycls.models.heads import HEADS
from tests.helpers.model_records import cfg_of

COMMON = {"MODEL.NUM_CLASSES": 7, "TRAIN.IM_SIZE": 32}
FIXED_SIZE = {"vit"}  # families that take images of TRAIN.IM_SIZE only, and say so
EXAMPLES = {
    "anynet": {
        "ANYNET.DEPTHS": [1, 2],
        "ANYNET.WIDTHS": [16, 32],
        "ANYNET.STRIDES": [2, 2],
        "ANYNET.GROUP_WS": [8, 8],
        "ANYNET.SE_ON": True,
        "ANYNET.HEAD_W": 24,
    },
    "cutmix_resnet": {"MODEL.DEPTH": 18},
    "densenet": {"MODEL.DEPTH": 121, "DENSENET.POOL": "lip"},
    "effnet": {
        "MODEL.ACTIVATION_FUN": "silu",
        "EN.DEPTHS": [1, 2],
        "EN.WIDTHS": [16, 24],
        "EN.STRIDES": [1, 2],
        "EN.EXP_RATIOS": [1, 6],
        "EN.KERNELS": [3, 5],
        "EN.DC_RATIO": 0.2,
        "EN.DROPOUT_RATIO": 0.2,
    },
    "mobilenet": {
        "MB.STEM_W": 16,
        "MB.STEM_ACT": "hardswish",
        "MB.WIDTHS": [16, 16, 24],
        "MB.EXP_RATIOS": [1, 4.5, 3],
        "MB.SE_RATIOS": [0.25, 0, 0.25],
        "MB.ACTS": ["relu", "hardswish", "relu"],
        "MB.STRIDES": [1, 1, 2],
        "MB.KERNELS": [3, 5, 3],
        "MB.HEAD_W": [48, 40],
        "MB.HEAD_ACTS": ["hardswish", "relu"],
        "MB.DC_RATIO": 0.2,
        "MB.DROPOUT_RATIO": 0.2,
    },
    "lip_resnet": {"MODEL.DEPTH": 50},
    "pyramidnet": {"MODEL.DEPTH": 29, "PYRAMIDNET.ALPHA": 24, "TRAIN.DATASET": "cifar10"},
    "regnet": {"REGNET.DEPTH": 4, "REGNET.SE_ON": True},
    "resnet": {"MODEL.DEPTH": 14, "TRAIN.DATASET": "cifar10"},
    "timm": {"MODEL.NAME": "resnet10t"},
    "torchvision": {"MODEL.NAME": "resnet18"},
    "vit": {
        "VIT.PATCH_SIZE": 8,
        "VIT.STEM_TYPE": "conv",
        "VIT.C_STEM_KERNELS": [3, 3, 1],
        "VIT.C_STEM_STRIDES": [2, 4, 1],
        "VIT.C_STEM_DIMS": [8, 16, 24],
        "VIT.NUM_LAYERS": 2,
        "VIT.NUM_HEADS": 3,
        "VIT.HIDDEN_DIM": 24,
        "VIT.MLP_DIM": 48,
    },
}


def build_example(name):
    """Build a small network of one family."""
    if name == "timm":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    return build_model(cfg_of({"MODEL.TYPE": name} | COMMON | EXAMPLES[name]))


def test_every_model_has_an_example():
    assert set(EXAMPLES) == set(MODELS)


@pytest.fixture(params=MODELS)
def model(request):
    """Return a small network of each family in turn."""
    return build_example(request.param)


@pytest.fixture
def images():
    """Return a batch of two images."""
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_logits_and_gradients(model, images):
    logits = model.train()(images)
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    assert model.eval()(images[:1]).shape == (1, 7)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in FIXED_SIZE])
def test_image_sizes_are_free_in_evaluation(name):
    assert build_example(name).eval()(torch.rand(1, 3, 45, 32)).shape == (1, 7)


@pytest.mark.parametrize("name", FIXED_SIZE)
def test_the_other_families_name_their_size(name):
    with pytest.raises(ValueError, match="32 x 32 pixels, the image is 45 x 32"):
        build_example(name).eval()(torch.rand(1, 3, 45, 32))


def test_copies_and_pickles(model, images):
    wanted = model.eval()(images)
    assert torch.equal(copy.deepcopy(model)(images), wanted)
    assert torch.equal(pickle.loads(pickle.dumps(model))(images), wanted)


def test_two_networks_share_nothing(model, images):
    """A second network with other choices leaves the first one as it was."""
    wanted = model.eval()(images)
    other = {"MODEL.TYPE": "effnet", "MODEL.ACTIVATION_FUN": "gelu", "EN.DC_RATIO": 0.9, "BN.EPS": 0.1}
    build_model(cfg_of(COMMON | EXAMPLES["effnet"] | other))
    assert torch.equal(model(images), wanted)


def test_compiles_into_one_graph(model, images):
    wanted = model.eval()(images)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), wanted)
    assert complexity(compiled, 32) == complexity(model, 32)


def test_channels_last(model, images):
    wanted = model.eval()(images)
    model.to(memory_format=torch.channels_last)
    y = model(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(y, wanted, rtol=1e-4, atol=1e-5)


def test_complexity_counts_every_parameter(model):
    total = complexity(model, 32)
    assert total["params"] == sum(p.numel() for p in model.parameters())
    assert total["flops"] > 0 and total["acts"] > 0


@pytest.mark.parametrize("head", [head for head in HEADS if head != "linear"])
@pytest.mark.parametrize("name", MODELS)
def test_heads(name, head, images):
    """Every family takes every other head; the tensors that the linear one has keep their names and come first."""
    plain, model = (
        build_example(name),
        build_model(cfg_of({"MODEL.TYPE": name, "MODEL.HEAD": head} | COMMON | EXAMPLES[name])),
    )
    assert list(model.state_dict())[: len(plain.state_dict())] == list(plain.state_dict())
    model.train()(images).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    model.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(model.eval()(images), plain.eval()(images))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gpu_agrees_with_cpu(model, images, dtype):
    wanted = model.eval()(images)
    with torch.no_grad(), torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        y = model.cuda()(images.cuda()).float().cpu()
    scale = wanted.abs().max().item()
    torch.testing.assert_close(y, wanted, rtol=0, atol=scale * (1e-3 if dtype == torch.float32 else 5e-2))
