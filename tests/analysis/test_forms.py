"""The rivals of the race: one price, the size of the map, what each is named for."""

import pytest
import torch
from torch import nn

from inception_lib import GOOGLENET_WIDTHS, Inception
from inception_lib.analysis.forms import FORMS, Racer, Residual
from inception_lib.training import optim
from inception_lib.training.config import TrainingConfig


def multiply_adds(model: nn.Module, size: int) -> int:
    """Counted layer by layer: weights times places."""
    counted = []

    def count(layer, inputs, output):
        counted.append(layer.weight.numel() * output[0, 0].numel())

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, size, size))
    return sum(counted)


PRICE = multiply_adds(Racer("Inception"), 96)


def test_the_price_is_what_the_docstring_says():
    assert round(PRICE / 1e6) == 58


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [60, 72, 96])  # of a race's images, as they grow
def test_all_cost_the_same(form, size):
    price = multiply_adds(Racer("Inception"), size)
    assert multiply_adds(Racer(form), size) == pytest.approx(price, rel=0.035)


@pytest.mark.parametrize("form", FORMS)
def test_a_module_keeps_the_map_and_answers_like_a_network(form):
    make, scale = FORMS[form]
    module = make(192, GOOGLENET_WIDTHS["3a"]).eval()
    assert module(torch.zeros(2, 192, 7, 9)).shape[2:] == (7, 9)
    logits = Racer(form, num_classes=3).train()(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 3)
    logits.sum().backward()


def kernels(form: str) -> set[tuple[int, ...]]:
    module = FORMS[form][0](192, GOOGLENET_WIDTHS["3a"])
    return {c.kernel_size for c in module.modules() if isinstance(c, nn.Conv2d)}


@pytest.mark.parametrize(
    "form, sizes",
    [
        ("Inception", {(1, 1), (3, 3), (5, 5)}),
        ("3×3 only", {(1, 1), (3, 3)}),
        ("5×5 only", {(1, 1), (5, 5)}),
        ("1×1 + 3×3", {(1, 1), (3, 3)}),
        ("two 3×3 for the 5×5", {(1, 1), (3, 3)}),
        ("1×n and n×1", {(1, 1), (1, 3), (3, 1), (1, 5), (5, 1)}),
        ("depthwise separable", {(1, 1), (3, 3)}),
    ],
)
def test_kernels(form, sizes):
    assert kernels(form) == sizes


def reach(form: str) -> int:
    """How many pixels in a row an output of the module depends on."""
    module = FORMS[form][0](16, GOOGLENET_WIDTHS["3a"]).eval()
    x = torch.rand(1, 16, 1, 15, requires_grad=True)
    module(x)[..., 7].sum().backward()
    return int((x.grad.abs().sum((0, 1, 2)) > 0).sum())


def test_two_3x3_see_as_far_as_a_5x5():
    assert [reach(form) for form in ("Inception", "two 3×3 for the 5×5")] == [5, 5]
    assert [reach(form) for form in ("3×3 only", "1×1 + 3×3")] == [3, 3]


def test_no_reduction_and_no_pool():
    w = GOOGLENET_WIDTHS["3a"]
    direct = FORMS["no reductions"][0](192, w)
    big = [
        c
        for c in direct.modules()
        if isinstance(c, nn.Conv2d) and c.kernel_size > (1, 1)
    ]
    assert {c.in_channels for c in big} == {192}
    no_pool = FORMS["no pool branch"][0](192, w)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in no_pool.modules())


def test_a_residual_module_adds_its_input():
    inside = Inception(256, GOOGLENET_WIDTHS["3a"]).eval()
    residual = Residual(inside, 256, 256)
    nn.init.dirac_(residual.around.weight)  # passes its input on
    x = torch.randn(1, 256, 5, 5)
    assert torch.allclose(residual(x), x + inside(x), atol=1e-6)


def test_a_separable_module_mixes_channels_only_by_its_1x1():
    first, last = (
        c
        for c in FORMS["depthwise separable"][0](16, GOOGLENET_WIDTHS["3a"]).modules()
        if isinstance(c, nn.Conv2d)
    )
    assert first.kernel_size == (1, 1) and last.groups == last.in_channels


def test_every_weight_of_every_form_learns():
    for form in FORMS:
        groups = optim.parameter_groups(Racer(form), TrainingConfig(aux=False))
        given = sum(len(group["params"]) for group in groups)
        assert given == len(list(Racer(form).parameters())), form


def test_an_unknown_form_is_named():
    with pytest.raises(ValueError, match="form must be one of Inception, .*'VGG'"):
        Racer("VGG")
