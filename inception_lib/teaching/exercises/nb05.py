"""Exercises of 05 · GoogLeNet."""

from dataclasses import replace

import torch
from torch import nn

from ...analysis import costs
from ...model import GOOGLENET_WIDTHS, BranchWidths, GoogLeNet
from ...model.googlenet import map_sizes
from ..compare import beside, build
from ..exercise import exercise, expects, output_shape, parts, sizes
from ..exercise import parameters as count
from ..own import CLASSES, wrong_network

SIDES = tuple(map_sizes(96).values())


@exercise(
    "05.1",
    "the maps of a 96×96 image",
    {
        tuple(map_sizes(224).values()): (
            "that is the 224×224 image of the paper; here it has 96×96 pixels"
        ),
        (48, 23, 11, 5, 2): (
            "you rounded down; these poolings keep a window that is only partly filled"
        ),
    },
    read=lambda answer: tuple(int(side) for side in answer),
    examples={
        (48, 24, 12, 6): "not 4",
        (96, 48, 24, 12, 6): "stride 2",
        (48, 24, 12, 6, 2): "number 5",
    },
)
def wrong_side(given: tuple[int, ...]) -> str | None:
    if len(given) != 5:
        return f"asked are 5 sides: conv1, then each pooling; not {len(given)}"
    if given[0] == 96:
        return "the first convolution has stride 2: it halves the image already"
    for number, (side, right) in enumerate(zip(given, SIDES, strict=True), 1):
        if side != right:
            return f"number {number} isn't right; check the step that led to it"
    return None


DIRECT = costs.convolution(528, 128, 5, 14)

exercise(
    "05.2",
    "4e's 5×5 without its reduction",
    {
        DIRECT.parameters: "those are its parameters; each weight works at every place",
        528 * 128 * 25: "those are its weights; each one works at every place",
        costs.bottleneck(528, 32, 128, 5, 14).multiply_adds: (
            "that is with the reduction to 32 channels, as the paper has it"
        ),
        costs.convolution(32, 128, 5, 14).multiply_adds: (
            "without the reduction, the 5×5 reads all the channels that enter 4e"
        ),
        costs.convolution(528, 128, 3, 14).multiply_adds: (
            "that is a 3×3: torchvision's idea of a 5×5"
        ),
        costs.convolution(832, 128, 5, 14).multiply_adds: (
            "832 channels leave 4e; how many enter it?"
        ),
        DIRECT.multiply_adds * 2: "a multiply-add is one operation here, as in Table 1",
    },
    right=DIRECT.multiply_adds,
    otherwise="not yet: kernel area × channels in × channels out × places on the map",
    read=int,
)


def parameters(num_classes: int, **options) -> int:
    rows = costs.googlenet(num_classes, **options).values()
    return sum(cost.parameters for cost in rows)


PAPERS = parameters(1000, aux_logits=False)

exercise(
    "05.3",
    "GoogLeNet for 10 classes, without heads",
    {
        PAPERS: "that is the network for 1000 classes; the last layer has to shrink",
        parameters(10, aux_logits=True): "the two heads are in your count",
        PAPERS - 1024 * 990: "the 990 classes that went had a bias each as well",
        PAPERS - 1025 * 1000: "the new last layer has parameters, too",
        parameters(10, aux_logits=False, batch_norm=True): (
            "that is with batch norm; the paper's network has none"
        ),
    },
    right=PAPERS - 1025 * 990,
    otherwise="not yet: only one layer knows the number of classes. How big is it?",
    read=int,
    examples={5_984_792 - 250: "only one layer"},
)


