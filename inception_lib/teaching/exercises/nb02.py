"""Checks of 02 · The Inception module."""

import copy
from dataclasses import fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...analysis import costs
from ...model import GOOGLENET_WIDTHS, BranchWidths
from . import exercise


@exercise("02.1", "a padding that keeps the map's size")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    for kernel_size, dilation in [(1, 1), (3, 1), (5, 1), (7, 1), (3, 2), (5, 3)]:
        padding = answer(kernel_size, dilation)
        case = f"kernel {kernel_size}, dilation {dilation}"
        if isinstance(padding, bool) or not isinstance(padding, int):
            return (
                f"{case}: nn.Conv2d wants a whole number, not {padding!r}; // divides "
                "without a remainder"
            )
        if padding < 0:
            return f"{case}: a padding of {padding} takes pixels away"
        layer = nn.Conv2d(1, 1, kernel_size, padding=padding, dilation=dilation)
        side = layer(torch.zeros(1, 1, 28, 28)).shape[-1]
        if side > 28 and padding == dilation * (kernel_size - 1):
            return (
                f"{case}: 28 pixels become {side}. The padding is added on both sides, "
                "so each needs half of what is lost"
            )
        if side != 28:
            spread = " A dilated kernel spans more pixels" if dilation > 1 else ""
            return f"{case}: 28 pixels become {side}.{spread}"


@exercise("02.2", "the channels behind two naive modules")
def _(answer) -> str | None:
    given = int(answer)
    first, second = GOOGLENET_WIDTHS["3a"], GOOGLENET_WIDTHS["3b"]
    after_one = 192 + first.out_channels - first.pool_proj
    new = second.out_channels - second.pool_proj
    if given == after_one + new:
        return None
    if given == after_one:
        return "that is behind the first of the two"
    if given == second.out_channels:
        return "that is the paper's 3b, whose pooling branch has a projection"
    if given == after_one + second.out_channels:
        return "there is no projection: the pooling hands on its input and no more"
    if given == first.out_channels + new:
        return "the second module reads what a *naive* 3a puts out, which is more"
    if given == new:
        return "the pooling branch hands on all channels that came in"
    return "not yet: what comes in goes out again, and three branches join it"


@exercise("02.3", "two 3×3 that are cheaper than a 5×5")
def _(answer) -> str | None:
    if not isinstance(answer, nn.Module):
        return f"asked is a layer (nn.Sequential), got {type(answer).__name__}"
    weights = sum(p.numel() for p in answer.parameters() if p.dim() == 4)
    with torch.no_grad():
        shape = tuple(answer(torch.zeros(1, 16, 9, 9)).shape[1:])
    if shape != (32, 9, 9):
        return (
            f"it turns 16×9×9 into {'×'.join(map(str, shape))}, not into 32×9×9: look "
            "at the channels and at the padding of each convolution"
        )
    pixels = _seen(answer)
    if pixels != 25:
        return f"a place of its output sees {pixels} pixels, not 5×5 = 25"
    five = 25 * 16 * 32
    kernels = [m.kernel_size for m in answer.modules() if isinstance(m, nn.Conv2d)]
    if (5, 5) in kernels:
        return "that has a 5×5 in it; take two 3×3"
    if weights == 9 * (16 * 32 + 32 * 32):
        return (
            f"that is kuangliu's way, with {weights:,} weights, more than the 5×5's "
            f"{five:,}: how many channels should be between the two?"
        )
    if weights >= five:
        return f"it has {weights:,} weights, the 5×5 has {five:,}"


