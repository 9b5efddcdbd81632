"""Exercises of 02 · The Inception module."""

import copy
from dataclasses import fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...analysis import costs
from ...model import GOOGLENET_WIDTHS, BranchWidths, Inception
from ..compare import beside, build, trace
from ..exercise import (
    Refused,
    calls,
    exercise,
    expects,
    output_shape,
    parts,
    sizes,
)

KERNELS = [(1, 1), (3, 1), (5, 1), (7, 1), (3, 2), (5, 3)]  # each with its dilation


@exercise(
    "02.1",
    "a padding that keeps the map's size",
    read=calls(*KERNELS),
    examples={
        lambda kernel_size, dilation: kernel_size // 2: "spans more",
        lambda kernel_size, dilation: (kernel_size - 1) / 2: "whole number",
        lambda kernel_size, dilation: dilation * (kernel_size - 1): "both sides",
        lambda kernel_size, dilation: 0: "become 26",
    },
)
def wrong_padding(paddings: list) -> str | None:
    """What is wrong with the first padding that doesn't keep a map of 28×28."""
    for (kernel_size, dilation), padding in zip(KERNELS, paddings, strict=True):
        case = f"kernel {kernel_size}, dilation {dilation}"
        if isinstance(padding, bool) or not isinstance(padding, int):
            return (
                f"{case}: nn.Conv2d wants a whole number, not {padding!r}; // divides "
                "without a remainder"
            )
        side = 28 + 2 * padding - dilation * (kernel_size - 1)
        if side > 28 and padding == dilation * (kernel_size - 1):
            return (
                f"{case}: 28 pixels become {side}. The padding is added on both sides, "
                "so each needs half of what is lost"
            )
        if side != 28:
            spread = " A dilated kernel spans more pixels" if dilation > 1 else ""
            return f"{case}: 28 pixels become {side}.{spread}"
    return None


W3A, W3B = GOOGLENET_WIDTHS["3a"], GOOGLENET_WIDTHS["3b"]
NAIVE_3A = 192 + W3A.out_channels - W3A.pool_proj
NEW = W3B.out_channels - W3B.pool_proj  # what 3b's three other branches add

exercise(
    "02.2",
    "the channels behind two naive modules",
    {
        NAIVE_3A: "that is after the first of the two",
        W3B.out_channels: "that is the paper's 3b, whose pooling has a projection",
        NAIVE_3A + W3B.out_channels: (
            "there is no projection: the pooling passes on its input and no more"
        ),
        W3A.out_channels + NEW: (
            "the second module reads the output of a *naive* 3a, which is wider"
        ),
    },
    right=NAIVE_3A + NEW,
    otherwise="not yet: all that comes in is passed on, and three branches join it",
    read=int,
    examples={5: "join"},
)


FIVE = 25 * 16 * 32  # the weights of the 5×5 of 02.3


