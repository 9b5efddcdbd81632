"""Exercises of 01 · The bottleneck."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from ...analysis import costs
from ..exercise import calls, exercise, expects, kind, parts

Layer = TypeVar("Layer", bound=nn.Module)


def whole_numbers(layer: Layer) -> Layer:
    """Weights with exact sums: answers can be compared to the last digit."""
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.arange(1.0, p.numel() + 1).view(p.shape) % 7 - 3)
    return layer


# in, out, kernel, map: each rules out mistakes that the ones before it allow
CASES = [(6, 4, 1, 1), (6, 4, 3, 1), (6, 4, 3, 7)]


@exercise(
    "01.1",
    "the price of a convolution",
    {
        lambda i, o, k, m: (i * o * k * k + o, 2 * i * o * k * k * m * m): (
            "a multiply-add is one operation here, not two"
        ),
        lambda i, o, k, m: (i * o * k * k, i * o * k * k * m * m): (
            "each output channel has a bias, too, beside its weights"
        ),
        lambda i, o, k, m: (i * o * k * k + o * m * m, i * o * k * k * m * m): (
            "you counted the bias once per pixel; it is once per output channel"
        ),
        lambda i, o, k, m: (i * o * k * k + o, (i * o * k * k + o) * m * m): (
            "adding the bias is no multiply-add: it counts in the parameters only"
        ),
        lambda i, o, k, m: (i * o * k * k + o, i * o * k * k): (
            "every weight is used again at every place of the map"
        ),
        lambda i, o, k, m: (i * o * k * k + o, i * o * k * k * m): (
            "a map has height × width places, not only a side"
        ),
        lambda i, o, k, m: ((i * o * k * k + o) * m * m, i * o * k * k * m * m): (
            "the parameters are shared by all places: they don't grow with the map"
        ),
    },
    read=calls(*CASES),
    examples={
        lambda i, o, k, m: i * o * k * k: "two numbers",
        lambda i, o, k, m: (i * o * k + o, i * o * k * m * m): "9 places, not 3",
        lambda i, o, k, m: (i * o * k * k + 1, i * o * k * k * m * m): "are live",
        lambda i, o, k, m: (i * o * k * k + o, 1): "not what the layer does",
    },
)
def wrong_price(given: list) -> str | None:
    if not all(isinstance(price, tuple) and len(price) == 2 for price in given):
        return "return two numbers: the parameters, then the multiply-adds"
    for (i, o, k, m), (weights, operations) in zip(CASES, given, strict=True):
        case = f"{i} → {o} channels, {k}×{k}, on a {m}×{m} map"
        right = costs.convolution(i, o, k, m)
        if weights in (i * o * k, i * o * k + o) and k > 1:
            return "a 3×3 kernel has 9 places, not 3"
        if weights != right.parameters:
            return f"{case}: {right.parameters} parameters are live, you say {weights}"
        if operations != right.multiply_adds:
            return f"{case}: {operations} multiply-adds are not what the layer does"
    return None


LINEAR = whole_numbers(nn.Linear(5, 3))
PIXELS = torch.arange(5.0 * 4).view(1, 5, 2, 2)
POINTWISE = repr(nn.Conv2d(5, 3, 1))
AT_EACH_PIXEL = LINEAR(PIXELS.movedim(1, -1)).movedim(-1, 1).detach()


def copied(linear: nn.Linear, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=bias)
    layer.weight = nn.Parameter(linear.weight.detach()[:, :, None, None])
    return layer


@exercise(
    "01.2",
    "a linear layer as a 1×1 convolution",
    read=calls((LINEAR,)),
    examples={
        lambda linear: linear: "this is Linear",
        lambda linear: nn.Conv2d(5, 3, 3, padding=1): "one pixel only",
        lambda linear: nn.Conv2d(3, 5, 1): "this is Conv2d(3, 5",
        lambda linear: nn.Conv2d(5, 3, 1, padding=1): "padding=(1, 1)",
        lambda linear: nn.Conv2d(5, 3, 1): "weights of its own",
        lambda linear: copied(linear, bias=False): "bias didn't come",
        copied: "bias didn't come",
    },
)
def no_linear_layer(layer) -> str | None:
    if repr(layer).replace(", bias=False", "") != POINTWISE:
        return (
            "features become channels, and the kernel sees one pixel only: asked is a "
            f"{POINTWISE}, this is {layer}"
        )
    if not layer.weight.flatten().equal(LINEAR.weight.flatten()):
        return "it has weights of its own: copy those of the linear layer into it"
    if not layer(PIXELS).equal(AT_EACH_PIXEL):
        return "the weights are right; the linear layer's bias didn't come along"
    return None


BUDGET = costs.convolution(480, 64, 5, bias=False).parameters // 20


def weights_at(width: int) -> int:
    return width * (480 + 25 * 64)


def pair(width: int, first: int = 1, padding: int = 2, relu: bool = True):
    layers = [
        nn.Conv2d(480, width, first, padding=0 if first == 1 else 2),
        nn.ReLU(),
        nn.Conv2d(width, 64, 5 if first == 1 else 1, padding=padding),
        nn.ReLU(),
    ]
    return nn.Sequential(*(layers if relu else layers[::2]))


@exercise(
    "01.3",
    "the widest bottleneck on a budget",
    read=expects(nn.Sequential, "an nn.Sequential"),
    examples={
        nn.Sequential(nn.Conv2d(480, 64, 5, padding=2)): "this has 1",
        pair(18, first=5, padding=0): "comes first",
        nn.Sequential(nn.Conv2d(9, 9, 1), nn.Conv2d(9, 9, 5)): "leads 9 to 9",
        pair(18, relu=False): "nn.ReLU()",
        pair(18, padding=0): "come out as 2×2",
        pair(24): "the budget is",
        pair(16): "so is a wider one",
    },
)
def not_on_budget(module: nn.Sequential) -> str | None:
    layers = parts(module, nn.Conv2d)
    if len(layers) != 2:
        return f"asked are two convolutions, this has {len(layers)}"
    first, last = layers
    kernels = [layer.kernel_size[0] for layer in layers]
    if kernels != [1, 5]:
        return "the 1×1 comes first: it makes the 5×5 after it cheap"
    if (first.in_channels, last.out_channels) != (480, 64):
        ends = f"{first.in_channels} to {last.out_channels}"
        return f"it leads {ends} channels, not 480 to 64"
    if [type(m) for m in module] != [nn.Conv2d, nn.ReLU] * 2:
        return "each convolution is followed by its nn.ReLU(), and nothing else"
    side = module(torch.zeros(1, 480, 6, 6)).shape[-1]
    if side != 6:
        return f"6×6 maps come out as {side}×{side}: pad the 5×5"
    weights = weights_at(first.out_channels)
    width = f"a width of {first.out_channels}"
    if weights > BUDGET:
        return f"{width} has {weights:,} weights, the budget is {BUDGET:,}"
    if weights_at(first.out_channels + 1) <= BUDGET:
        return f"{width} is within the budget, but so is a wider one"
    return None


FIRST = whole_numbers(nn.Conv2d(5, 2, 1, bias=False))
SECOND = whole_numbers(nn.Conv2d(2, 4, 3, padding=1, bias=False))
MAP = torch.arange(5.0 * 16).view(1, 5, 4, 4)


def collapsed(first: nn.Conv2d, second: nn.Conv2d, padding=1, bias=False, sign=1):
    one = nn.Conv2d(5, 4, 3, padding=padding, bias=bias)
    weight = torch.einsum("omhw,mi->oihw", second.weight, first.weight[:, :, 0, 0])
    one.weight = nn.Parameter(sign * weight)
    return one


@exercise(
    "01.4",
    "two layers collapsed into one",
    read=calls((FIRST, SECOND)),
    examples={
        nn.Sequential: "returns a Sequential",
        lambda first, second: collapsed(first, second).weight: "returns the weights",
        lambda first, second: second: "its weight is (4, 2, 3, 3)",
        lambda first, second: collapsed(first, second, padding=0): "padding",
        lambda first, second: collapsed(first, second, bias=True): "neither layer",
        lambda first, second: collapsed(first, second, sign=2): "in the middle",
    },
)
def not_collapsed(one) -> str | None:
    if isinstance(one, Tensor):
        return f"it returns the weights, {tuple(one.shape)}; put them into an nn.Conv2d"
    if not isinstance(one, nn.Conv2d):
        return f"asked is a single nn.Conv2d, it returns a {kind(one)}"
    if one.weight.shape != (4, 5, 3, 3):
        return (
            f"its weight is {tuple(one.weight.shape)}: it must lead from the first "
            "layer's input to the second one's output, with the second one's kernel"
        )
    if one(MAP).shape != (1, 4, 4, 4):
        return "the map must keep its size: take over the second layer's padding"
    if one.bias is not None and one.bias.any():
        return "neither layer has a bias, so what replaces them must not have any"
    if not one(MAP).equal(SECOND(FIRST(MAP))):
        return (
            "the shape is right, the answers aren't: sum over the channels in the "
            "middle, for each place of the kernel"
        )
    return None


VALUES = torch.tensor([12.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
ERRORS = (0.2, 0.4, 0.6, 0.0)


def needed(s: Tensor, error: float) -> int:
    """The smallest k whose relative error is at most ``error``."""
    whole = s.square().sum()
    return next(
        k for k in range(len(s) + 1) if s[k:].square().sum() <= error**2 * whole
    )


@exercise(
    "01.5",
    "how many channels to keep",
    {
        lambda s, error: len(s) - needed(s, error): (
            "that is how many may go; asked is how many stay"
        ),
        lambda s, error: needed(s, error**0.5): (
            "the error is a root: compare its square with sums of squares"
        ),
    },
    read=calls(*[(VALUES, error) for error in ERRORS]),
    examples={
        lambda s, error: needed(s, error) - 1: "lose more",
        lambda s, error: needed(s, error) + 1: "one channel fewer",
        lambda s, error: 99: "cut off",
        lambda s, error: needed(s, error) if error else 6: "all channels",
    },
)
def wrong_count(given: list) -> str | None:
    for error, k in zip(ERRORS, given, strict=True):
        off = k - needed(VALUES, error)
        case = f"for the values 12, 10, 8, 6, 5, 4, 3, 2, 1 and an error of {error}"
        if off and error == 0:
            return "if nothing may be lost, all channels have to stay"
        if off == -1:
            return f"{case}: {k} channels still lose more than that"
        if off == 1:
            return f"{case}: one channel fewer is enough"
        if off:
            return f"{case}: not {k}: add up what is cut off, the smallest values"
    return None