def _seen(module: nn.Module) -> int:
    """How many pixels of a 9×9 map can change the middle of the module's output."""
    module = copy.deepcopy(module).eval()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    x = torch.ones(1, 16, 9, 9, requires_grad=True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(module(x)[0, :, 4, 4].sum(), x)
    return int((gradient.abs().sum(1) > 0).sum())


@exercise("02.4", "480 channels for the fewest multiply-adds")
def _(answer) -> str | None:
    if not isinstance(answer, BranchWidths):
        return f"asked is BranchWidths(…), got {type(answer).__name__}"
    if broken := broken_rule(answer):
        return broken
    score = multiply_adds(answer)
    if score <= multiply_adds(cheapest()):
        return None
    share = score / multiply_adds(GOOGLENET_WIDTHS["3b"])
    told = f"allowed: {score / 1e6:.1f} million, {share:.0%} of 3b's. It goes lower: "
    if (answer.ch3x3red, answer.ch5x5red) != _narrowest(answer.ch3x3, answer.ch5x5):
        return told + "a reduction is wider than the rules ask"
    parts = costs.inception(256, answer)
    three = sum(parts[n].multiply_adds for n in ("3x3 reduce", "3x3")) / answer.ch3x3
    five = sum(parts[n].multiply_adds for n in ("5x5 reduce", "5x5")) / answer.ch5x5
    return told + (
        f"at a place, an output of the 1×1 or of the pooling costs 256, of your 3×3 "
        f"with its reduction {three:.0f}, of your 5×5 {five:.0f}. Who should grow?"
    )


def broken_rule(widths: BranchWidths) -> str | None:
    """The first rule of the budget game that ``widths`` break, in words."""
    if widths.out_channels != 480:
        return f"it puts out {widths.out_channels} channels, not 480"
    for field in fields(widths):
        width = getattr(widths, field.name)
        if width % 8:
            return f"{field.name}={width} is no multiple of 8"
    for name in ("ch1x1", "ch3x3", "ch5x5", "pool_proj"):
        floor = getattr(GOOGLENET_WIDTHS["3b"], name) // 2
        if getattr(widths, name) < floor:
            return f"{name}={getattr(widths, name)} is below its floor, {floor}"
    for reduce, name in (("ch3x3red", "ch3x3"), ("ch5x5red", "ch5x5")):
        narrow, fed = getattr(widths, reduce), getattr(widths, name)
        if 8 * narrow < fed:
            return f"{reduce}={narrow} is less than an eighth of {name}={fed}"


def multiply_adds(widths: BranchWidths) -> int:
    """The score: what a module in the place of 3b computes per image."""
    return sum(cost.multiply_adds for cost in costs.inception(256, widths, 28).values())


def cheapest() -> BranchWidths:
    """The best of all allowed widths, found by trying them.

    A projection costs what a 1×1 costs, so the pooling branch stays at its floor; and
    no wider reduction is ever cheaper.
    """
    pool_proj = GOOGLENET_WIDTHS["3b"].pool_proj // 2
    tried = (
        BranchWidths(rest, *_branch(ch3x3), *_branch(ch5x5), pool_proj)
        for ch3x3 in range(8, 480, 8)
        for ch5x5 in range(8, 480, 8)
        if (rest := 480 - ch3x3 - ch5x5 - pool_proj) > 0
    )
    return min((w for w in tried if not broken_rule(w)), key=multiply_adds)


def _branch(width: int) -> tuple[int, int]:
    """The narrowest reduction that may feed ``width`` channels, and these."""
    return _narrowest(width)[0], width


def _narrowest(*widths: int) -> tuple[int, ...]:
    return tuple(8 * -(-width // 64) for width in widths)


@exercise("02.5", "concatenate, then 1×1, without concatenating")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    numbers = torch.Generator().manual_seed(0)
    a = torch.randn(2, 3, 4, 4, generator=numbers)
    b = torch.randn(2, 5, 4, 4, generator=numbers)
    weight = torch.randn(6, 8, 1, 1, generator=numbers)
    watch = _Watch()
    try:
        with watch:
            given = answer(a, b, weight)
    except RuntimeError as error:
        return (
            f"with 3 and 5 channels it stops: {error}. Does each convolution get as "
            "many columns of the weight as its input has channels?"
        )
    right = F.conv2d(torch.cat([a, b], 1), weight)
    if watch.joined:
        return "that concatenates; the task is to do without"
    if not isinstance(given, Tensor) or given.shape != right.shape:
        return f"it should return a tensor of shape {tuple(right.shape)}"
    if torch.allclose(given, right, atol=1e-5):
        return None
    swapped = F.conv2d(torch.cat([b, a], 1), weight)
    if torch.allclose(given, swapped, atol=1e-5):
        return "a and b are swapped: the first columns of the weight belong to a"
    return "the shape is right, the numbers aren't: which columns of the weight read a?"


class _Watch(TorchFunctionMode):
    """Notes whether tensors are concatenated while it is on."""

    joined = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.joined |= func.__name__ in ("cat", "concat", "concatenate", "hstack")
        return func(*args, **(kwargs or {}))


def _two_convolutions(between: int, **form) -> nn.Sequential:
    form = {"kernel_size": 3, "padding": 1} | form
    return nn.Sequential(
        nn.Conv2d(16, between, **form), nn.ReLU(), nn.Conv2d(between, 32, **form)
    )


def _halves(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    left, right = weight.chunk(2, 1)
    return F.conv2d(a, left) + F.conv2d(b, right)


WRONG = [
    ("02.1", 2, "function"),
    ("02.1", lambda kernel_size, dilation: kernel_size // 2, "spans more"),
    ("02.1", lambda kernel_size, dilation: (kernel_size - 1) / 2, "whole number"),
    ("02.1", lambda kernel_size, dilation: dilation * (kernel_size - 1), "both sides"),
    ("02.1", lambda kernel_size, dilation: 0, "become 26"),
    ("02.1", lambda kernel_size, dilation: -1, "takes pixels away"),
    ("02.2", 416, "first of the two"),
    ("02.2", 480, "projection"),
    ("02.2", 896, "no more"),
    ("02.2", 672, "naive"),
    ("02.2", 5, "join"),
    ("02.3", nn.Conv2d(16, 32, 3, padding=1), "sees 9"),
    ("02.3", nn.Conv2d(16, 32, 3, padding=2, dilation=2), "sees 9"),
    ("02.3", nn.Conv2d(16, 32, 5, padding=2), "take two"),
    ("02.3", _two_convolutions(16, padding=0), "padding"),
    ("02.3", _two_convolutions(32), "kuangliu"),
    ("02.3", _two_convolutions(30), "12,960"),
    ("02.4", GOOGLENET_WIDTHS["3a"], "256 channels"),
    ("02.4", GOOGLENET_WIDTHS["3b"], "wider than the rules"),
    ("02.4", BranchWidths(128, 24, 192, 20, 96, 64), "multiple of 8"),
    ("02.4", BranchWidths(56, 32, 256, 16, 96, 72), "floor, 64"),
    ("02.4", BranchWidths(128, 16, 192, 16, 96, 64), "an eighth"),
    ("02.4", BranchWidths(128, 24, 192, 16, 96, 64), "Who should grow"),
    ("02.4", replace(cheapest(), ch5x5red=16), "wider than the rules"),
    ("02.5", _halves, "columns of the weight"),
    ("02.5", lambda a, b, w: F.conv2d(torch.cat([a, b], 1), w), "concatenates"),
    ("02.5", lambda a, b, w: a.sum(1), "shape"),
    (
        "02.5",
        lambda a, b, w: F.conv2d(a, w[:, 5:]) + F.conv2d(b, w[:, :5]),
        "swapped",
    ),
    ("02.5", lambda a, b, w: F.conv2d(a, w[:, :3]) - F.conv2d(b, w[:, 3:]), "read a"),
]
