"""Numbers that the text of these notebooks states and no cell beside it prints."""

import math
import re
from dataclasses import replace

import prose
import torch
import torchvision

from inception_lib.analysis import costs, printed_table1
from inception_lib.analysis.gradients import image_spread
from inception_lib.model import GOOGLENET_WIDTHS, BasicConv2d, GoogLeNet, Inception
from inception_lib.teaching.lessons import nb04
from inception_lib.training import TrainingConfig
from inception_lib.training.config import image_sizes

RECIPE = TrainingConfig()
FLAT = costs.linear(7 * 7 * 1024, 1000, bias=False)
PARTS = costs.googlenet_parts(aux_logits=False)
ROWS = costs.googlenet(aux_logits=False)
TABLE = printed_table1().dropna(subset=["printed_ops"]).set_axis(list(ROWS))
PLACES = TABLE["output_height"].astype(int) ** 2
PRINTED_K = TABLE["printed_params"].str.rstrip("K").astype(float)
PRINTED_M = TABLE["printed_ops"].str.rstrip("M").astype(float)
FIRST_ROW = [  # by channel; by direction, its column pass and its row pass
    costs.convolution(3, 24, 7, 112, bias=False, groups=3)
    + costs.convolution(24, 64, 1, 112, bias=False),
    costs.convolution(3, 192, (7, 1), 112, bias=False, groups=3),
    costs.convolution(192, 64, (1, 7), 112, bias=False, groups=64),
]


def convolutions():
    """Their number in GoogLeNet without heads, and what they cost."""
    count = sum(len(parts) for name, parts in PARTS.items() if name != "linear")
    return count, sum(ROWS.values()).parameters - ROWS["linear"].parameters


def operations(row):
    return ROWS[row].multiply_adds / 1e6


def weights(row):
    return ROWS[row].multiply_adds // PLACES[row]


def rows_that_fit(k):
    """Of Table 1's rows, by the weights of their widths, to within one K of k."""
    return sum(abs(weights(row) / k - PRINTED_K[row]) <= 1 for row in ROWS)


def operations_that_fit():
    return sum(abs(operations(row) - PRINTED_M[row]) <= 1 for row in ROWS)


def share_of_linear(network):
    """In percent of the parameters of one of torchvision's networks."""
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    inside = sum(p.numel() for layer in layers for p in layer.parameters())
    return round(100 * inside / sum(p.numel() for p in network.parameters()))


def on_meta(build):
    with torch.device("meta"):
        return build()


def vgg_parameters():
    return sum(p.numel() for p in on_meta(torchvision.models.vgg16).parameters())


def vgg_saved():
    """The part of VGG-16's parameters that an average would save, exercise 03.1."""
    flat, average = (costs.linear(512 * n, 4096).parameters for n in (7 * 7, 1))
    return (flat - average) / vgg_parameters()


def powers_of_ten_lost():
    """By the nine modules of the patient of 04, between any images."""
    torch.manual_seed(0)
    model = GoogLeNet(2, image_size=64, aux_logits=False)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.reset_parameters()
    spread = image_spread(model, torch.randn(4, 3, 64, 64))
    return math.log10(spread["conv3"] / spread["5b"])


def explosion():
    """The three sums that 05 prints: the paper, no reductions, naive."""
    found = re.findall(r"\d+\.\d\d", prose.shown("05", "05-explosion-table"))
    return [float(number) for number in found[:3]]