def separable(multiplier: int = 8, kernel_size: int = 7, **first) -> nn.Sequential:
    form = {"stride": 2, "padding": kernel_size // 2, "groups": 3, "bias": False}
    return nn.Sequential(
        nn.Conv2d(3, 3 * multiplier, kernel_size, **(form | first)),
        nn.Conv2d(3 * multiplier, 64, 1, bias=False),
    )


@exercise(
    "05.4",
    "a first layer with 2,712 weights",
    read=expects(nn.Module, "a layer (nn.Sequential)"),
    examples={
        GoogLeNet(aux_logits=False).conv1: "this has 1",
        separable(groups=1): "mixes the colours",
        separable(multiplier=1): "3 output channels",
        separable(bias=True): "weights only",
        separable(padding=0): "into 64×109×109",
        separable(kernel_size=5): "7×7 and 1×1?",
    },
)
def no_first_row(module: nn.Module) -> str | None:
    layers = parts(module, nn.Conv2d)
    if len(layers) != 2:
        return f"asked are two convolutions, this has {len(layers)}"
    if layers[0].groups == 1:
        return "the first convolution mixes the colours: groups=3 keeps them apart"
    if (channels := layers[0].out_channels) != 24:
        return (
            f"the first convolution has {channels} output channels; a multiplier of 8 "
            "means 8 for each of the 3 colours"
        )
    if any(layer.bias is not None for layer in layers):
        return "Table 1 counts weights only: leave the biases out (bias=False)"
    shape = output_shape(module, 3, 224, 224)
    if shape != (64, 112, 112):
        return (
            f"it turns 3×224×224 into {sizes(shape)}, not 64×112×112: look at stride "
            "and padding of the 7×7, and at the channels of the 1×1"
        )
    if (weights := count(module)) != 2712:
        return f"it has {weights:,} weights: are the kernels 7×7 and 1×1?"
    return None


PRINTED = GOOGLENET_WIDTHS["4a"]


@exercise(
    "05.5",
    "one width that makes 4a's numbers right",
    read=expects(BranchWidths, "BranchWidths(…)"),
    examples={
        PRINTED: "you changed 0",
        replace(PRINTED, ch1x1=184, ch5x5=40): "you changed 2",
        replace(PRINTED, ch5x5=41): "multiple of 8",
        replace(PRINTED, ch1x1=184): "printed: 364K",
    },
)
def no_culprit(widths: BranchWidths) -> str | None:
    changed = [new for new, old in zip(widths, PRINTED, strict=True) if new != old]
    if len(changed) != 1:
        return f"you changed {len(changed)} of the printed widths; change one"
    if changed[0] % 8:
        return f"{changed[0]} is no multiple of 8"
    cost = sum(c.multiply_adds for c in costs.inception(480, widths, 14).values())
    weights, millions = cost / 14**2 / 1024, cost / 1e6
    if (round(weights), round(millions)) != (364, 73):
        return f"that gives {weights:.1f}K and {millions:.1f}M; printed: 364K and 73M"
    return None


@exercise(
    "05.6",
    "a stem of your own",
    read=build,
    praise="with the library's weights it gives the library's answers",
    edits={
        ("7, stride=2, padding=3", "7, stride=2"): "look at its stride and padding",
        ("7, stride=2, padding=3", "7, padding=3"): "look at its stride and padding",
        ("ceil_mode=True", "ceil_mode=False"): "reads 64×23×23, not 64×24×24",
        ("ceil_mode=True", "padding=1"): "the pooling is padded",
        ("MaxPool2d(3", "AvgPool2d(3"): "the pooling averages",
        ("MaxPool2d(3", "MaxPool2d(2"): "the pooling is 2×2",
        ("F.relu(self.conv1(x))", "self.conv1(x)"): "no ReLU",
        ("F.relu(self.conv2(x))", "self.conv2(x)"): "no ReLU in front of `conv3`",
        ("self.conv3(F.relu(self.conv2(x)))", "self.conv3(x)"): "never uses",
        ("nn.Conv2d(64, 64, 1)", "nn.Conv2d(64, 64, 3, padding=1)"): "should be 1×1",
        ("return self.pool(x)", "return x"): "it returns 1×192×24×24",
    },
)
def no_stem(module: nn.Module) -> str | None:
    whole = GoogLeNet(aux_logits=False)
    names = ("conv1", "maxpool1", "conv2", "conv3", "maxpool2")
    ours = nn.Sequential(*(whole.get_submodule(name) for name in names)).eval()
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    return beside(module, ours, x)


@exercise(
    "05.7",
    "a GoogLeNet of your own, from Table 1",
    read=lambda cls: build(cls, CLASSES),
    praise=(
        "the library's weights are in it, and it answers as the library's does. "
        "Nothing in it is a mystery any more"
    ),
    edits={
        ("if self.training:", "if True:"): "in eval mode asked are the logits alone",
        ("if self.training:", "if False:"): "forward never uses it",
        (
            "        if self.training:",
            "        self.head1(a), self.head2(d)\n        if self.training:",
        ): "computed in eval mode, too",
        (
            "self.head2(d), self.head1(a)",
            "self.head1(a), self.head2(d)",
        ): "the order is",
        ("return GoogLeNetOutputs(", "return ("): "its names",
        ("self.m4b(a)", "a := self.m4b(a)"): "doesn't read 4a's output",
        (
            "self.pool(self.m4e(d))",
            "self.pool(d := self.m4e(d))",
        ): "528",
        ("ceil_mode=True", "ceil_mode=False"): "pool with ceil_mode=True",
        ("self.pool(self.m4e(d))", "self.m4e(d)"): "reads 832×6×6, not 832×3×3",
        ("nn.Dropout(0.4)", "nn.Dropout(0.6)"): "asked is 40%",
        ("self.dropout(x)", "x"): "asked is 40%",
        ('512, w["4b"]', '512, w["4c"]'): "should be",
        ("self.m4c(self.m4b(a))", "self.m4b(self.m4b(a))"): "runs twice",
        ("self.m4c(self.m4b(a))", "self.m4b(self.m4c(a))"): "other numbers",
        (".mean((2, 3))", ".amax((2, 3))"): "what reaches `fc`",
        (".mean((2, 3))", ""): "`fc` expects 1024 numbers",
        ("return logits\n", "return logits.softmax(1)\n"): "softmax inside",
        (
            "nn.Linear(1024, num_classes)",
            "nn.Linear(1024, 1000)",
        ): "linear from 1024 to 5",
    },
)
def no_googlenet(module: nn.Module) -> str | None:
    return wrong_network(module)[0]
