"""One Inception module, its widths, and the layer it is made of."""

import pytest
import torch

from inception_lib import BasicConv2d, BranchWidths, Inception

WIDTHS = BranchWidths(5, 2, 7, 3, 4, 6)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_height_and_width_stay_and_channels_are_concatenated(kernel_size, batch_norm):
    module = Inception(
        8, WIDTHS, batch_norm=batch_norm, kernel_size_5x5=kernel_size
    ).eval()
    x = torch.randn(2, 8, 9, 4)
    output = module(x)
    assert output.shape == (2, 5 + 7 + 4 + 6, 9, 4)
    branches = module.branches(x)
    assert [b.shape[1] for b in branches] == [5, 7, 4, 6]
    assert torch.equal(output, torch.cat(branches, dim=1))


@pytest.mark.parametrize(
    ("branch", "reach"),
    [("branch1", 0), ("branch2", 1), ("branch3", 2), ("branch4", 1)],
)
def test_each_branch_sees_as_far_as_its_kernel(branch, reach):
    x = torch.rand(1, 8, 11, 11, requires_grad=True)
    module = Inception(8, WIDTHS)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()  # no ReLU is off
    module.get_submodule(branch)(x)[0, :, 5, 5].sum().backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert (seen - 5).abs().max() == reach


def test_widths_are_a_value():
    assert WIDTHS.out_channels == 22
    assert tuple(WIDTHS) == (5, 2, 7, 3, 4, 6)
    twin = BranchWidths(*WIDTHS)
    assert twin == WIDTHS and hash(twin) == hash(WIDTHS)
    with pytest.raises(AttributeError):
        WIDTHS.ch1x1 = 1  # type: ignore[misc]


@pytest.mark.parametrize("shape", [(1, 7, 5, 5), (8, 5, 5), (1, 8, 5)])
def test_a_wrong_input_is_a_value_error(shape):
    with pytest.raises(ValueError, match="Inception expects a tensor of shape N×8×H×W"):
        Inception(8, WIDTHS)(torch.zeros(shape))


def test_basic_conv_is_convolution_then_norm_then_relu():
    layer = BasicConv2d(3, 4, 3, stride=2, padding=1, batch_norm=True)
    x = torch.randn(2, 3, 9, 9)
    assert layer.bn is not None
    expected = torch.relu(layer.bn(layer.conv(x)))
    assert torch.equal(layer(x), expected) and expected.shape == (2, 4, 5, 5)
    assert layer.conv.bias is None and layer.bn.eps == 1e-3
    assert BasicConv2d(3, 4).conv.bias is not None and BasicConv2d(3, 4).bn is None
