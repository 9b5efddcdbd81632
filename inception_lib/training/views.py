"""Test-time views: many looks at one image, whose answers are averaged (section 7)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from ..checks import check_positive
from .later import TF

# N×C×H×W uint8 images and a size -> several times N×C×size×size uint8.
Views = Callable[[Tensor, int], Iterator[Tensor]]

# Section 7: the shorter side for crops of 224.
SHORTER_SIDES = (256, 288, 320, 352)


class Crop(NamedTuple):
    """One of the paper's 144 crops.

    The image is resized to height × width; the square at (top, left) with this side is
    cut out, resized to the network's size if it is larger, and perhaps flipped.
    """

    height: int
    width: int
    top: int
    left: int
    side: int
    flipped: bool


def paper_crops(height: int, width: int, size: int = 224) -> list[Crop]:
    """The 144 crops of section 7 for an image of height × width pixels.

    Four scales with the shorter side at 256, 288, 320 and 352 (for another ``size`` in
    proportion); of each the left, the middle and the right square (of a portrait the
    top, the middle and the bottom); of each square the four corners and the centre at
    size×size, and the square as a whole; each of them also flipped: 4 × 3 × 6 × 2. The
    three squares of a square image are the same, so every crop comes three times.
    Raises ValueError on a number that is no positive integer.
    """
    check_positive(height=height, width=width, size=size)
    crops = []
    for shorter in SHORTER_SIDES:
        side = round(shorter * size / 224)
        factor = side / min(height, width)
        scaled = round(height * factor), round(width * factor)
        spare = scaled[0] - side, scaled[1] - side
        rest = side - size
        corners = [(0, 0), (0, rest), (rest, 0), (rest, rest)]
        places = [(*place, size) for place in [*corners, (rest // 2, rest // 2)]]
        for third in (0, 1, 2):
            top, left = (room * third // 2 for room in spare)
            for y, x, length in [*places, (0, 0, side)]:
                for flipped in (False, True):
                    crops.append(Crop(*scaled, top + y, left + x, length, flipped))
    return crops


def cut(images: Tensor, crop: Crop, size: int) -> Tensor:
    """One crop of each image: N×C×H×W uint8 -> N×C×size×size uint8."""
    scaled = TF.resize(images, [crop.height, crop.width], antialias=True)
    part = TF.crop(scaled, crop.top, crop.left, crop.side, crop.side)
    part = TF.resize(part, [size, size], antialias=True)
    return part.flip(3) if crop.flipped else part


def one(images: Tensor, size: int) -> Iterator[Tensor]:
    """The image as it is, resized."""
    yield TF.resize(images, [size, size], antialias=True)


def horizontal(images: Tensor, size: int) -> Iterator[Tensor]:
    """The image and its left-right flip."""
    for view in one(images, size):
        yield from (view, view.flip(3))


def both(images: Tensor, size: int) -> Iterator[Tensor]:
    """The four flips of a rectangle, which a solar cell's bus bars allow: as it is,
    left-right, up-down, both.
    """
    for view in horizontal(images, size):
        yield from (view, view.flip(2))


def dihedral(images: Tensor, size: int) -> Iterator[Tensor]:
    """The eight views of a square: its four flips, and each turned by a quarter."""
    for view in both(images, size):
        yield from (view, view.transpose(2, 3))


def ten_crops(images: Tensor, size: int) -> Iterator[Tensor]:
    """Four corners and the centre at 8/7 of the size, and their flips, as in Krizhevsky
    et al. 2012, whom the paper follows.
    """
    side = round(size * SHORTER_SIDES[0] / 224)
    yield from TF.ten_crop(TF.resize(images, [side, side], antialias=True), [size] * 2)


def paper(images: Tensor, size: int) -> Iterator[Tensor]:
    """The paper's 144 crops; of square images only the 48 that differ."""
    height, width = images.shape[-2:]
    for crop in dict.fromkeys(paper_crops(height, width, size)):
        yield cut(images, crop, size)


# The names that ``Run.predict`` takes.
VIEWS: dict[str, Views] = {
    look.__name__: look for look in (one, horizontal, both, dihedral, ten_crops, paper)
}
CROPPING = {"ten_crops", "paper"}  # they need more pixels than the network's input
