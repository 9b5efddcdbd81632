"""Exercises of 03 · Global average pooling."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exercise import calls, exercise, expects, parameters, parts

AVERAGED = 512 * 4096  # the weights of VGG-16's first linear layer after an average

exercise(
    "03.1",
    "the weights that VGG-16 could have saved",
    {
        49 * AVERAGED: "that is what it has; how many of them would an average leave?",
        AVERAGED: "that is what an average would leave; asked is what it saves",
        49: "that is a ratio; asked is how many weights disappear",
        6 * AVERAGED: "the map has 7 places a side: how many in all?",
        48 * 512 * 1000: "this layer has 4096 outputs; the 1000 classes come later",
        48 * AVERAGED + 4096: "weights only: both layers have the same biases",
    },
    right=48 * AVERAGED,
    otherwise="not yet: places × channels × outputs, minus channels × outputs",
    read=int,
    examples={5: "places × channels"},
)


MAPS = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5) ** 2

exercise(
    "03.2",
    "global average pooling without a pooling layer",
    {
        lambda x: x.mean((2, 3), keepdim=True): (
            "nearly: it returns N×C×1×1; a linear layer wants N×C"
        ),
        lambda x: x.mean(1): "you averaged over the channels; they have to stay",
        lambda x: x.mean((0, 2, 3)): "you averaged the images of the batch as well",
        lambda x: x.mean(3): "only one direction is gone: average over H and over W",
        lambda x: x.mean(2): "only one direction is gone: average over H and over W",
        lambda x: x.amax((2, 3)): "that is the maximum of each map",
        lambda x: x.sum((2, 3)): "that is the sum of each map",
        lambda x: x.sum((2, 3)) / 49: "you divide by 49, but not every map is 7×7",
    },
    right=MAPS.flatten(2).sum(2) / 20,
    otherwise="the shape is right, the numbers aren't the means of the maps",
    read=calls((MAPS,)),
    examples={
        lambda x: x.mean((2, 3)).tolist(): "not a tensor",
        lambda x: x.mean(): "2×3 numbers, not a single number",
        lambda x: x.flatten(2).median(2).values: "aren't the means",
    },
)
exercise(
    "03.3",
    "the gradient at one place",
    {
        1 / 144: "that is for a gradient of 1; here a gradient of 3 arrives",
        3: "a maximum would send all of it to one place; an average shares it out",
        3 / 12: "12 places a side: how many in all?",
        3 / 49: "this map has 12×12 places, not 7×7",
        3 * 144: "sharing out makes it smaller, not larger",
    },
    right=3 / 144,
    otherwise="each place has the same share of the mean, and gets that share of 3",
    within=0.005,
    examples={0.5: "share"},
)


FEATURES = torch.rand(2, 6, 3, 5, generator=torch.Generator().manual_seed(0))
LINEAR = nn.Linear(6, 2)
with torch.no_grad():
    LINEAR.weight.copy_(torch.linspace(-1, 1, 12).sin().view(2, 6))
    LINEAR.bias.copy_(torch.tensor([0.3, 4.0]))


def scores(features: Tensor, linear: nn.Linear) -> Tensor:
    """A map for each class."""
    return linear(features.movedim(1, -1)).movedim(-1, 1)


def weighted(features: Tensor, weight: Tensor) -> Tensor:
    return (features * weight.view(-1, 1, 1)).sum(1)


exercise(
    "03.4",
    "a map of the evidence for a defect",
    {
        scores: "it still has a map per class; asked is their difference, N×H×W",
        lambda f, fc: fc(f.mean((2, 3)))[:, 1]: (
            "the places are averaged away already; asked is a map, N×H×W"
        ),
        lambda f, fc: weighted(f, fc.weight[0] - fc.weight[1]): (
            "the sign is wrong: defective is the second class, index 1"
        ),
        lambda f, fc: scores(f, fc)[:, 1] - scores(f, fc)[:, 0]: (
            "the bias isn't evidence of any place: leave it out"
        ),
        lambda f, fc: scores(f, fc).softmax(1)[:, 1]: (
            "a softmax at each place: its mean is no longer the network's answer"
        ),
        lambda f, fc: weighted(f, fc.weight[1]): (
            "that is the map of one class; what speaks for the other counts, too"
        ),
    },
    right=weighted(FEATURES, LINEAR.weight[1] - LINEAR.weight[0]),
    otherwise="its mean isn't the difference of the two logits (without the biases)",
    read=calls((FEATURES, LINEAR)),
    examples={
        lambda f, fc: f.tolist(): "not a tensor",
        lambda f, fc: f: "2×3×5 numbers, not 2×6×3×5",
        lambda f, fc: f.mean(1): "difference of the two",
    },
)


GENERATOR = torch.Generator().manual_seed(0)
TWO_SIZES = [
    torch.rand(2, 1024, *size, generator=GENERATOR) for size in [(7, 7), (3, 5)]
]


def ending(*parts: nn.Module, classes: int = 10, kernel_size: int = 1, bias=True):
    first = nn.Conv2d(1024, classes, kernel_size, bias=bias)
    return nn.Sequential(first, *parts)


AVERAGE, FLAT = nn.AdaptiveAvgPool2d(1), nn.Flatten()


@exercise(
    "03.5",
    "an ending that takes any size",
    read=expects(nn.Module, "an nn.Sequential"),
    examples={
        nn.Linear(1024, 10): "no nn.Linear",
        nn.Sequential(AVERAGE, FLAT): "this has 0",
        ending(FLAT, kernel_size=7): "larger than 1×1",
        ending(AVERAGE, FLAT, bias=False): "a bias per class",
        ending(nn.ReLU(), AVERAGE, FLAT): "may be negative",
        ending(classes=1000): "1,025,000 parameters",
        ending(): "activation map",
        ending(AVERAGE): "flatten",
        ending(FLAT): "not (2, 10)",
        ending(nn.AdaptiveMaxPool2d(1), FLAT): "average?",
    },
)
def no_ending(module: nn.Module) -> str | None:
    if parts(module, nn.Linear):
        return "no nn.Linear this time: a 1×1 convolution can do its work"
    convolutions = parts(module, nn.Conv2d)
    if len(convolutions) != 1:
        return f"asked is one convolution, this has {len(convolutions)}"
    layer = convolutions[0]
    if layer.kernel_size != (1, 1):
        return "a kernel larger than 1×1 depends on the map's size: see its weights"
    if layer.bias is None:
        return "the linear layer has a bias per class; the convolution needs it, too"
    if parts(module, nn.ReLU, nn.Softmax):
        return "logits may be negative and don't have to add up to 1: leave them alone"
    if (count := parameters(module)) != 10_250:
        return f"it has {count:,} parameters; 1024 channels to 10 classes have 10,250"
    for maps in TWO_SIZES:
        size, given = tuple(maps.shape[2:]), module(maps)
        if given.shape == (2, 10, *size):
            return "that is a class activation map; now average it to one number each"
        if given.shape == (2, 10, 1, 1):
            return "nearly: 2×10×1×1 comes out, flatten it to 2×10"
        if given.shape != (2, 10):
            return f"two maps of {size} give {tuple(given.shape)}, not (2, 10)"
        logits = F.linear(maps.mean((2, 3)), layer.weight.flatten(1), layer.bias)
        if not torch.allclose(given, logits, atol=1e-4):
            return "it isn't the mean over the places: is the pooling an average?"
    return None
