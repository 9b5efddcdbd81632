"""Exercises of 05 · GoogLeNet."""

from dataclasses import replace

import torch
from torch import nn

from ...analysis import costs
from ...model import GOOGLENET_WIDTHS, BranchWidths, GoogLeNet
from ...model.googlenet import map_sizes
from ..exercise import Refused, When, exercise, kind, sizes

SIDES = tuple(map_sizes(96).values())
ROUNDED_DOWN = (48, 23, 11, 5, 2)


def read_sides(answer) -> tuple[int, ...]:
    return tuple(int(side) for side in answer)


def first_wrong_side(given: tuple[int, ...]) -> str:
    number = [a == b for a, b in zip(given, SIDES, strict=True)].index(False) + 1
    return f"number {number} of the five isn't right; check the step that led to it"


exercise(
    "05.1",
    "the maps of a 96×96 image",
    {
        When(lambda sides: len(sides) != 5, (48, 24, 12, 6)): lambda sides: (
            f"asked are 5 sides: after conv1, then after each pooling; not {len(sides)}"
        ),
        tuple(map_sizes(224).values()): (
            "that is the 224×224 image of the paper; here it has 96×96 pixels"
        ),
        When(lambda sides: sides[0] == 96, (96, 48, 24, 12, 6)): (
            "the first convolution has stride 2: it halves the image already"
        ),
        ROUNDED_DOWN: (
            "you rounded down; these poolings keep a window that is only partly filled"
        ),
    },
    right=SIDES,
    otherwise=first_wrong_side,
    read=read_sides,
    examples={(48, 24, 12, 6, 2): "number 5"},
)


DIRECT = costs.convolution(528, 128, 5, 14)

exercise(
    "05.2",
    "4e's 5×5 without its reduction",
    {
        DIRECT.parameters: (
            "those are its parameters; each weight is used at every place of the map"
        ),
        528 * 128 * 25: (
            "those are its parameters; each weight is used at every place of the map"
        ),
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
        DIRECT.multiply_adds * 2: (
            "a multiply-add is one operation here, as in Table 1"
        ),
    },
    right=DIRECT.multiply_adds,
    otherwise=("not yet: kernel area × channels in × channels out × places on the map"),
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
        PAPERS: (
            "that is still the network for 1000 classes; the last layer has to shrink"
        ),
        parameters(10, aux_logits=True): "the two heads are in your count",
        PAPERS - 1024 * 990: "the 990 classes that went had a bias each as well",
        PAPERS - 1025 * 1000: (
            "you took the old last layer away; the new one has parameters, too"
        ),
        parameters(10, aux_logits=False, batch_norm=True): (
            "that is with batch norm; the paper's network has none"
        ),
    },
    right=PAPERS - 1025 * 990,
    otherwise="not yet: only one layer knows the number of classes. How big is it?",
    read=int,
    examples={5_984_792 - 250: "only one layer"},
)


def read_layer(answer) -> nn.Module:
    if not isinstance(answer, nn.Module):
        raise Refused(f"asked is a layer (nn.Sequential), got {kind(answer)}")
    return answer


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def output_shape(module: nn.Module) -> tuple[int, ...]:
    return tuple(module(torch.zeros(1, 3, 224, 224)).shape[1:])


def weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def separable(multiplier: int = 8, kernel_size: int = 7, **first) -> nn.Sequential:
    form = {"stride": 2, "padding": kernel_size // 2, "groups": 3, "bias": False}
    return nn.Sequential(
        nn.Conv2d(3, 3 * multiplier, kernel_size, **(form | first)),
        nn.Conv2d(3 * multiplier, 64, 1, bias=False),
    )


exercise(
    "05.4",
    "a first layer with 2,712 weights",
    {
        When(
            lambda m: len(convolutions(m)) != 2, GoogLeNet(aux_logits=False).conv1
        ): lambda m: f"asked are two convolutions, this has {len(convolutions(m))}",
        When(lambda m: convolutions(m)[0].groups == 1, separable(groups=1)): (
            "the first convolution mixes the colours: groups=3 keeps them apart"
        ),
        When(
            lambda m: convolutions(m)[0].out_channels != 24, separable(multiplier=1)
        ): lambda m: (
            f"the first convolution has {convolutions(m)[0].out_channels} output "
            "channels; a multiplier of 8 means 8 for each of the 3 colours"
        ),
        When(
            lambda m: any(c.bias is not None for c in convolutions(m)),
            separable(bias=True),
        ): "Table 1 counts weights only: leave the biases out (bias=False)",
        When(
            lambda m: output_shape(m) != (64, 112, 112), separable(padding=0)
        ): lambda m: (
            f"it turns 3×224×224 into {sizes(output_shape(m))}, not 64×112×112: "
            "look at stride and padding of the 7×7, and at the channels of the 1×1"
        ),
        When(lambda m: weights(m) != 2712, separable(kernel_size=5)): lambda m: (
            f"it has {weights(m):,} weights: are the kernels 7×7 and 1×1?"
        ),
    },
    read=read_layer,
)


PRINTED = GOOGLENET_WIDTHS["4a"]


def read_widths(answer) -> BranchWidths:
    if not isinstance(answer, BranchWidths):
        raise Refused(f"asked is BranchWidths(…), got {kind(answer)}")
    return answer


def changed(widths: BranchWidths) -> list[int]:
    return [new for new, old in zip(widths, PRINTED, strict=True) if new != old]


def cost(widths: BranchWidths) -> tuple[float, float]:
    """Weights in units of 1024 and multiply-adds in millions, as in Table 1."""
    parts = costs.inception(480, widths, 14).values()
    multiply_adds = sum(part.multiply_adds for part in parts)
    return multiply_adds / 14**2 / 1024, multiply_adds / 1e6


exercise(
    "05.5",
    "one width that makes 4a's numbers right",
    {
        PRINTED: "those are the printed widths; change one of them",
        When(
            lambda w: len(changed(w)) > 1, replace(PRINTED, ch1x1=184, ch5x5=40)
        ): lambda w: f"you changed {len(changed(w))} widths; one is enough",
        When(lambda w: changed(w)[0] % 8, replace(PRINTED, ch5x5=41)): lambda w: (
            f"{changed(w)[0]} is no multiple of 8"
        ),
        When(
            lambda w: tuple(map(round, cost(w))) != (364, 73),
            replace(PRINTED, ch1x1=184),
        ): lambda w: "that gives {:.1f}K and {:.1f}M; printed are 364K and 73M".format(
            *cost(w)
        ),
    },
    read=read_widths,
)
