"""Exercises of 10 · The race."""

from typing import Any

import torch
from torch import nn

from ...analysis.forms import FORMS, Racer
from ...analysis.speed import network_flops
from ...model import GOOGLENET_WIDTHS, BranchWidths
from ..exercise import Refused, exercise, sizes

exercise(
    "10.1",
    "what a window sees of a blotch",
    {
        5 / 7: "that is the side; count pixels",
        0.56: "that is the picture's, whose edges are soft; here all are equally dark",
        49 / 25: "no window sees more than all of it",
        1 - 25 / 49: "that is the share that it misses",
        25: "that is in pixels; asked is the share",
    },
    right=25 / 49,
    otherwise="not yet: pixels inside the window / pixels of the blotch",
    within=0.01,
)
exercise(
    "10.2",
    "how uneven a count is",
    {
        12 / 656**0.5: "images on which both agree say nothing: leave them out",
        12 / 48: "divide by the root: a sum of 48 coin tosses spreads by √48",
        12: "that is the difference; in which unit of chance?",
        12 / 18**0.5: "chance plays on all 48 images where only one is right",
        12 / 30**0.5: "chance plays on all 48 images where only one is right",
    },
    right=12 / 48**0.5,
    otherwise="not yet: the difference, divided by the root of the sum",
    within=0.01,
)
exercise(
    "10.3",
    "two 3×3 for a 5×5",
    {
        9 / 25: "that is one of them",
        25 / 18: "turn it over: asked is the two 3×3 as a share of the 5×5",
        1 - 18 / 25: "that is what they save",
        18: "compare with the 25 of the 5×5",
    },
    right=18 / 25,
    otherwise="not yet: weights per pair of channels, two squares against one",
    within=0.01,
)

PRICE = network_flops(Racer("Inception"), 96)


def read_form(answer: Any) -> tuple[Any, float]:
    """A form and its scale, as FORMS has them; Refused if it makes no module."""
    if not isinstance(answer, tuple) or len(answer) != 2 or not callable(answer[0]):
        raise Refused("asked is a pair: your function, and the scale of the widths")
    form, scale = answer
    if isinstance(scale, bool) or not isinstance(scale, int | float) or scale <= 0:
        raise Refused(f"the scale is a positive number, got {scale!r}")
    try:
        module = form(192, GOOGLENET_WIDTHS["3a"])
    except Exception as error:
        raise Refused(f"your function stops: {type(error).__name__}: {error}") from None
    if not isinstance(module, nn.Module):
        raise Refused(
            f"your function must return a module, not {type(module).__name__}"
        )
    try:
        shape = module.eval()(torch.zeros(1, 192, 12, 12)).shape
    except Exception as error:
        raise Refused(f"on 192×12×12 your module stops: {error}") from None
    if tuple(shape[2:]) != (12, 12):
        raise Refused(f"12×12 becomes {sizes(shape[2:])}: keep it by padding, stride 1")
    return form, float(scale)


def plain(n: int, w: BranchWidths) -> nn.Module:
    return nn.Conv2d(n, w.out_channels, 1)


def shrinking(n: int, w: BranchWidths) -> nn.Module:
    return nn.Conv2d(n, w.out_channels, 3)


@exercise(
    "10.4",
    "your own form at Inception's price",
    read=read_form,
    examples={
        (plain, 0.5): "of Inception's price",
        (shrinking, 0.5): "keep it by padding",
        (plain, 0): "positive number",
        (len, 0.5): "your function stops",
        (lambda n, w: n, 0.5): "must return a module",
        (lambda n, w: nn.Linear(3, 3), 0.5): "your module stops",
        FORMS["residual"][0]: "asked is a pair",
    },
    praise="train_racer takes it like the others",
)
def wrong_price(seen: tuple[Any, float]) -> str | None:
    share = network_flops(Racer(seen), 96) / PRICE
    if abs(share - 1) <= 0.05:
        return None
    other = "smaller" if share > 1 else "larger"
    return (
        f"{share:.0%} of Inception's price: try a {other} scale, until it is 95 to 105"
    )
