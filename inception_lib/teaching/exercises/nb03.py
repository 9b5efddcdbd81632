"""Exercises of 03 · Global average pooling."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exercise import Refused, When, calls, exercise, kind, sizes

AVERAGED = 512 * 4096  # the weights of VGG-16's first linear layer after an average

exercise(
    "03.1",
    "the weights that VGG-16 could have saved",
    {
        49 * AVERAGED: "that is what it has; how many of them would an average leave?",
        AVERAGED: "that is what an average would leave; asked is what it saves",
        49: "that is a ratio; asked is how many weights disappear",
        7 * AVERAGED: "the map has 7 places a side: how many in all?",
        6 * AVERAGED: "the map has 7 places a side: how many in all?",
        48 * 512 * 1000: (
            "this layer has 4096 outputs; the 1000 classes come two layers later"
        ),
        48 * 512 * 4097: "weights only: both layers have the same biases",
        48 * AVERAGED + 4096: "weights only: both layers have the same biases",
    },
    right=48 * AVERAGED,
    otherwise="not yet: places × channels × outputs, minus channels × outputs",
    read=int,
    examples={5: "places × channels"},
)


MAPS = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5) ** 2


def shape_is(*shapes: tuple[int, ...]):
    return lambda given: given.shape in shapes


def no_tensor(given) -> bool:
    return not isinstance(given, Tensor)


exercise(
    "03.2",
    "global average pooling without a pooling layer",
    {
        When(no_tensor, lambda x: x.mean((2, 3)).tolist()): lambda given: (
            f"it returns {kind(given)}, not a tensor"
        ),
        When(shape_is((2, 3, 1, 1)), lambda x: x.mean((2, 3), keepdim=True)): (
            "nearly: it returns N×C×1×1; a linear layer wants N×C"
        ),
        When(shape_is((2, 4, 5)), lambda x: x.mean(1)): (
            "you averaged over the channels; they are what has to stay"
        ),
        When(shape_is((3,)), lambda x: x.mean((0, 2, 3))): (
            "you averaged the images of the batch as well"
        ),
        When(shape_is((2, 3, 4), (2, 3, 5)), lambda x: x.mean(3)): (
            "only one of the two directions is gone: average over H and over W"
        ),
        When(lambda given: given.shape != (2, 3), lambda x: x.mean()): lambda given: (
            f"2×3×4×5 goes in, 2×3 should come out, not {sizes(given.shape)}"
        ),
        lambda x: x.amax((2, 3)): "that is the maximum of each map",
        lambda x: x.sum((2, 3)): "that is the sum of each map",
        lambda x: x.sum((2, 3)) / 49: (
            "you divide by 49, but not every map has 7×7 places"
        ),
    },
    right=MAPS.flatten(2).sum(2) / 20,
    otherwise="the shape is right, the numbers aren't the means of the maps",
    read=calls((MAPS,)),
    examples={7: "function", lambda x: x.flatten(2).median(2).values: "means"},
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
        When(no_tensor, lambda f, fc: f.tolist()): lambda given: (
            f"it returns {kind(given)}, not a tensor"
        ),
        When(shape_is((2, 2, 3, 5)), scores): (
            "it still has a map per class; asked is their difference, N×H×W"
        ),
        When(shape_is((2,)), lambda f, fc: fc(f.mean((2, 3)))[:, 1]): (
            "the places are averaged away already; asked is a map, N×H×W"
        ),
        When(lambda given: given.shape != (2, 3, 5), lambda f, fc: f): lambda given: (
            f"2×6×3×5 features should give 2×3×5, not {sizes(given.shape)}"
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
    otherwise=("its mean isn't the difference of the two logits (without the biases)"),
    read=calls((FEATURES, LINEAR)),
    examples={3: "function", lambda f, fc: f.mean(1): "difference of the two"},
)


GENERATOR = torch.Generator().manual_seed(0)
TWO_SIZES = [
    torch.rand(2, 1024, *size, generator=GENERATOR) for size in [(7, 7), (3, 5)]
]


def read_module(answer) -> nn.Module:
    if not isinstance(answer, nn.Module):
        raise Refused(f"asked is an nn.Sequential, got {kind(answer)}")
    return answer


def parts(module: nn.Module, *kinds: type) -> list:
    return [part for part in module.modules() if isinstance(part, kinds)]


def convolution(module: nn.Module) -> nn.Conv2d:
    return parts(module, nn.Conv2d)[0]


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def outputs_differ(module: nn.Module) -> str | None:
    for maps in TWO_SIZES:
        size = tuple(maps.shape[2:])
        given = module(maps)
        if given.shape == (2, 10, *size):
            return "that is a class activation map; now average it to one number each"
        if given.shape == (2, 10, 1, 1):
            return "nearly: 2×10×1×1 comes out, flatten it to 2×10"
        if given.shape != (2, 10):
            return f"two maps of {size} give {tuple(given.shape)}, not (2, 10)"
        layer = convolution(module)
        logits = F.linear(maps.mean((2, 3)), layer.weight.flatten(1), layer.bias)
        if not torch.allclose(given, logits, atol=1e-4):
            return "it isn't the mean over the places: is the pooling an average?"
    return None


def ending(*parts: nn.Module, kernel_size: int = 1, **options) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1024, 10, kernel_size, **options), *parts)


exercise(
    "03.5",
    "an ending that takes any size",
    {
        When(lambda m: parts(m, nn.Linear), nn.Linear(1024, 10)): (
            "no nn.Linear this time: a 1×1 convolution can do its work"
        ),
        When(
            lambda m: len(parts(m, nn.Conv2d)) != 1,
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        ): lambda m: f"asked is one convolution, this has {len(parts(m, nn.Conv2d))}",
        When(
            lambda m: convolution(m).kernel_size != (1, 1),
            ending(nn.Flatten(), kernel_size=7),
        ): "a kernel larger than 1×1 depends on the map's size: see its weights",
        When(
            lambda m: convolution(m).bias is None,
            ending(nn.AdaptiveAvgPool2d(1), nn.Flatten(), bias=False),
        ): "the linear layer has a bias per class; the convolution needs it, too",
        When(
            lambda m: parts(m, nn.ReLU, nn.Softmax),
            ending(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        ): "logits may be negative and don't have to add up to 1: leave them alone",
        When(
            lambda m: parameters(m) != 1025 * 10,
            nn.Sequential(nn.Conv2d(1024, 1000, 1)),
        ): lambda m: (
            f"it has {parameters(m):,} parameters; "
            "1024 channels to 10 classes have 10,250"
        ),
        When(
            outputs_differ,
            ending(),
            ending(nn.AdaptiveAvgPool2d(1)),
            ending(nn.Flatten()),
            ending(nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        ): outputs_differ,
    },
    read=read_module,
    examples={
        ending(): "activation map",
        ending(nn.AdaptiveAvgPool2d(1)): "flatten",
        ending(nn.Flatten()): "not (2, 10)",
        ending(nn.AdaptiveMaxPool2d(1), nn.Flatten()): "average?",
    },
)
