"""Checks of 01 · The bottleneck."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from ...analysis import costs
from . import exercise

Layer = TypeVar("Layer", bound=nn.Module)


@exercise("01.1", "the price of a convolution")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    for c_in, c_out, k, m in ((6, 4, 1, 1), (6, 4, 3, 1), (6, 4, 3, 7)):
        given = answer(c_in, c_out, k, m)
        if not isinstance(given, tuple) or len(given) != 2:
            return "return two numbers: the parameters, then the multiply-adds"
        layer = nn.Conv2d(c_in, c_out, k)
        parameters = sum(p.numel() for p in layer.parameters())
        products = layer.weight.numel() * m * m
        if given == (parameters, products):
            continue
        case = f"{c_in} → {c_out} channels, {k}×{k}, on a {m}×{m} map"
        weights, area = layer.weight.numel(), m * m
        mistakes = {
            (parameters, 2 * products): "a multiply-add is one operation here, not two",
            (
                weights,
                products,
            ): "each output channel has a bias, too, beside its weights",
            (weights + c_out * area, products): (
                "you counted the bias once per pixel; it is once per output channel"
            ),
            (weights + c_in, products): (
                "you counted a bias per input channel; it is one per output channel"
            ),
            (
                weights + 1,
                products,
            ): "one bias for all; each output channel has its own",
            (parameters, parameters * area): (
                "adding the bias is no multiply-add: it counts in the parameters only"
            ),
            (
                parameters,
                weights,
            ): "every weight is used again at every place of the map",
            (
                parameters,
                weights * m,
            ): "a map has height × width places, not only a side",
            (parameters * area, products): (
                "the parameters are shared by all places: they don't grow with the map"
            ),
        }
        if given in mistakes:
            return mistakes[given]
        linear_kernel = layer.weight.numel() // k
        if k > 1 and given[0] in (linear_kernel, linear_kernel + c_out):
            return f"a {k}×{k} kernel has {k * k} places, not {k}"
        if given[0] != parameters:
            return f"{case}: {parameters} parameters are live, you say {given[0]}"
        return f"{case}: your multiply-adds, {given[1]}, are not what the layer does"


@exercise("01.2", "a linear layer as a 1×1 convolution")
def _(answer) -> str | None:
    if isinstance(answer, nn.Module) or not callable(answer):
        return (
            "asked is a function that takes an nn.Linear and returns an nn.Conv2d, "
            f"got {type(answer).__name__}"
        )
    linear = _whole_numbers(nn.Linear(5, 3))
    layer = answer(linear)
    if not isinstance(layer, nn.Conv2d):
        return f"it returns a {type(layer).__name__}, not an nn.Conv2d"
    if layer.kernel_size != (1, 1):
        return "the kernel must see one pixel only: its size is 1"
    if (layer.in_channels, layer.out_channels) != (5, 3):
        return (
            "features become channels: a Linear(5, 3) is a Conv2d from 5 to 3 "
            f"channels, this goes from {layer.in_channels} to {layer.out_channels}"
        )
    x = torch.arange(5.0 * 4).view(1, 5, 2, 2)
    with torch.no_grad():
        there = layer(x)
        expected = linear(x.movedim(1, -1)).movedim(-1, 1)
        without_bias = expected - linear.bias.view(1, -1, 1, 1)
        if there.shape != expected.shape:
            return "the map must keep its size: no padding, stride 1"
        if torch.equal(there, expected):
            return None
        if torch.equal(there, without_bias):
            return "the weights are right; the bias didn't come along"
        if torch.equal(layer.weight.flatten(), linear.weight.flatten()):
            return "the weights are right, the bias isn't the linear layer's"
    return "it has weights of its own: copy those of the linear layer into it"


@exercise("01.3", "the widest bottleneck on a budget")
def _(answer) -> str | None:
    if not isinstance(answer, nn.Sequential):
        return f"asked is an nn.Sequential, got {type(answer).__name__}"
    layers = [m for m in answer if isinstance(m, nn.Conv2d)]
    if len(layers) != 2:
        return f"asked are two convolutions, this has {len(layers)}"
    first, second = layers
    if (first.kernel_size, second.kernel_size) == ((5, 5), (1, 1)):
        return "the 1×1 comes first: it makes the 5×5 behind it cheap"
    if (first.kernel_size, second.kernel_size) != ((1, 1), (5, 5)):
        return "the first convolution is the 1×1, the second the 5×5"
    if (first.in_channels, second.out_channels) != (480, 64):
        return (
            f"it leads {first.in_channels} to {second.out_channels} channels, "
            "not 480 to 64"
        )
    if [type(m) for m in answer] != [nn.Conv2d, nn.ReLU] * 2:
        return "each convolution is followed by its nn.ReLU(), and nothing else"
    shape = tuple(answer(torch.zeros(1, 480, 6, 6)).shape)
    if shape[2:] != (6, 6):
        return f"6×6 maps come out as {shape[2]}×{shape[3]}: pad the 5×5"
    width = first.out_channels
    weights = first.weight.numel() + second.weight.numel()
    budget = costs.convolution(480, 64, 5, bias=False).parameters // 20
    if weights > budget:
        return f"a width of {width} has {weights:,} weights, the budget is {budget:,}"
    if weights + 480 + 25 * 64 <= budget:
        return f"a width of {width} is within the budget, but so is a wider one"


@exercise("01.4", "two layers collapsed into one")
def _(answer) -> str | None:
    if isinstance(answer, nn.Module) or not callable(answer):
        return (
            "asked is a function of the two layers that returns one nn.Conv2d, "
            f"got {type(answer).__name__}"
        )
    first = _whole_numbers(nn.Conv2d(5, 2, 1, bias=False))
    second = _whole_numbers(nn.Conv2d(2, 4, 3, padding=1, bias=False))
    x = torch.arange(5.0 * 16).view(1, 5, 4, 4)
    one = answer(first, second)
    if isinstance(one, nn.Sequential):
        return "that is still both layers in a row; asked is a single nn.Conv2d"
    if isinstance(one, Tensor):
        return f"it returns the weights, {tuple(one.shape)}; put them into an nn.Conv2d"
    if not isinstance(one, nn.Conv2d):
        return f"it returns a {type(one).__name__}, not an nn.Conv2d"
    if tuple(one.weight.shape) != (4, 5, 3, 3):
        return (
            f"its weight is {tuple(one.weight.shape)}: it must lead from the first "
            "layer's input to the second one's output, with the second one's kernel"
        )
    with torch.no_grad():
        there, expected = one(x), second(first(x))
    if there.shape != expected.shape:
        return "the map must keep its size: take over the second layer's padding"
    if one.bias is not None and one.bias.any():
        return "neither layer has a bias, so the one in their place must not have any"
    if not torch.equal(there, expected):
        return (
            "the shape is right, the answers aren't: sum over the channels in the "
            "middle, for each place of the kernel"
        )


@exercise("01.5", "how many channels to keep")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    s = torch.tensor([12.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    for error in (0.2, 0.4, 0.6):
        given, right = answer(s, error), _needed(s, error)
        if given == right:
            continue
        told = f"for the values 12, 10, 8, 6, 5, 4, 3, 2, 1 and an error of {error}: "
        if given == len(s) - right:
            return told + "that is how many may go; asked is how many stay"
        if given == _needed(s, error**0.5):
            return told + "the error is a root: compare its square with sums of squares"
        if given == right - 1:
            return told + f"{given} channels still lose more than that"
        if given == right + 1:
            return told + "one channel less is enough"
        return told + f"not {given}: add up what is cut off, the smallest values"
    if answer(s, 0.0) != len(s):
        return "if nothing may be lost, all channels have to stay"


def _needed(s: Tensor, error: float) -> int:
    """The smallest k whose relative error is at most ``error``."""
    whole = s.square().sum()
    for k in range(len(s) + 1):
        if s[k:].square().sum() <= error**2 * whole:
            return k
    return len(s)


def _whole_numbers(layer: Layer) -> Layer:
    """Weights with exact sums: answers can be compared to the last digit."""
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.arange(1.0, p.numel() + 1).view(p.shape) % 7 - 3)
    return layer


def _pair(width: int, first: int = 1, padding: int = 2, relu: bool = True):
    second = 5 if first == 1 else 1
    layers = [
        nn.Conv2d(480, width, first, padding=0 if first == 1 else 2),
        nn.ReLU(),
        nn.Conv2d(width, 64, second, padding=padding),
        nn.ReLU(),
    ]
    return nn.Sequential(*(layers if relu else layers[::2]))


def _collapsed(first: nn.Conv2d, second: nn.Conv2d, padding=1, bias=False, sign=1):
    one = nn.Conv2d(5, 4, 3, padding=padding, bias=bias)
    weight = torch.einsum("omhw,mi->oihw", second.weight, first.weight[:, :, 0, 0])
    one.weight = nn.Parameter(sign * weight)
    return one


def _copied(linear: nn.Linear, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=bias)
    layer.weight = nn.Parameter(linear.weight.detach()[:, :, None, None])
    return layer


WRONG = [
    ("01.1", 819_200, "function"),
    ("01.1", lambda i, o, k, m: i * o * k * k, "two numbers"),
    ("01.1", lambda i, o, k, m: (i * o * k * k, i * o * k * k * m * m), "bias, too"),
    (
        "01.1",
        lambda i, o, k, m: (i * o * k * k + o * m * m, i * o * k * k * m * m),
        "once per pixel",
    ),
    (
        "01.1",
        lambda i, o, k, m: (i * o * k * k + o, (i * o * k * k + o) * m * m),
        "parameters only",
    ),
    (
        "01.1",
        lambda i, o, k, m: (i * o * k * k + o, 2 * i * o * k * k * m * m),
        "not two",
    ),
    ("01.1", lambda i, o, k, m: (i * o * k * k + o, i * o * k * k), "every place"),
    ("01.1", lambda i, o, k, m: (i * o * k * k + o, i * o * k * k * m), "height"),
    ("01.1", lambda i, o, k, m: (i * o * k * k + i, i * o * k * k * m * m), "input"),
    ("01.1", lambda i, o, k, m: (i * o * k * k + 1, i * o * k * k * m * m), "one bias"),
    ("01.1", lambda i, o, k, m: (i * o * k + o, i * o * k * m * m), "9 places"),
    (
        "01.1",
        lambda i, o, k, m: ((i * o * k * k + o) * m * m, i * o * k * k * m * m),
        "shared",
    ),
    ("01.1", lambda i, o, k, m: (0, 0), "live"),
    ("01.1", lambda i, o, k, m: (i * o * k * k + o, 1), "not what the layer does"),
    ("01.2", nn.Conv2d(5, 3, 1), "function"),
    ("01.2", lambda linear: linear, "not an nn.Conv2d"),
    ("01.2", lambda linear: nn.Conv2d(5, 3, 3, padding=1), "one pixel"),
    ("01.2", lambda linear: nn.Conv2d(3, 5, 1), "features become channels"),
    ("01.2", lambda linear: nn.Conv2d(5, 3, 1, padding=1), "keep its size"),
    ("01.2", lambda linear: nn.Conv2d(5, 3, 1), "weights of its own"),
    ("01.2", lambda linear: _copied(linear, bias=False), "come along"),
    ("01.2", _copied, "isn't the linear layer's"),
    ("01.3", 18, "nn.Sequential"),
    ("01.3", nn.Sequential(nn.Conv2d(480, 64, 5, padding=2)), "two convolutions"),
    ("01.3", _pair(18, first=5, padding=0), "comes first"),
    ("01.3", nn.Sequential(nn.Conv2d(9, 9, 3), nn.Conv2d(9, 9, 3)), "first"),
    ("01.3", nn.Sequential(nn.Conv2d(9, 9, 1), nn.Conv2d(9, 9, 5)), "480 to 64"),
    ("01.3", _pair(18, relu=False), "nn.ReLU()"),
    ("01.3", _pair(18, padding=0), "2×2"),
    ("01.3", _pair(24), "budget is"),
    ("01.3", _pair(16), "wider one"),
    ("01.4", nn.Conv2d(5, 4, 3), "function"),
    ("01.4", nn.Sequential, "both layers"),
    ("01.4", lambda first, second: _collapsed(first, second).weight, "the weights"),
    ("01.4", lambda first, second: None, "NoneType"),
    ("01.4", lambda first, second: second, "from the first"),
    ("01.4", lambda first, second: _collapsed(first, second, padding=0), "padding"),
    ("01.4", lambda first, second: _collapsed(first, second, bias=True), "bias"),
    ("01.4", lambda first, second: _collapsed(first, second, sign=2), "middle"),
    ("01.5", 7, "function"),
    ("01.5", lambda s, error: _needed(s, error) - 1, "still lose"),
    ("01.5", lambda s, error: _needed(s, error) + 1, "one channel less"),
    ("01.5", lambda s, error: len(s) - _needed(s, error), "may go"),
    ("01.5", lambda s, error: _needed(s, error**0.5), "sums of squares"),
    ("01.5", lambda s, error: 99, "smallest values"),
    ("01.5", lambda s, error: _needed(s, error) if error else 6, "nothing may"),
]
