"""Straight cracks: drawn into a picture, and looked for in one."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_rate

# Solar cells have two bus bars or three: this row lies between those of both.
BETWEEN_BARS = (0.38, 0.5)
FLANK = 3  # pixels from a line to the surface that it is compared with


def across_and_along(side: int, angle: float, middle: tuple[float, float]):
    """How far each pixel of a side×side picture is from a line through ``middle`` (row,
    column), and how far along it: two side×side tensors, in pixels. ``angle`` is in
    degrees, 0 is horizontal, 45 rises to the right.
    """
    places = torch.arange(side) + 0.5
    y, x = torch.meshgrid(middle[0] - places, places - middle[1], indexing="ij")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return y * cos - x * sin, x * cos + y * sin


def draw_crack(
    images: Tensor,
    angle: float,
    length: float = 0.6,
    width: float = 1.0,
    darkness: float = 0.4,
    middle: tuple[float, float] = BETWEEN_BARS,
) -> Tensor:
    """N×C×S×S pictures (uint8) with a straight crack drawn into each.

    ``angle`` in degrees, counter-clockwise from horizontal; ``width`` in pixels;
    ``darkness`` is the fraction of the light that it takes; ``length`` and its
    ``middle`` (row, column) are fractions of the side; it lies at the centre of a pixel,
    so that a thin crack is as dark at 0 and 90 degrees as at others. Raises ValueError
    unless length and darkness are at least 0 and below 1.
    """
    check_rate(length=length, darkness=darkness)
    side = images.shape[-1]
    row, column = (math.floor(place * side) + 0.5 for place in middle)
    across, along = across_and_along(side, angle, (row, column))
    beyond = (along.abs() - length * side / 2).clamp_min(0)
    cover = (width / 2 + 0.5 - torch.hypot(across, beyond)).clamp(0, min(1.0, width))
    return (images.float() * (1 - darkness * cover)).round().byte()


def darkest_lines(images: Tensor, angles: list[float], length: float = 0.25) -> Tensor:
    """How much darker than the surface on both its sides the darkest line of
    each angle is, as a fraction of the picture's mean: N×C×S×S -> N×len(angles).

    A line is a pixel wide and ``length`` of the side long, and may lie anywhere. What
    is darker than one side only is an edge and doesn't count.
    """
    side = 2 * round(length * images.shape[-1] / 2) + 2 * FLANK + 3
    kernels = []
    for angle in angles:
        across, along = across_and_along(side, angle, (side / 2, side / 2))
        near = along.abs() <= length * images.shape[-1] / 2
        line, one, other = (
            (1 - (across - away).abs()).clamp_min(0) * near
            for away in (0, -FLANK, FLANK)
        )
        for flank in (one, other):
            kernels.append(flank / flank.sum() - line / line.sum())
    found = []
    for part in images.split(64):
        grey = part.float().mean(1, keepdim=True)
        grey = grey / grey.mean((2, 3), keepdim=True).clamp_min(1)
        darker = F.conv2d(grey, torch.stack(kernels)[:, None])
        found.append(darker.unflatten(1, (-1, 2)).amin(2).amax((2, 3)))
    return torch.cat(found)
