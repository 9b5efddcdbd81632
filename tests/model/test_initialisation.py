"""The initialisation: its scale, and what that does to the signal."""

import pytest
import torch
from torch import nn

from inception_lib import GoogLeNet


def weighted(model):
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def passed_on(model: nn.Module) -> dict[str, float]:
    """How much each stage's output differs from image to image; the input's is 1."""
    x = torch.randn(8, 3, 64, 64)
    scales = {}
    for name, stage in model.named_children():
        stage.register_forward_hook(
            lambda m, i, y, name=name: scales.update({name: y.std(0).square().mean()})
        )
    with torch.no_grad():
        model.eval()(x)
    return {name: (scale**0.5).item() for name, scale in scales.items()}


@pytest.mark.parametrize("batch_norm", [False, True])
def test_weights_have_the_documented_scale(batch_norm):
    for name, layer in weighted(GoogLeNet(batch_norm=batch_norm)).items():
        # Linear layers without a ReLU behind them have variance 1 / fan_in.
        variance = 1 if name == "fc" or name.endswith("fc2") else 2
        expected = (variance / layer.weight[0].numel()) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.05), name
        assert layer.weight.mean().abs() < 0.05 * expected, name
        assert layer.bias is None or not layer.bias.any(), name


def test_the_signal_survives():
    scales = passed_on(GoogLeNet(10))
    assert len(scales) == 19
    assert all(0.05 < scale < 2 for scale in scales.values()), scales


def test_the_signal_dies_at_pytorchs_default():
    model = GoogLeNet(10)
    for layer in weighted(model).values():
        layer.reset_parameters()
    # Measured: 4e-7. The logits of all images are the same.
    assert passed_on(model)["inception5b"] < 1e-5
