"""Exercises of 02 · The Inception module."""

import copy
from dataclasses import fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...analysis import costs
from ...model import GOOGLENET_WIDTHS, BranchWidths
from ..exercise import Refused, When, calls, exercise, kind, sizes

KERNELS = [(1, 1), (3, 1), (5, 1), (7, 1), (3, 2), (5, 3)]  # each with its dilation


def wrong_padding(paddings: list) -> str | None:
    """What is wrong with the first padding that doesn't keep a map of 28×28."""
    for (kernel_size, dilation), padding in zip(KERNELS, paddings, strict=True):
        case = f"kernel {kernel_size}, dilation {dilation}"
        if isinstance(padding, bool) or not isinstance(padding, int):
            return (
                f"{case}: nn.Conv2d wants a whole number, not {padding!r}; // divides "
                "without a remainder"
            )
        if padding < 0:
            return f"{case}: a padding of {padding} takes pixels away"
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


exercise(
    "02.1",
    "a padding that keeps the map's size",
    {When(wrong_padding, lambda kernel_size, dilation: 0): wrong_padding},
    read=calls(*KERNELS),
    examples={
        2: "function",
        lambda kernel_size, dilation: kernel_size // 2: "spans more",
        lambda kernel_size, dilation: (kernel_size - 1) / 2: "whole number",
        lambda kernel_size, dilation: dilation * (kernel_size - 1): "both sides",
        lambda kernel_size, dilation: 0: "become 26",
        lambda kernel_size, dilation: -1: "takes pixels away",
    },
)


W3A, W3B = GOOGLENET_WIDTHS["3a"], GOOGLENET_WIDTHS["3b"]
NAIVE_3A = 192 + W3A.out_channels - W3A.pool_proj
NEW = W3B.out_channels - W3B.pool_proj  # what 3b's three other branches add

