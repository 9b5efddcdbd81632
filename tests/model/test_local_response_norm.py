"""Local response normalisation against PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from inception_lib.model.layers import CHUNK, LocalResponseNorm

# One image, more positions than a chunk, fewer channels than the window.
SHAPES = [(1, 64, 7, 7), (3, 8, 40, 37), (2, 3, 5, 5), (1, 1, 4, 4)]


def results(layer, x, gradient):
    x = x.detach().clone().requires_grad_()
    y = layer(x)
    y.backward(gradient)
    return y, x.grad


@pytest.mark.parametrize("alpha", [1e-4, 1.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_backward_are_pytorchs(shape, alpha):
    x, gradient = torch.randn(shape) * 3, torch.randn(shape)
    expected = results(nn.LocalResponseNorm(5, alpha), x, gradient)
    found = results(LocalResponseNorm(alpha), x, gradient)
    assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_there_is_a_shape_of_several_chunks():
    assert any(n * h * w > CHUNK for n, _, h, w in SHAPES)


def test_gradient_against_finite_differences():
    x = torch.randn(2, 7, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LocalResponseNorm(alpha=0.5), x)


def test_bfloat16_is_computed_in_float32():
    x = (torch.randn(2, 64, 9, 9) * 30).bfloat16()
    y = LocalResponseNorm()(x)
    assert y.dtype == torch.bfloat16
    # The squares reach 1e4, the norm 1.2; rounding is 2**-8 of the result.
    exact = nn.LocalResponseNorm(5)(x.double())
    assert_close(y.double(), exact, rtol=2**-8, atol=0)


def test_memory_layout_is_channels_last():
    x = torch.randn(2, 8, 5, 5)
    y = LocalResponseNorm()(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
