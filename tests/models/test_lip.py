"""lip2d is a softmax-weighted mean over each window's real pixels, in every dtype and layout."""

import itertools

import pytest
import torch
from torch.nn import functional

from pycls.models.lip import AveragePool, Gate, SoftPool, lip2d

WINDOWS = [(3, 2, 1), (2, 2, 0), (3, 1, 1), (5, 3, 2), (2, 1, 1), (3, 3, 0)]
SIZES = [(12, 12), (7, 9), (5, 8)]


def windows(x, kernel, stride, pad, fill):
    """Return (N, C, pixels of a window, H', W'); outside the image stands `fill`."""
    x = functional.pad(x, (pad,) * 4, value=fill).unfold(2, kernel, stride).unfold(3, kernel, stride)
    return x.flatten(4).movedim(4, 2)


def reference(x, logit, kernel=3, stride=2, pad=1):
    """Compute in float64, by softmax over windows."""
    share = windows(logit.double(), kernel, stride, pad, -torch.inf).softmax(2)
    return (share * windows(x.double(), kernel, stride, pad, 0.0)).sum(2)


def draw(*shape, scale=3.0, dtype=torch.float64):
    """Return features and logits."""
    generator = torch.Generator().manual_seed(sum(shape))
    x, logit = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return x.to(dtype), (scale * logit).to(dtype)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", SIZES)
def test_it_is_a_softmax_over_windows(window, size):
    x, logit = draw(2, 3, *size)
    torch.testing.assert_close(lip2d(x, logit, *window), reference(x, logit, *window), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("window", WINDOWS)
def test_compiled_it_is_one_graph_and_the_same(window):
    torch.compiler.reset()
    compiled = torch.compile(lip2d, backend="aot_eager", fullgraph=True)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x, logit = (t.to(memory_format=memory_format).requires_grad_() for t in draw(2, 3, 9, 14))
        y = compiled(x, logit, *window)
        torch.testing.assert_close(y, reference(x, logit, *window), rtol=1e-13, atol=1e-13)
        grads = torch.autograd.grad(y.square().sum(), (x, logit))
        wanted = torch.autograd.grad(lip2d(x, logit, *window).square().sum(), (x, logit))
        torch.testing.assert_close(grads, wanted)


@pytest.mark.parametrize("window", WINDOWS)
def test_gradients_are_those_of_the_closed_form(window):
    """dL/dx_i = sum_o g_o p_io and dL/dz_i = sum_o g_o p_io (x_i - y_o), p the share of pixel i in window o."""
    kernel, stride, pad = window
    x, logit = (t.requires_grad_() for t in draw(1, 2, 6, 7))
    y = lip2d(x, logit, *window)
    g = torch.randn_like(y)
    grad_x, grad_logit = torch.autograd.grad(y, (x, logit), g)
    wanted_x, wanted_logit = torch.zeros(2, *x.shape, dtype=torch.float64)
    for c, row, column in itertools.product(range(2), range(y.shape[2]), range(y.shape[3])):
        rows = range(max(0, row * stride - pad), min(6, row * stride - pad + kernel))
        columns = range(max(0, column * stride - pad), min(7, column * stride - pad + kernel))
        pixels = [(0, c, i, j) for i, j in itertools.product(rows, columns)]
        total = sum(logit[at].exp() for at in pixels)
        for at in pixels:
            part = g[0, c, row, column] * logit[at].exp() / total
            wanted_x[at] += part.item()
            wanted_logit[at] += (part * (x[at] - y[0, c, row, column])).item()
    torch.testing.assert_close(grad_x, wanted_x)
    torch.testing.assert_close(grad_logit, wanted_logit)
    assert torch.autograd.gradcheck(lambda a, b: lip2d(a, b, *window), (x, logit))


def test_padding_has_no_weight():
    x, logit = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), -50.0)
    assert torch.equal(lip2d(x, logit), torch.ones(1, 1, 2, 2))


def test_special_cases():
    x, _ = draw(2, 3, 9, 9)
    mean = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(lip2d(x, torch.full_like(x, 6.0)), mean)
    torch.testing.assert_close(AveragePool(3)(x), mean)
    torch.testing.assert_close(SoftPool(3)(x), reference(x, x))
    torch.testing.assert_close(lip2d(x, 20 * x), functional.max_pool2d(x, 3, 2, 1), rtol=0, atol=0.11)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)]
)
@pytest.mark.parametrize("scale", [0.01, 1, 12])
@pytest.mark.parametrize("offset", [-2000.0, 0.0, 2000.0])
def test_stable_in_every_dtype(dtype, tolerance, scale, offset):
    """Half precision rounds the inputs and the result, nothing in between; exp(12) alone is beyond float16."""
    x, logit = draw(2, 4, 16, 16, scale=scale)
    x, logit = x.to(dtype), (logit + offset).to(dtype).requires_grad_()
    y = lip2d(x, logit)
    assert y.dtype == dtype
    wanted = reference(x, logit)
    assert (y.double() - wanted).abs().max() <= tolerance * wanted.abs().max()
    y.float().sum().backward()
    assert logit.grad.isfinite().all()


def test_one_high_logit_leaves_the_other_windows_as_they_are():
    """A channel's maximum 75 above the rest is no reason to lose far windows' weights, nor 1e30 to divide by 0."""
    x, logit = draw(1, 1, 12, 12, dtype=torch.float32)
    logit[0, 0, 0, 0] = logit[0, 0, 4:].max() + 75
    torch.testing.assert_close(lip2d(x, logit).double(), reference(x, logit), rtol=1e-5, atol=1e-5)
    logit[0, 0, 0, 0] = 1e30
    mean = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(lip2d(x, logit)[..., 1:, :], mean[..., 1:, :])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_gate_is_not_rounded(dtype):
    x = torch.linspace(-4, 4, 101).to(dtype)
    gate = Gate()(x)
    assert gate.dtype == torch.float32
    torch.testing.assert_close(gate.double(), 12 / (1 + (-x.double()).exp()), rtol=1e-6, atol=0)


def test_what_makes_no_windows_is_refused():
    with pytest.raises(ValueError, match=r"lip2d: every feature needs its own logit.*\(1, 1, 4, 4\)"):
        lip2d(torch.rand(1, 2, 4, 4), torch.rand(1, 1, 4, 4))
    with pytest.raises(ValueError, match=r"lip2d: padding 2 is more than half of kernel_size 3"):
        lip2d(torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), 3, 2, 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("window", WINDOWS)
def test_gpu_compiled_or_not(window):
    x, logit = (t.cuda().float() for t in draw(2, 3, 9, 14))
    for operator in (lip2d, torch.compile(lip2d, fullgraph=True)):
        torch.testing.assert_close(
            operator(x, logit, *window).double(), reference(x, logit, *window), rtol=0, atol=1e-5
        )