def seen_pixels(module: nn.Module) -> int:
    """How many pixels of a 9×9 map can change the middle of the module's output."""
    module = copy.deepcopy(module).eval()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    x = torch.ones(1, 16, 9, 9, requires_grad=True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(module(x)[0, :, 4, 4].sum(), x)
    return int((gradient.abs().sum(1) > 0).sum())


def two_convolutions(between: int, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(16, between, 3, padding=padding),
        nn.ReLU(),
        nn.Conv2d(between, 32, 3, padding=padding),
    )


@exercise(
    "02.3",
    "two 3×3 that are cheaper than a 5×5",
    read=expects(nn.Module, "a layer (nn.Sequential)"),
    examples={
        two_convolutions(16, padding=0): "into 32×5×5",
        nn.Conv2d(16, 32, 3, padding=1): "sees 9 pixels",
        nn.Conv2d(16, 32, 3, padding=2, dilation=2): "sees 9 pixels",
        nn.Conv2d(16, 32, 5, padding=2): "has a 5×5 in it",
        two_convolutions(32): "should be between",
    },
)
def no_cheap_pair(module: nn.Module) -> str | None:
    shape = output_shape(module, 16, 9, 9)
    if shape != (32, 9, 9):
        return (
            f"it turns 16×9×9 into {sizes(shape)}, not into 32×9×9: look at the "
            "channels and at the padding of each convolution"
        )
    if (seen := seen_pixels(module)) != 25:
        return f"a place of its output sees {seen} pixels, not 5×5 = 25"
    if any(layer.kernel_size == (5, 5) for layer in parts(module, nn.Conv2d)):
        return "that has a 5×5 in it; take two 3×3"
    weights = sum(p.numel() for p in module.parameters() if p.dim() == 4)
    if weights >= FIVE:
        return (
            f"it has {weights:,} weights, the 5×5 has {FIVE:,}: how many channels "
            "should be between the two 3×3?"
        )
    return None


def broken_rule(widths: BranchWidths) -> str | None:
    """The first rule of the budget game that ``widths`` break, in words."""
    if widths.out_channels != 480:
        return f"it has {widths.out_channels} output channels, not 480"
    for field in fields(widths):
        width = getattr(widths, field.name)
        if width % 8:
            return f"{field.name}={width} is no multiple of 8"
    for name in ("ch1x1", "ch3x3", "ch5x5", "pool_proj"):
        floor = getattr(W3B, name) // 2
        if getattr(widths, name) < floor:
            return f"{name}={getattr(widths, name)} is below its floor, {floor}"
    for reduce, name in (("ch3x3red", "ch3x3"), ("ch5x5red", "ch5x5")):
        narrow, fed = getattr(widths, reduce), getattr(widths, name)
        if 8 * narrow < fed:
            return f"{reduce}={narrow} is less than an eighth of {name}={fed}"
    return None


def multiply_adds(widths: BranchWidths) -> int:
    """The score: what a module that replaces 3b computes per image."""
    return sum(cost.multiply_adds for cost in costs.inception(256, widths, 28).values())


def narrowest(width: int) -> int:
    """The narrowest reduction that may feed ``width`` channels."""
    return 8 * -(-width // 64)


CHEAPEST = BranchWidths(256, 16, 128, 8, 64, 32)


@exercise(
    "02.4",
    "480 channels for the fewest multiply-adds",
    read=expects(BranchWidths, "BranchWidths(…)"),
    examples={
        W3A: "256 output channels",
        BranchWidths(128, 24, 192, 20, 96, 64): "multiple of 8",
        BranchWidths(56, 32, 256, 16, 96, 72): "floor, 64",
        BranchWidths(128, 16, 192, 16, 96, 64): "an eighth",
        W3B: "wider than the rules ask",
        replace(CHEAPEST, ch5x5red=16): "wider than the rules ask",
        BranchWidths(128, 24, 192, 16, 96, 64): "Who should grow?",
    },
)
def not_the_cheapest(widths: BranchWidths) -> str | None:
    """The rule that is broken, or the score and what could be cheaper."""
    score = multiply_adds(widths)
    if (broken := broken_rule(widths)) or score == multiply_adds(CHEAPEST):
        return broken
    share = score / multiply_adds(W3B)
    told = f"allowed: {score / 1e6:.1f} million, {share:.0%} of 3b's. It goes lower: "
    reductions = (narrowest(widths.ch3x3), narrowest(widths.ch5x5))
    if (widths.ch3x3red, widths.ch5x5red) != reductions:
        return f"{told}a reduction is wider than the rules ask"
    costly = costs.inception(256, widths)
    three = sum(costly[n].multiply_adds for n in ("3x3 reduce", "3x3")) / widths.ch3x3
    five = sum(costly[n].multiply_adds for n in ("5x5 reduce", "5x5")) / widths.ch5x5
    return (
        f"{told}at a place, an output of the 1×1 or of the pooling costs 256, of your "
        f"3×3 with its reduction {three:.0f}, of your 5×5 {five:.0f}. Who should grow?"
    )


NUMBERS = torch.Generator().manual_seed(0)
A = torch.randn(2, 3, 4, 4, generator=NUMBERS)
B = torch.randn(2, 5, 4, 4, generator=NUMBERS)
WEIGHT = torch.randn(6, 8, 1, 1, generator=NUMBERS)


class Watch(TorchFunctionMode):
    """Refuses to concatenate tensors while it is on."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ in ("cat", "concat", "concatenate", "hstack"):
            raise Refused("that concatenates; the task is to do without")
        return func(*args, **(kwargs or {}))


def read_without_joining(answer) -> Tensor:
    try:
        with Watch():
            return calls((A, B, WEIGHT))(answer)
    except RuntimeError as error:
        raise Refused(
            f"with 3 and 5 channels it stops: {error}. Does each convolution get as "
            "many columns of the weight as its input has channels?"
        ) from None


def halves(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    left, right = weight.chunk(2, 1)
    return F.conv2d(a, left) + F.conv2d(b, right)


exercise(
    "02.5",
    "concatenate, then 1×1, without concatenating",
    {
        lambda a, b, w: F.conv2d(a, w[:, 5:]) + F.conv2d(b, w[:, :5]): (
            "a and b are swapped: the first columns of the weight belong to a"
        ),
    },
    right=F.conv2d(torch.cat([A, B], 1), WEIGHT),
    otherwise="the numbers aren't right: which columns of the weight read a?",
    read=read_without_joining,
    examples={
        halves: "columns of the weight",
        lambda a, b, w: F.conv2d(torch.cat([a, b], 1), w): "concatenates",
        lambda a, b, w: a.sum(1): "it should return 2×6×4×4 numbers",
        lambda a, b, w: F.conv2d(a, w[:, :3]) - F.conv2d(b, w[:, 3:]): "read a",
    },
)


SMALL = BranchWidths(3, 5, 7, 2, 4, 6)  # no two layers look alike
JOINED = {  # channels that come out where something is wrong
    3 + 7 + 4 + 8: "the pooling branch has no projection: all 8 channels pass",
    3 + 5 + 2 + 6: "reductions stay inside: what they feed comes out, 7 and 4 channels",
    3 + 7 + 4: "three branches come out: where is the pooling?",
}


@exercise(
    "02.6",
    "an Inception module of your own",
    read=lambda cls: build(cls, 8, SMALL),
    praise="with the library's weights it gives the library's answers",
    edits={
        ("super().__init__()", "pass"): "call super().__init__()",
        ("w.ch3x3, 3, padding=1", "w.ch3x3, 3"): "needs padding=1",
        ("w.ch5x5, 5, padding=2", "w.ch5x5, 5"): "needs padding=2",
        ("w.ch5x5, 5, padding=2", "w.ch5x5, 5, padding=1"): "makes 7×8 out of 9×10",
        ("stride=1, padding=1", "stride=2, padding=1"): "the pooling makes 5×5",
        ("MaxPool2d(3, stride=1, padding=1)", "MaxPool2d(3)"): "the pooling makes 3×3",
        ("MaxPool2d(", "AvgPool2d("): "an average, not the maximum",
        ("self.pool(x)", "x"): "the pooling is missing",
        ("F.relu(self.project(self.pool(x)))", "self.pool(x)"): "no projection",
        ("self.project(self.pool(x))", "self.pool(self.project(x))"): "`project`",
        ("torch.cat([one, three, five, pool], dim=1)", "one + three"): "adds the",
        ("dim=1", "dim=0"): "along dimension 0",
        ("dim=1", "dim=-1"): "along dimension 3",
        ("torch.cat(", "torch.stack("): "new dimension",
        ("torch.cat([one, three, five, pool], dim=1)", "[one, three]"): "returns list",
        ("[one, three, five, pool]", "[pool, one, three, five]"): "another order",
        ("[one, three, five, pool]", "[one, three, five]"): "where is the pooling?",
        ("F.relu(self.one(x))", "self.one(x)"): "a ReLU is missing at the end",
        ("F.relu(self.reduce3(x))", "self.reduce3(x)"): "no ReLU in front of `three`",
        ("F.relu(self.reduce5(x))", "self.reduce5(x)"): "no ReLU in front of `five`",
        ("w.ch3x3red, w.ch3x3, 3", "in_channels, w.ch3x3, 3"): "`three` expects 8",
        ("w.ch5x5, 5, padding=2", "w.ch5x5, 3, padding=1"): "should be 5×5",
        ("w = widths", "w = replace(widths, ch3x3=5, ch3x3red=7)"): "should be",
        ("(in_channels, w.ch1x1, 1)", "(192, w.ch1x1, 1)"): "`one` expects 192",
        ("w.ch1x1, 1)", "w.ch1x1, 1, bias=False)"): "has no bias",
        ("self.one(x)", "nn.Conv2d(8, 3, 1)(x)"): "never uses",
        (
            "nn.Conv2d(in_channels, w.ch1x1, 1)",
            "nn.Sequential(nn.Conv2d(in_channels, w.ch1x1, 1), nn.BatchNorm2d(3))",
        ): "each bias is there twice",
    },
)
def no_inception(module: nn.Module) -> str | None:
    x = torch.randn(2, 8, 9, 10, generator=torch.Generator().manual_seed(0))
    given = trace(module, x).result
    if isinstance(given, Tensor) and given.shape[1] in JOINED:
        return JOINED[given.shape[1]]
    return beside(module, Inception(8, SMALL).eval(), x)
