"""The class activation map against the logits, and against a loop over the places."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inception_lib import GoogLeNet
from inception_lib.analysis.attribution import class_activation_map


def test_every_place_is_the_linear_layer_without_its_bias():
    features, linear = torch.randn(2, 5, 3, 4), nn.Linear(5, 7)
    maps = class_activation_map(features, linear)
    assert maps.shape == (2, 7, 3, 4)
    for n, y, x in [(0, 0, 0), (1, 2, 3), (0, 1, 3)]:
        expected = linear(features[n, :, y, x]) - linear.bias
        torch.testing.assert_close(maps[n, :, y, x], expected)


@pytest.mark.parametrize("size", [64, (96, 128)])
def test_the_mean_and_the_bias_are_googlenets_logits(size):
    torch.manual_seed(0)
    model = GoogLeNet(3, aux_logits=False).eval()
    nn.init.normal_(model.fc.bias)
    height, width = size if isinstance(size, tuple) else (size, size)
    x = torch.randn(2, 3, height, width)
    seen = []
    model.inception5b.register_forward_hook(lambda *parts: seen.append(parts[-1]))
    with torch.no_grad():
        logits = model(x)
        maps = class_activation_map(seen[0], model.fc)
    torch.testing.assert_close(maps.mean((2, 3)) + model.fc.bias, logits)


def test_it_is_a_1x1_convolution():
    features, linear = torch.randn(1, 6, 4, 4), nn.Linear(6, 2)
    expected = F.conv2d(features, linear.weight[:, :, None, None])
    torch.testing.assert_close(class_activation_map(features, linear), expected)


def test_it_can_be_differentiated():
    features = torch.randn(1, 3, 2, 2, requires_grad=True)
    linear = nn.Linear(3, 2)
    class_activation_map(features, linear)[0, 1].sum().backward()
    expected = linear.weight[1].view(1, 3, 1, 1).expand(1, 3, 2, 2)
    torch.testing.assert_close(features.grad, expected)


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (5, 3, 3), (2, 5)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="N×5×H×W, got"):
        class_activation_map(torch.zeros(shape), nn.Linear(5, 2))
