"""Many looks at one picture, whose answers are averaged: section 7 of the paper."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor

from ..checks import check_positive
from ..model import GoogLeNet, for_serving
from .data import prepare

Views = Callable[[Tensor, int], Iterator[Tensor]]

# Section 7: the shorter side for crops of 224.
SHORTER_SIDES = (256, 288, 320, 352)


class Crop(NamedTuple):
    """One of the paper's 144 looks at a picture.

    The picture is scaled to height × width; the square at (top, left) with this side is
    cut out, scaled to the network's size if it is larger, and perhaps mirrored.
    """

    height: int
    width: int
    top: int
    left: int
    side: int
    mirrored: bool


def paper_crops(height: int, width: int, size: int = 224) -> list[Crop]:
    """The 144 crops of section 7 for a picture of height × width pixels.

    Four scales with the shorter side at 256, 288, 320 and 352 (for another ``size`` in
    proportion); of each the left, the middle and the right square (of a portrait the
    top, the middle and the bottom); of each square the four corners and the centre at
    size×size, and the square as a whole; each mirrored, too: 4 × 3 × 6 × 2. Of a square
    picture the three squares are one, and every crop comes three times. Raises
    ValueError on a number that is no positive integer.
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
                for mirrored in (False, True):
                    crops.append(Crop(*scaled, top + y, left + x, length, mirrored))
    return crops


def cut(images: Tensor, crop: Crop, size: int) -> Tensor:
    """One crop of each image: N×C×H×W uint8 -> N×C×size×size uint8."""
    scaled = TF.resize(images, [crop.height, crop.width], antialias=True)
    part = TF.crop(scaled, crop.top, crop.left, crop.side, crop.side)
    part = TF.resize(part, [size, size], antialias=True)
    return part.flip(3) if crop.mirrored else part


def one(images: Tensor, size: int) -> Iterator[Tensor]:
    """The image as it is, scaled."""
    yield TF.resize(images, [size, size], antialias=True)


def mirrored(images: Tensor, size: int) -> Iterator[Tensor]:
    """The image and its mirror image, left and right."""
    for view in one(images, size):
        yield from (view, view.flip(3))


def rectangle(images: Tensor, size: int) -> Iterator[Tensor]:
    """The four views of a rectangle, which a solar cell's bus bars allow: as it is,
    mirrored left and right, up and down, both.
    """
    for view in mirrored(images, size):
        yield from (view, view.flip(2))


def dihedral(images: Tensor, size: int) -> Iterator[Tensor]:
    """The eight views of a square: the rectangle's four, and each turned a quarter."""
    for view in rectangle(images, size):
        yield from (view, view.transpose(2, 3))


def ten_crops(images: Tensor, size: int) -> Iterator[Tensor]:
    """Four corners and the centre at 8/7 of the size, each mirrored: what Krizhevsky et
    al. 2012 did, whom the paper follows.
    """
    side = round(size * SHORTER_SIDES[0] / 224)
    yield from TF.ten_crop(TF.resize(images, [side, side], antialias=True), [size] * 2)


def paper(images: Tensor, size: int) -> Iterator[Tensor]:
    """The paper's 144 crops; of square images only the 48 that differ."""
    height, width = images.shape[-2:]
    for crop in dict.fromkeys(paper_crops(height, width, size)):
        yield cut(images, crop, size)


@torch.inference_mode()
def predict_views(
    model: GoogLeNet,
    images: Tensor,
    pixel_std: float,
    views: Views,
    size: int,
    *,
    precision: str = "float32",
    batch_size: int = 64,
) -> Tensor:
    """Class probabilities averaged over the ``views`` of each image (section 7: "simple
    averaging" of the softmax): N×C×H×W uint8 -> N×K float32.
    """
    device = next(model.parameters()).device
    network = for_serving(model, precision=precision)
    parts = []
    for batch in images.split(batch_size):
        answers = [
            network(prepare(view.to(device), pixel_std)).softmax(1).cpu()
            for view in views(batch, size)
        ]
        parts.append(torch.stack(answers).mean(0))
    return torch.cat(parts)