def widths_that_fit_4a():
    """Which one width, changed, gives all that the row of 4a prints."""
    right, found = GOOGLENET_WIDTHS["4a"], []
    for name in vars(right):
        for value in range(1, 2 * getattr(right, name)):
            other = replace(right, **{name: value})
            cost = sum(costs.inception(480, other, 14).values())
            k = (cost.multiply_adds // 14**2) / 1024
            fits = round(k) == PRINTED_K["4a"]
            fits &= round(cost.multiply_adds / 1e6) == PRINTED_M["4a"]
            if fits and other.out_channels == right.out_channels:
                found.append((name, value))
    return found


def early_batch():
    """Images per step of 04's early training."""
    (source,) = [c.source for c in prose.read("04").cells if c.id == "04-live"]
    found = re.search(r'"batch_size": (\d+)', source)
    assert found
    return int(found[1])


CASES: prose.Cases = {
    "03": {
        "would outweigh the {} convolutions in front of it {} times over": lambda: (
            convolutions()[0],
            round(FLAT.parameters / convolutions()[1]),
        ),
        "even flattened, they are {:.0f} % of those of the convolutions": lambda: (
            100
            * FLAT.multiply_adds
            / sum(ROWS[row].multiply_adds for row in ROWS if row != "linear")
        ),
        "at 14 there are {} times as many": lambda: {4: "four"}[
            costs.linear(14**2, 1).multiply_adds / 7**2
        ],
        "the first {} layers of GoogLeNet, up to module 3b": lambda: {7: "seven"}[
            [name for name, _ in on_meta(GoogLeNet).named_children()].index(
                "inception3b"
            )
            + 1
        ],
        "ending has {} times as many weights": lambda: (
            costs.module_inputs(80)["4a"][1] ** 2
        ),
        "more than {} of VGG-16's {:.0f} million parameters": lambda: (
            {True: "two thirds"}[vgg_saved() > 2 / 3],
            vgg_parameters() / 1e6,
        ),
    },
    "04": {
        "from {:.2f}, that of tossing a coin": lambda: math.log(2),
        "{} million parameters could learn": lambda: {6: "Six"}[
            round(sum(costs.googlenet(2, aux_logits=False).values()).parameters / 1e6)
        ],
        "layer's {:,} weights changes at all": lambda: (
            costs.convolution(3, 64, 7, bias=False).parameters
        ),
        r"shrinks by $\sqrt 6 \approx {:.1f}$": lambda: 6**0.5,
        "about {} powers of ten": lambda: {5: "five"}[round(powers_of_ten_lost())],
        "{} times PyTorch's, which makes up": lambda: {6: "six"}[
            round(
                (
                    BasicConv2d(256, 256, 3).conv.weight.var()
                    / torch.nn.Conv2d(256, 256, 3).weight.var()
                ).item()
            )
        ],
        "{} steps. Will the network": lambda: prose.sets()[0] // 3 // early_batch(),
        "that is never less than {} in {}": lambda: nb04.permutations(
            [3, 4, 5], [0, 1, 2]
        ),
        "pictures grow, from {} to {} to {} pixels": lambda: tuple(
            sorted(set(image_sizes(RECIPE)))
        ),
    },
    "05": {
        "a third of the photo's in the end: {:,} of {:,}.": lambda: (
            costs.module_inputs()["5b"][1] ** 2 * GOOGLENET_WIDTHS["5b"].out_channels,
            3 * 224**2,
        ),
        "poolings and concatenations make {}": lambda: sum(
            isinstance(
                layer,
                torch.nn.Conv2d
                | torch.nn.MaxPool2d
                | torch.nn.AdaptiveAvgPool2d
                | Inception,
            )
            for layer in on_meta(lambda: GoogLeNet(aux_logits=False)).modules()
        ),
        "One layer of {}, the linear one, keeps {} % of the parameters": lambda: (
            convolutions()[0] + 1,
            share_of_linear(on_meta(lambda: GoogLeNet(aux_logits=False))),
        ),
        "AlexNet's three linear layers keep {} %": lambda: share_of_linear(
            on_meta(torchvision.models.alexnet)
        ),
        "**5a**, whose widths give {:.0f} % less than is printed": lambda: (
            100 * (1 - operations("5a") / PRINTED_M["5a"])
        ),
        "{} of twelve.": lambda: {10: "Ten"}[operations_that_fit()],
        "with them, the last row would be {:.0f}K": lambda: (
            ROWS["linear"].parameters / 1024
        ),
        "With K = 1000, {} of the {} rows would fit": lambda: (
            {0: "none"}[rows_that_fit(1000)],
            len(ROWS),
        ),
        "{} of 12 numbers for the operations, {} of 12 for the parameters": lambda: (
            operations_that_fit(),
            rows_that_fit(1024),
        ),
        "in units of 1024 they'd be rounded to {}K": lambda: "".join(
            {
                f"{cost.parameters / 1024:.1f}"
                for cost in (FIRST_ROW[0], FIRST_ROW[1] + FIRST_ROW[2])
            }
        ),
        "so it would really cost {:.0f}M": lambda: (
            (2 * FIRST_ROW[1].multiply_adds + FIRST_ROW[2].multiply_adds) / 1e6
        ),
        "The reductions alone buy a factor of {:.1f}": lambda: (
            explosion()[1] / explosion()[0]
        ),
        "The naive stack costs {:.0f} times as much": lambda: (
            explosion()[2] / explosion()[0]
        ),
        "that is {:.2f} million, as a K is 1024": lambda: PRINTED_K.sum() * 1024 / 1e6,
        "by {:,} biases": lambda: (
            sum(ROWS.values()).parameters - sum(map(weights, ROWS))
        ),
        "the dense first row included, they are {:,.0f} M": lambda: sum(
            map(operations, ROWS)
        ),
        "a scale and a shift per channel, {:,} parameters more": lambda: (
            sum(costs.googlenet(aux_logits=False, batch_norm=True).values()).parameters
            - sum(ROWS.values()).parameters
        ),
        "You have to save {} × 1024 = {:,.0f} weights": lambda: (
            weights("4a") / 1024 - PRINTED_K["4a"],
            weights("4a") - PRINTED_K["4a"] * 1024,
        ),
        "4a would then output {} channels, and the same row prints {}": lambda: (
            replace(GOOGLENET_WIDTHS["4a"], ch5x5=40).out_channels,
            TABLE.loc["4a", "output_channels"],
        ),
        "a *3×3 reduce* of {} would satisfy all": lambda: dict(widths_that_fit_4a())[
            "ch3x3red"
        ],
    },
}


@prose.parametrize(CASES)
def test_the_text_states_what_is_computed(name, piece, compute):
    prose.check(name, piece, compute)
