"""Checks of 05 · GoogLeNet."""

from dataclasses import replace

import torch
from torch import nn

from ...analysis import costs
from ...model import GOOGLENET_WIDTHS, BranchWidths, GoogLeNet
from ...model.googlenet import map_sizes
from . import exercise


@exercise("05.1", "the maps of a 96×96 image")
def _(answer) -> str | None:
    given, right = tuple(int(n) for n in answer), tuple(map_sizes(96).values())
    if len(given) != 5:
        return (
            f"asked are 5 sides: after conv1, then after each pooling; not {len(given)}"
        )
    if given == tuple(map_sizes(224).values()):
        return "that is the 224×224 image of the paper; here it has 96×96 pixels"
    if given[0] == 96:
        return "the first convolution has stride 2: it halves the image already"
    rounded_down = [(96 - 1) // 2 + 1]
    for _pool in range(4):
        rounded_down.append((rounded_down[-1] - 3) // 2 + 1)
    if given == tuple(rounded_down):
        return (
            "you rounded down; these poolings keep a window that is only partly filled"
        )
    if given != right:
        wrong = [a == b for a, b in zip(given, right, strict=True)].index(False)
        return (
            f"number {wrong + 1} of the five isn't right; check the step that led to it"
        )


@exercise("05.2", "4e's 5×5 without its reduction")
def _(answer) -> str | None:
    given = int(answer)
    direct = costs.convolution(528, 128, 5, 14)
    if given in (direct.parameters, direct.parameters - 128):
        return "those are its parameters; each weight is used at every place of the map"
    if given == costs.bottleneck(528, 32, 128, 5, 14).multiply_adds:
        return "that is with the reduction to 32 channels, as the paper has it"
    if given == costs.convolution(32, 128, 5, 14).multiply_adds:
        return "without the reduction, the 5×5 reads all the channels that enter 4e"
    if given == costs.convolution(528, 128, 3, 14).multiply_adds:
        return "that is a 3×3: torchvision's idea of a 5×5"
    if given == costs.convolution(832, 128, 5, 14).multiply_adds:
        return "832 channels leave 4e; how many enter it?"
    if given == direct.multiply_adds * 2:
        return "a multiply-add is one operation here, as in Table 1"
    if given != direct.multiply_adds:
        return "not yet: kernel area × channels in × channels out × places on the map"


@exercise("05.3", "GoogLeNet for 10 classes, without heads")
def _(answer) -> str | None:
    given = int(answer)
    if given == _parameters(1000, aux_logits=False):
        return (
            "that is still the network for 1000 classes; the last layer has to shrink"
        )
    if given == _parameters(10, aux_logits=True):
        return "the two heads are in your count"
    if given == _parameters(1000, aux_logits=False) - 1024 * 990:
        return "the 990 classes that went had a bias each as well"
    if given == _parameters(1000, aux_logits=False) - 1025 * 1000:
        return "you took the old last layer away; the new one has parameters, too"
    if given == _parameters(10, aux_logits=False, batch_norm=True):
        return "that is with batch norm; the paper's network has none"
    if given != _parameters(10, aux_logits=False):
        return "not yet: only one layer knows the number of classes. How big is it?"


def _parameters(num_classes: int, **options) -> int:
    rows = costs.googlenet(num_classes, **options).values()
    return sum(cost.parameters for cost in rows)


@exercise("05.4", "a first layer with 2,712 weights")
def _(answer) -> str | None:
    if not isinstance(answer, nn.Module):
        return f"asked is a layer (nn.Sequential), got {type(answer).__name__}"
    convolutions = [m for m in answer.modules() if isinstance(m, nn.Conv2d)]
    if len(convolutions) != 2:
        return f"asked are two convolutions, this has {len(convolutions)}"
    first, second = convolutions
    if first.groups == 1:
        return "the first convolution mixes the colours: groups=3 keeps them apart"
    if first.out_channels != 24:
        return (
            f"the first convolution puts out {first.out_channels} channels; a "
            "multiplier of 8 means 8 for each of the 3 colours"
        )
    if any(c.bias is not None for c in convolutions):
        return "Table 1 counts weights only: leave the biases out (bias=False)"
    shape = tuple(answer(torch.zeros(1, 3, 224, 224)).shape[1:])
    if shape != (64, 112, 112):
        return (
            f"it turns 3×224×224 into {'×'.join(map(str, shape))}, not 64×112×112: "
            "look at stride and padding of the 7×7, and at the channels of the 1×1"
        )
    count = sum(p.numel() for p in answer.parameters())
    if count != 2712:
        return f"it has {count:,} weights: are the kernels 7×7 and 1×1?"


@exercise("05.5", "one width that makes 4a's numbers right")
def _(answer) -> str | None:
    if not isinstance(answer, BranchWidths):
        return f"asked is BranchWidths(…), got {type(answer).__name__}"
    pairs = zip(answer, GOOGLENET_WIDTHS["4a"], strict=True)
    changed = [new for new, old in pairs if new != old]
    if not changed:
        return "those are the printed widths; change one of them"
    if len(changed) > 1:
        return f"you changed {len(changed)} widths; one is enough"
    if changed[0] % 8:
        return f"{changed[0]} is no multiple of 8"
    multiply_adds = sum(
        cost.multiply_adds for cost in costs.inception(480, answer, 14).values()
    )
    kilo, millions = multiply_adds / 14**2 / 1024, multiply_adds / 1e6
    if (round(kilo), round(millions)) != (364, 73):
        return f"that gives {kilo:.1f}K and {millions:.1f}M; printed are 364K and 73M"


def _separable(multiplier: int = 8, **first) -> nn.Sequential:
    form = {"stride": 2, "padding": 3, "groups": 3, "bias": False} | first
    return nn.Sequential(
        nn.Conv2d(3, 3 * multiplier, 7, **form),
        nn.Conv2d(3 * multiplier, 64, 1, bias=False),
    )


WRONG = [
    ("05.1", (112, 56, 28, 14, 7), "224×224"),
    ("05.1", (48, 23, 11, 5, 2), "rounded down"),
    ("05.1", (96, 48, 24, 12, 6), "stride 2"),
    ("05.1", (48, 24, 12, 6), "5 sides"),
    ("05.1", (48, 24, 12, 6, 2), "number 5"),
    ("05.2", 528 * 128 * 25, "parameters"),
    ("05.2", 528 * 128 * 9 * 196, "3×3"),
    ("05.2", 32 * 128 * 25 * 196, "reads all"),
    ("05.3", 6_998_552, "1000 classes"),
    ("05.3", 5_984_792 - 250, "only one layer"),
    ("05.3", 6_998_552 - 1024 * 990, "bias"),
    ("05.4", GoogLeNet(aux_logits=False).conv1, "two convolutions"),
    ("05.4", _separable(groups=1), "groups=3"),
    ("05.4", _separable(multiplier=1), "multiplier"),
    ("05.4", _separable(bias=True), "biases"),
    ("05.4", _separable(padding=0), "padding"),
    ("05.5", GOOGLENET_WIDTHS["4a"], "change one"),
    ("05.5", replace(GOOGLENET_WIDTHS["4a"], ch1x1=184, ch5x5=40), "one is enough"),
    ("05.5", replace(GOOGLENET_WIDTHS["4a"], ch5x5=41), "multiple of 8"),
    ("05.5", replace(GOOGLENET_WIDTHS["4a"], ch1x1=184), "printed are 364K"),
]
