"""Numbers that the text of these notebooks states and no cell beside it prints."""

from dataclasses import replace
from pathlib import Path

import prose
import torch
import torchvision
from elpv_dataset import __file__ as elpv_dataset
from torch import nn

from inception_lib import GoogLeNet
from inception_lib.analysis import costs
from inception_lib.analysis.receptive_field import inception_receptive_fields
from inception_lib.model import GOOGLENET_WIDTHS, BranchWidths

WORDS = "zero one two three four five six seven eight nine".split()

with torch.device("meta"):  # shapes only: nothing is drawn
    ALEXNET = torchvision.models.alexnet(weights=None)
    GOOGLENET = GoogLeNet(aux_logits=False)
VIEWS = inception_receptive_fields(GOOGLENET)
CLASSES = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1.meta["categories"]
W3A, W3B = (GOOGLENET_WIDTHS[name] for name in ("3a", "3b"))


def count(model):
    return sum(p.numel() for p in model.parameters())


def convolutions(model):
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]


def depth(model):
    """Layers with parameters, one after the other: a module's branches are two deep."""
    if not isinstance(model, GoogLeNet):
        return sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules())
    stem = [name for name, _ in model.named_children() if name.startswith("conv")]
    return len(stem) + 2 * len(GOOGLENET_WIDTHS) + 1


def before_3a(kind):
    names = [name for name, _ in GOOGLENET.named_children()]
    return sum(name.startswith(kind) for name in names[: names.index("inception3a")])


def module(name, widths=None):
    """What a module costs; ``widths`` instead of the paper's."""
    channels, side = costs.module_inputs()[name]
    parts = costs.inception(channels, widths or GOOGLENET_WIDTHS[name], side)
    return sum(parts.values())


def branch(widths, kernel, naive=False):
    """The multiply-adds of 3b's 3×3 or 5×5 branch with ``widths``."""
    price = costs.naive_inception if naive else costs.inception
    parts = price(256, widths, 28).items()
    return sum(cost.multiply_adds for name, cost in parts if name.startswith(kernel))


def dearer(name, *layers):
    """Weights of layers (in, out, kernel size) in percent of the 5×5 of a module."""
    w = GOOGLENET_WIDTHS[name]
    five = costs.convolution(w.ch5x5red, w.ch5x5, 5, bias=False).parameters
    weights = [costs.convolution(*layer, bias=False).parameters for layer in layers]
    return 100 * sum(weights) / five


def two_3x3(name, between=None):
    w = GOOGLENET_WIDTHS[name]
    middle = between or w.ch5x5
    return dearer(name, (w.ch5x5red, middle, 3), (middle, w.ch5x5, 3))


def map_behind(kernel_size, padding):
    layer = nn.Conv2d(1, 1, kernel_size, padding=padding)
    return layer(torch.zeros(1, 1, 28, 28)).shape[-1]


CASES: prose.Cases = {
    "00": {
        "This network tells {:,} kinds of things apart": lambda: len(CLASSES),
        "cats: *{}*, *{}*, *{}*, *{}*, *{}*.": lambda: tuple(CLASSES[281:286]),
        "{} layers with parameters (section 5": lambda: depth(GOOGLENET),
        "of the paper) instead of {}.": lambda: depth(ALEXNET),
        "in its {} convolutions, or in the {}": lambda: (
            WORDS[len(convolutions(ALEXNET))],
            WORDS[depth(ALEXNET) - len(convolutions(ALEXNET))],
        ),
        "**{} convolutions instead of {}**, with only {:.1f} times": lambda: (
            len(convolutions(GOOGLENET)),
            len(convolutions(ALEXNET)),
            sum(map(count, convolutions(GOOGLENET)))
            / sum(map(count, convolutions(ALEXNET))),
        ),
        "even without the last layer it is {:.0f}.": lambda: (
            (count(GOOGLENET) - count(GOOGLENET.fc)) / 1e6
        ),
        "**almost {} times smaller**": lambda: WORDS[
            -(-count(ALEXNET) // count(GOOGLENET))
        ],
        "In front of a 1×1 the limit falls to {}": lambda: costs.break_even_width(
            512, 64, 1
        ),
        "3a, leads {} channels to {} with a 5×5": lambda: (
            costs.module_inputs()["3a"][0],
            W3A.ch5x5,
        ),
        "Yours has {:,} pictures": lambda: len(
            (Path(elpv_dataset).parent / "data/labels.csv").read_text().splitlines()
        ),
    },
    "01": {
        "how many of its {} places are done": lambda: (
            costs.module_inputs()["4b"][1] ** 2
        ),
        "(b) To {}, close to the 512": lambda: costs.break_even_width(512, 64, 11),
        "(c) Yes, up to a width of {}:": lambda: costs.break_even_width(512, 64, 1),
        "before its 5×5: {} in all": lambda: 2 * len(GOOGLENET_WIDTHS),
    },
    "02": {
        "through {} convolutions and {} poolings": lambda: (
            WORDS[before_3a("conv")],
            WORDS[before_3a("maxpool")],
        ),
        "the 3×3 would have left {0}×{0}": lambda: map_behind(3, padding=0),
        "1 leaves {}, and 2 makes {}": lambda: (
            map_behind(4, padding=1),
            map_behind(4, padding=2),
        ),
        "The 3×3 branch takes {:.0f} % of the multiply-adds.": lambda: (
            100 * branch(W3B, "3x3") / module("3b").multiply_adds
        ),
        "costs {:.1f} times as much as all four branches": lambda: (
            costs.convolution(256, W3B.out_channels, 3, 28).multiply_adds
            / module("3b").multiply_adds
        ),
        "the parameters grow {:.1f} times": lambda: (
            module("5b").parameters / module("3a").parameters
        ),
        "the map has {} times fewer": lambda: (
            (costs.module_inputs()["3a"][1] // costs.module_inputs()["5b"][1]) ** 2
        ),
        (
            "With {} channels in *5×5 reduce*, the 5×5 branch of 3b costs {:.0f} "
            "million multiply-adds, more than the naive 5×5 ({:.0f}) and the whole of "
            "3b ({:.0f})."
        ): lambda: (
            costs.module_inputs()["3b"][0],
            branch(replace(W3B, ch5x5red=256), "5x5") / 1e6,
            branch(W3B, "5x5", naive=True) / 1e6,
            module("3b").multiply_adds / 1e6,
        ),
        "two 3×3 should stand at {:.0f} and one at {:.0f}": lambda: (
            two_3x3("3a"),
            dearer("3a", (W3A.ch5x5red, W3A.ch5x5, 3)),
        ),
        "The smallest, {} pixels, are a third": lambda: VIEWS["5b"]["1x1"].smallest,
        "it has {:.0f} % fewer weights": lambda: 100 - two_3x3("3a", between=16),
        "it does in 3b: 1×1 {:.0f}, 3×3 {:.0f}, 5×5 {:.0f}, pooling {:.0f}.": lambda: (
            tuple(w / 2 for w in (W3B.ch1x1, W3B.ch3x3, W3B.ch5x5, W3B.pool_proj))
        ),
        "It costs {:.0f} % of 3b.": lambda: (
            100
            * module("3b", BranchWidths(256, 16, 128, 8, 64, 32)).multiply_adds
            / module("3b").multiply_adds
        ),
    },
}


@prose.parametrize(CASES)
def test_the_text_states_what_is_computed(name, piece, compute):
    prose.check(name, piece, compute)