exercise(
    "02.2",
    "the channels behind two naive modules",
    {
        NAIVE_3A: "that is after the first of the two",
        W3B.out_channels: (
            "that is the paper's 3b, whose pooling branch has a projection"
        ),
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


def read_layer(answer) -> nn.Module:
    if not isinstance(answer, nn.Module):
        raise Refused(f"asked is a layer (nn.Sequential), got {kind(answer)}")
    return answer


def shape_from_16x9x9(module: nn.Module) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(module(torch.zeros(1, 16, 9, 9)).shape[1:])


def seen_pixels(module: nn.Module) -> int:
    """How many pixels of a 9×9 map can change the middle of the module's output."""
    module = copy.deepcopy(module).eval()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    x = torch.ones(1, 16, 9, 9, requires_grad=True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(module(x)[0, :, 4, 4].sum(), x)
    return int((gradient.abs().sum(1) > 0).sum())


def weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.dim() == 4)


def two_convolutions(between: int, **form) -> nn.Sequential:
    form = {"kernel_size": 3, "padding": 1} | form
    return nn.Sequential(
        nn.Conv2d(16, between, **form), nn.ReLU(), nn.Conv2d(between, 32, **form)
    )


exercise(
    "02.3",
    "two 3×3 that are cheaper than a 5×5",
    {
        When(
            lambda m: shape_from_16x9x9(m) != (32, 9, 9),
            two_convolutions(16, padding=0),
        ): lambda m: (
            f"it turns 16×9×9 into {sizes(shape_from_16x9x9(m))}, not into 32×9×9: "
            "look at the channels and at the padding of each convolution"
        ),
        When(
            lambda m: seen_pixels(m) != 25,
            nn.Conv2d(16, 32, 3, padding=1),
            nn.Conv2d(16, 32, 3, padding=2, dilation=2),
        ): lambda m: (
            f"a place of its output sees {seen_pixels(m)} pixels, not 5×5 = 25"
        ),
        When(
            lambda m: any(
                getattr(part, "kernel_size", None) == (5, 5) for part in m.modules()
            ),
            nn.Conv2d(16, 32, 5, padding=2),
        ): "that has a 5×5 in it; take two 3×3",
        When(
            lambda m: weights(m) == 9 * (16 * 32 + 32 * 32), two_convolutions(32)
        ): lambda m: (
            f"that is kuangliu's way, with {weights(m):,} weights, more than the 5×5's "
            f"{FIVE:,}: how many channels should be between the two?"
        ),
        When(lambda m: weights(m) >= FIVE, two_convolutions(30)): lambda m: (
            f"it has {weights(m):,} weights, the 5×5 has {FIVE:,}"
        ),
    },
    read=read_layer,
)


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


def cheapest() -> BranchWidths:
    """The best of all allowed widths, found by trying them.

    A projection costs what a 1×1 costs, so the pooling branch stays at its floor; and
    no wider reduction is ever cheaper.
    """
    pool_proj = W3B.pool_proj // 2
    tried = (
        BranchWidths(rest, narrowest(three), three, narrowest(five), five, pool_proj)
        for three in range(8, 480, 8)
        for five in range(8, 480, 8)
        if (rest := 480 - three - five - pool_proj) > 0
    )
    return min((w for w in tried if not broken_rule(w)), key=multiply_adds)


CHEAPEST = cheapest()


def read_widths(answer) -> BranchWidths:
    if not isinstance(answer, BranchWidths):
        raise Refused(f"asked is BranchWidths(…), got {kind(answer)}")
    return answer


def allowed(widths: BranchWidths) -> str:
    score = multiply_adds(widths)
    share = score / multiply_adds(W3B)
    return f"allowed: {score / 1e6:.1f} million, {share:.0%} of 3b's. It goes lower: "


def who_should_grow(widths: BranchWidths) -> str:
    parts = costs.inception(256, widths)
    three = sum(parts[n].multiply_adds for n in ("3x3 reduce", "3x3")) / widths.ch3x3
    five = sum(parts[n].multiply_adds for n in ("5x5 reduce", "5x5")) / widths.ch5x5
    return (
        f"{allowed(widths)}at a place, an output of the 1×1 or of the pooling costs "
        f"256, of your 3×3 with its reduction {three:.0f}, of your 5×5 {five:.0f}. "
        "Who should grow?"
    )


exercise(
    "02.4",
    "480 channels for the fewest multiply-adds",
    {
        When(
            broken_rule,
            W3A,
            BranchWidths(128, 24, 192, 20, 96, 64),
            BranchWidths(56, 32, 256, 16, 96, 72),
            BranchWidths(128, 16, 192, 16, 96, 64),
        ): broken_rule,
        When(
            lambda w: (
                (w.ch3x3red, w.ch5x5red) != (narrowest(w.ch3x3), narrowest(w.ch5x5))
            ),
            W3B,
            replace(CHEAPEST, ch5x5red=16),
        ): lambda w: f"{allowed(w)}a reduction is wider than the rules ask",
        When(
            lambda w: multiply_adds(w) > multiply_adds(CHEAPEST),
            BranchWidths(128, 24, 192, 16, 96, 64),
        ): who_should_grow,
    },
    read=read_widths,
    examples={
        BranchWidths(128, 24, 192, 20, 96, 64): "multiple of 8",
        BranchWidths(56, 32, 256, 16, 96, 72): "floor, 64",
        BranchWidths(128, 16, 192, 16, 96, 64): "an eighth",
        W3A: "256 output channels",
    },
)


NUMBERS = torch.Generator().manual_seed(0)
A = torch.randn(2, 3, 4, 4, generator=NUMBERS)
B = torch.randn(2, 5, 4, 4, generator=NUMBERS)
WEIGHT = torch.randn(6, 8, 1, 1, generator=NUMBERS)
JOINED = F.conv2d(torch.cat([A, B], 1), WEIGHT)


class Watch(TorchFunctionMode):
    """Refuses to concatenate tensors while it is on."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ in ("cat", "concat", "concatenate", "hstack"):
            raise Refused("that concatenates; the task is to do without")
        return func(*args, **(kwargs or {}))


def read_without_joining(answer) -> Tensor:
    try:
        with Watch():
            given = calls((A, B, WEIGHT))(answer)
    except RuntimeError as error:
        raise Refused(
            f"with 3 and 5 channels it stops: {error}. Does each convolution get as "
            "many columns of the weight as its input has channels?"
        ) from None
    if not isinstance(given, Tensor) or given.shape != JOINED.shape:
        raise Refused(f"it should return a tensor of shape {tuple(JOINED.shape)}")
    return given


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
    right=JOINED,
    otherwise=(
        "the shape is right, the numbers aren't: which columns of the weight read a?"
    ),
    read=read_without_joining,
    examples={
        halves: "columns of the weight",
        lambda a, b, w: F.conv2d(torch.cat([a, b], 1), w): "concatenates",
        lambda a, b, w: a.sum(1): "shape",
        lambda a, b, w: F.conv2d(a, w[:, :3]) - F.conv2d(b, w[:, 3:]): "read a",
    },
)
