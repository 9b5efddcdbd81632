"""The closed forms against pencil and paper, live layers and PyTorch's flop counter.

The counter takes a multiply-add for two operations.
"""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lib import GOOGLENET_WIDTHS, BranchWidths, GoogLeNet, Inception
from inception_lib.analysis import costs
from inception_lib.analysis.costs import Cost

WIDTHS = BranchWidths(5, 2, 7, 3, 4, 6)
FORMS = {
    "paper": {},
    "82 pixels": {"num_classes": 2, "image_size": 82, "pool4_kernel_size": 2},
    "without heads": {"aux_logits": False},
    "torchvision": {
        "image_size": 96,
        "batch_norm": True,
        "kernel_size_5x5": 3,
        "pool4_kernel_size": 2,
    },
}
# The children of a GoogLeNet that make up a row of Table 1.
CHILDREN = {"conv1": ["conv1"], "conv2": ["conv2", "conv3"], "linear": ["fc"]}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def live_flops(module: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """Operations of each submodule, and of the whole under "Global"."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module.to("meta")(torch.empty(shape))
    counts = counter.get_flop_counts()
    return {name: sum(of_op.values()) for name, of_op in counts.items()}


def live(module: nn.Module, shape: tuple[int, ...]) -> Cost:
    return Cost(parameters(module), live_flops(module, shape)["Global"] // 2)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_network_row_by_row(form):
    model = GoogLeNet(**form).train()
    size = form.get("image_size", 224)
    flops = live_flops(model, (1, 3, size, size))
    rows = costs.googlenet(**form)
    for name, cost in rows.items():
        module = [f"inception{name}"] if name in GOOGLENET_WIDTHS else [name]
        children = CHILDREN.get(name, module)
        count = sum(parameters(model.get_submodule(child)) for child in children)
        assert cost.parameters == count, name
        operations = sum(flops[f"GoogLeNet.{child}"] for child in children)
        assert 2 * cost.multiply_adds == operations, name
    total = sum(rows.values())
    assert total.parameters == parameters(model)
    assert 2 * total.multiply_adds == flops["Global"]


def test_the_known_totals():
    assert sum(costs.googlenet(aux_logits=False).values()).parameters == 6_998_552
    assert sum(costs.googlenet().values()).parameters == 13_378_280
    assert list(costs.googlenet()) == [
        *("conv1", "conv2", *GOOGLENET_WIDTHS, "linear", "aux1", "aux2")
    ]


def test_the_parts_of_the_rows():
    parts = costs.googlenet_parts(aux_logits=False)
    assert list(parts) == ["conv1", "conv2", *GOOGLENET_WIDTHS, "linear"]
    assert parts["3a"] == costs.inception(192, GOOGLENET_WIDTHS["3a"], 28)
    assert parts["conv2"] == {
        "3x3 reduce": costs.convolution(64, 64, 1, 56),
        "3x3": costs.convolution(64, 192, 3, 56),
    }


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_a_module_convolution_by_convolution(batch_norm, kernel_size):
    form = {"batch_norm": batch_norm, "kernel_size_5x5": kernel_size}
    module = Inception(8, WIDTHS, **form)
    parts = costs.inception(8, WIDTHS, 9, **form)
    children = "branch1 branch2.0 branch2.1 branch3.0 branch3.1 branch4.1".split()
    flops = live_flops(module, (1, 8, 9, 9))
    assert list(parts) == "1x1,3x3 reduce,3x3,5x5 reduce,5x5,pool".split(",")
    for cost, child in zip(parts.values(), children, strict=True):
        assert cost.parameters == parameters(module.get_submodule(child)), child
        assert 2 * cost.multiply_adds == flops[f"Inception.{child}"], child


@pytest.mark.parametrize("size, pool4", [(224, 3), (96, 2), (97, 3)])
def test_what_each_module_reads(size, pool4):
    model = GoogLeNet(aux_logits=False, pool4_kernel_size=pool4).to("meta")
    read = {}
    for name in GOOGLENET_WIDTHS:
        module = model.get_submodule(f"inception{name}")
        module.register_forward_hook(
            lambda _, x, y, name=name: read.update({name: tuple(x[0].shape[1:3])})
        )
    model(torch.empty(1, 3, size, size, device="meta"))
    assert costs.module_inputs(size, pool4) == read


def test_a_naive_module():
    parts = costs.naive_inception(8, WIDTHS, 9)
    for name, channels, kernel_size in (("1x1", 5, 1), ("3x3", 7, 3), ("5x5", 4, 5)):
        layer = nn.Conv2d(8, channels, kernel_size, padding=kernel_size // 2)
        assert parts[name] == live(layer, (1, 8, 9, 9))
    assert len(parts) == 3


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3, (7, 1), (1, 7)])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_convolution(bias, kernel_size, groups):
    layer = nn.Conv2d(8, 12, kernel_size, padding="same", bias=bias, groups=groups)
    cost = costs.convolution(8, 12, kernel_size, 10, bias=bias, groups=groups)
    assert cost == live(layer, (1, 8, 10, 10))


def test_batch_norm_takes_the_biases_place():
    layers = nn.Sequential(nn.Conv2d(8, 12, 3, bias=False), nn.BatchNorm2d(12))
    cost = costs.convolution(8, 12, 3, 8, batch_norm=True)
    assert cost == live(layers, (1, 8, 10, 10))


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer(bias):
    assert costs.linear(20, 7, bias=bias) == live(nn.Linear(20, 7, bias=bias), (1, 20))


def test_a_bottleneck():
    layers = nn.Sequential(nn.Conv2d(16, 4, 1), nn.Conv2d(4, 12, 5, padding=2))
    assert costs.bottleneck(16, 4, 12, 5, 9) == live(layers, (1, 16, 9, 9))


def test_the_example_of_819_200_weights():
    direct = costs.convolution(512, 64, 5, 14, bias=False)
    narrow = costs.bottleneck(512, 24, 64, 5, 14, bias=False)
    assert direct == Cost(819_200, 819_200 * 14 * 14)
    assert narrow == Cost(50_688, 50_688 * 14 * 14)


@pytest.mark.parametrize("shape", [(512, 64, 5), (192, 32, 5), (8, 8, 3), (8, 8, 1)])
def test_break_even(shape):
    c_in, c_out, kernel_size = shape
    width = costs.break_even_width(*shape)

    def weights(*channels_and_kernels):
        return sum(a * b * k * k for a, b, k in channels_and_kernels)

    direct = weights((c_in, c_out, kernel_size))
    at, above = (
        weights((c_in, w, 1), (w, c_out, kernel_size)) for w in (width, width + 1)
    )
    assert at <= direct < above


def test_the_papers_break_even_width():
    assert costs.break_even_width(512, 64, 5) == 387
    assert costs.break_even_width(1, 1, 1) == 0


def test_costs_add_up():
    assert Cost(1, 10) + Cost(2, 20) == sum([Cost(1, 10), Cost(2, 20)]) == Cost(3, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4, 3), "in_channels must be a positive integer, got 0"),
        ((4, 4, (3, 0)), "kernel_width must be a positive integer"),
        ((4, 4, (3, 3, 3)), "kernel_size must be one number or two"),
        ((4, 6, 3), "groups=4 must divide in_channels=4 and out_channels=6"),
    ],
)
def test_a_convolution_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        costs.convolution(*arguments, groups=4)
