"""Exercises of 01 · The bottleneck."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from ...analysis import costs
from ..exercise import Refused, When, calls, exercise, kind

Layer = TypeVar("Layer", bound=nn.Module)


def whole_numbers(layer: Layer) -> Layer:
    """Weights with exact sums: answers can be compared to the last digit."""
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.arange(1.0, p.numel() + 1).view(p.shape) % 7 - 3)
    return layer


# in, out, kernel, map: each rules out mistakes that the ones before it allow
CASES = [(6, 4, 1, 1), (6, 4, 3, 1), (6, 4, 3, 7)]
PRICES = [
    (cost.parameters, cost.multiply_adds)
    for cost in (costs.convolution(*case) for case in CASES)
]


def first_wrong_price(given: list) -> str:
    for (i, o, k, m), price, right in zip(CASES, given, PRICES, strict=True):
        case = f"{i} → {o} channels, {k}×{k}, on a {m}×{m} map"
        if price[0] != right[0]:
            return f"{case}: {right[0]} parameters are live, you say {price[0]}"
        if price[1] != right[1]:
            return (
                f"{case}: your multiply-adds, {price[1]}, are not what the layer does"
            )
    raise ValueError("no price is wrong")


exercise(
    "01.1",
    "the price of a convolution",
    {
        When(
            lambda given: not all(isinstance(p, tuple) and len(p) == 2 for p in given),
            lambda i, o, k, m: i * o * k * k,
        ): "return two numbers: the parameters, then the multiply-adds",
        lambda i, o, k, m: (i * o * k * k + o, 2 * i * o * k * k * m * m): (
            "a multiply-add is one operation here, not two"
        ),
        lambda i, o, k, m: (i * o * k * k, i * o * k * k * m * m): (
            "each output channel has a bias, too, beside its weights"
        ),
        lambda i, o, k, m: (i * o * k * k + o * m * m, i * o * k * k * m * m): (
            "you counted the bias once per pixel; it is once per output channel"
        ),
        lambda i, o, k, m: (i * o * k * k + i, i * o * k * k * m * m): (
            "you counted a bias per input channel; it is one per output channel"
        ),
        lambda i, o, k, m: (i * o * k * k + 1, i * o * k * k * m * m): (
            "one bias for all; each output channel has its own"
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
        When(
            lambda given: given[1][0] in (6 * 4 * 3, 6 * 4 * 3 + 4),
            lambda i, o, k, m: (i * o * k + o, i * o * k * m * m),
        ): "a 3×3 kernel has 9 places, not 3",
    },
    right=PRICES,
    otherwise=first_wrong_price,
    read=calls(*CASES),
    examples={
        819_200: "function",
        lambda i, o, k, m: (0, 0): "live",
        lambda i, o, k, m: (i * o * k * k + o, 1): "not what the layer does",
    },
)


LINEAR = whole_numbers(nn.Linear(5, 3))
PIXELS = torch.arange(5.0 * 4).view(1, 5, 2, 2)
AT_EACH_PIXEL = LINEAR(PIXELS.movedim(1, -1)).movedim(-1, 1).detach()


def read_as_convolution(answer):
    if isinstance(answer, nn.Module) or not callable(answer):
        raise Refused(
            "asked is a function that takes an nn.Linear and returns an nn.Conv2d, "
            f"got {kind(answer)}"
        )
    return calls((LINEAR,))(answer)


def copied(linear: nn.Linear, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=bias)
    layer.weight = nn.Parameter(linear.weight.detach()[:, :, None, None])
    return layer


exercise(
    "01.2",
    "a linear layer as a 1×1 convolution",
    {
        When(
            lambda layer: not isinstance(layer, nn.Conv2d), lambda linear: linear
        ): lambda layer: f"it returns a {kind(layer)}, not an nn.Conv2d",
        When(
            lambda layer: layer.kernel_size != (1, 1),
            lambda linear: nn.Conv2d(5, 3, 3, padding=1),
        ): "the kernel must see one pixel only: its size is 1",
        When(
            lambda layer: (layer.in_channels, layer.out_channels) != (5, 3),
            lambda linear: nn.Conv2d(3, 5, 1),
        ): lambda layer: (
            "features become channels: a Linear(5, 3) is a Conv2d from 5 to 3 "
            f"channels, this goes from {layer.in_channels} to {layer.out_channels}"
        ),
        When(
            lambda layer: layer(PIXELS).shape != AT_EACH_PIXEL.shape,
            lambda linear: nn.Conv2d(5, 3, 1, padding=1),
        ): "the map must keep its size: no padding, stride 1",
        When(
            lambda layer: layer(PIXELS).equal(
                AT_EACH_PIXEL - LINEAR.bias.view(1, -1, 1, 1)
            ),
            lambda linear: copied(linear, bias=False),
        ): "the weights are right; the bias didn't come along",
        When(
            lambda layer: not layer.weight.flatten().equal(LINEAR.weight.flatten()),
            lambda linear: nn.Conv2d(5, 3, 1),
        ): "it has weights of its own: copy those of the linear layer into it",
        When(
            lambda layer: not layer(PIXELS).equal(AT_EACH_PIXEL), copied
        ): "the weights are right, the bias isn't the linear layer's",
    },
    read=read_as_convolution,
    examples={nn.Conv2d(5, 3, 1): "function"},
)


BUDGET = costs.convolution(480, 64, 5, bias=False).parameters // 20


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def kernels(module: nn.Module) -> list[int]:
    return [layer.kernel_size[0] for layer in convolutions(module)]


def ends(module: nn.Module) -> tuple[int, int]:
    first, last = convolutions(module)
    return first.in_channels, last.out_channels


def side_of_6x6(module: nn.Module) -> int:
    return module(torch.zeros(1, 480, 6, 6)).shape[-1]


def width(module: nn.Module) -> int:
    return convolutions(module)[0].out_channels


def weights_at(width: int) -> int:
    return width * (480 + 25 * 64)


def read_sequential(answer) -> nn.Sequential:
    if not isinstance(answer, nn.Sequential):
        raise Refused(f"asked is an nn.Sequential, got {kind(answer)}")
    return answer


def pair(width: int, first: int = 1, padding: int = 2, relu: bool = True):
    second = 5 if first == 1 else 1
    layers = [
        nn.Conv2d(480, width, first, padding=0 if first == 1 else 2),
        nn.ReLU(),
        nn.Conv2d(width, 64, second, padding=padding),
        nn.ReLU(),
    ]
    return nn.Sequential(*(layers if relu else layers[::2]))


exercise(
    "01.3",
    "the widest bottleneck on a budget",
    {
        When(
            lambda module: len(convolutions(module)) != 2,
            nn.Sequential(nn.Conv2d(480, 64, 5, padding=2)),
        ): lambda module: (
            f"asked are two convolutions, this has {len(convolutions(module))}"
        ),
        When(
            lambda module: kernels(module) == [5, 1], pair(18, first=5, padding=0)
        ): "the 1×1 comes first: it makes the 5×5 after it cheap",
        When(
            lambda module: kernels(module) != [1, 5],
            nn.Sequential(nn.Conv2d(9, 9, 3), nn.Conv2d(9, 9, 3)),
        ): "the first convolution is the 1×1, the second the 5×5",
        When(
            lambda module: ends(module) != (480, 64),
            nn.Sequential(nn.Conv2d(9, 9, 1), nn.Conv2d(9, 9, 5)),
        ): lambda module: "it leads {} to {} channels, not 480 to 64".format(
            *ends(module)
        ),
        When(
            lambda module: [type(m) for m in module] != [nn.Conv2d, nn.ReLU] * 2,
            pair(18, relu=False),
        ): "each convolution is followed by its nn.ReLU(), and nothing else",
        When(lambda module: side_of_6x6(module) != 6, pair(18, padding=0)): (
            lambda module: "6×6 maps come out as {0}×{0}: pad the 5×5".format(
                side_of_6x6(module)
            )
        ),
        When(lambda module: weights_at(width(module)) > BUDGET, pair(24)): (
            lambda module: (
                f"a width of {width(module)} has {weights_at(width(module)):,} "
                f"weights, the budget is {BUDGET:,}"
            )
        ),
        When(lambda module: weights_at(width(module) + 1) <= BUDGET, pair(16)): (
            lambda module: (
                f"a width of {width(module)} is within the budget, "
                "but so is a wider one"
            )
        ),
    },
    read=read_sequential,
    examples={18: "nn.Sequential"},
)


FIRST = whole_numbers(nn.Conv2d(5, 2, 1, bias=False))
SECOND = whole_numbers(nn.Conv2d(2, 4, 3, padding=1, bias=False))
MAP = torch.arange(5.0 * 16).view(1, 5, 4, 4)


def read_collapsed(answer):
    if isinstance(answer, nn.Module) or not callable(answer):
        raise Refused(
            "asked is a function of the two layers that returns one nn.Conv2d, "
            f"got {kind(answer)}"
        )
    return calls((FIRST, SECOND))(answer)


def collapsed(first: nn.Conv2d, second: nn.Conv2d, padding=1, bias=False, sign=1):
    one = nn.Conv2d(5, 4, 3, padding=padding, bias=bias)
    weight = torch.einsum("omhw,mi->oihw", second.weight, first.weight[:, :, 0, 0])
    one.weight = nn.Parameter(sign * weight)
    return one


exercise(
    "01.4",
    "two layers collapsed into one",
    {
        When(lambda one: isinstance(one, nn.Sequential), nn.Sequential): (
            "that is still both layers in a row; asked is a single nn.Conv2d"
        ),
        When(
            lambda one: isinstance(one, Tensor),
            lambda first, second: collapsed(first, second).weight,
        ): lambda one: (
            f"it returns the weights, {tuple(one.shape)}; put them into an nn.Conv2d"
        ),
        When(
            lambda one: not isinstance(one, nn.Conv2d), lambda first, second: None
        ): lambda one: f"it returns a {kind(one)}, not an nn.Conv2d",
        When(
            lambda one: one.weight.shape != (4, 5, 3, 3), lambda first, second: second
        ): lambda one: (
            f"its weight is {tuple(one.weight.shape)}: it must lead from the first "
            "layer's input to the second one's output, with the second one's kernel"
        ),
        When(
            lambda one: one(MAP).shape != (1, 4, 4, 4),
            lambda first, second: collapsed(first, second, padding=0),
        ): "the map must keep its size: take over the second layer's padding",
        When(
            lambda one: one.bias is not None and one.bias.any(),
            lambda first, second: collapsed(first, second, bias=True),
        ): "neither layer has a bias, so the one that replaces them must not have any",
        When(
            lambda one: not one(MAP).equal(SECOND(FIRST(MAP))),
            lambda first, second: collapsed(first, second, sign=2),
        ): (
            "the shape is right, the answers aren't: sum over the channels in the "
            "middle, for each place of the kernel"
        ),
    },
    read=read_collapsed,
    examples={nn.Conv2d(5, 4, 3): "function"},
)


VALUES = torch.tensor([12.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
ERRORS = (0.2, 0.4, 0.6)


def needed(s: Tensor, error: float) -> int:
    """The smallest k whose relative error is at most ``error``."""
    whole = s.square().sum()
    return next(
        k for k in range(len(s) + 1) if s[k:].square().sum() <= error**2 * whole
    )


def first_wrong(given: list) -> tuple[str, int, int]:
    """The first error that is answered wrongly, the answer, and how far off it is."""
    for error, k in zip(ERRORS, given, strict=False):
        if k != (right := needed(VALUES, error)):
            told = f"for the values 12, 10, 8, 6, 5, 4, 3, 2, 1 and an error of {error}"
            return told, k, k - right
    return "", 0, 0


exercise(
    "01.5",
    "how many channels to keep",
    {
        lambda s, error: len(s) - needed(s, error): lambda given: (
            f"{first_wrong(given)[0]}: that is how many may go; asked is how many stay"
        ),
        lambda s, error: needed(s, error**0.5): lambda given: (
            f"{first_wrong(given)[0]}: the error is a root: compare its square with "
            "sums of squares"
        ),
        When(
            lambda given: first_wrong(given)[2] == -1,
            lambda s, error: needed(s, error) - 1,
        ): lambda given: "{}: {} channels still lose more than that".format(
            *first_wrong(given)
        ),
        When(
            lambda given: first_wrong(given)[2] == 1,
            lambda s, error: needed(s, error) + 1,
        ): lambda given: f"{first_wrong(given)[0]}: one channel fewer is enough",
        When(lambda given: first_wrong(given)[2], lambda s, error: 99): lambda given: (
            "{}: not {}: add up what is cut off, the smallest values".format(
                *first_wrong(given)
            )
        ),
        When(
            lambda given: given[-1] != len(VALUES),
            lambda s, error: needed(s, error) if error else 6,
        ): "if nothing may be lost, all channels have to stay",
    },
    read=calls(*[(VALUES, error) for error in (*ERRORS, 0.0)]),
    examples={7: "function"},
)
