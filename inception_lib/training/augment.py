"""Augmentation: the same images in other positions, so that position doesn't matter."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_positive, check_rate, is_number
from .later import TF, v2

WHOLE = slice(None)


class Augment:
    """Random changes that keep the class: N×C×S×S uint8 -> the same shape and type.

    A transform of torchvision.transforms.v2 draws once for the whole batch it is given;
    here every image gets its own draw, from torch's global random numbers
    (``torch.manual_seed``). They are the processor's, wherever the images are: on a GPU
    the changes are computed there.

    - ``flips``: dimensions to flip with a chance of 1/2 (3: left and right, 2: up and
      down).
    - ``shift``: by at most this fraction of the side; the edge is filled by reflection.
    - ``scale``: larger or smaller by at most this fraction.
    - ``rotate``: by at most this many degrees.
    - ``contrast``: stronger or weaker by at most this fraction.

    Each strength is drawn uniformly. Raises ValueError on one out of range.

    Given a ``share``, it draws for all images but changes and returns only the share:
    processes that train together draw the same numbers and split the work.
    """

    def __init__(
        self,
        flips: tuple[int, ...] = (3, 2),
        *,
        shift: float = 0.04,
        scale: float = 0.0,
        rotate: float = 0.0,
        contrast: float = 0.0,
    ):
        check_flips(flips)
        check_rate(shift=shift, scale=scale, contrast=contrast)
        if not is_number(rotate) or not 0 <= rotate <= 180:
            raise ValueError(f"rotate must be 0 to 180 degrees, got {rotate!r}")
        self.flips, self.shift, self.scale = flips, shift, scale
        self.rotate, self.contrast = rotate, contrast

    def __call__(self, images: Tensor, share: slice = WHOLE) -> Tensor:
        n, x = len(images), images[share]
        for dim in self.flips:
            swap = (torch.rand(n, 1, 1, 1)[share] < 0.5).to(x.device, non_blocking=True)
            x = torch.where(swap, x.flip(dim), x)
        if self.scale or self.rotate:
            x = self._resample(x, n, share)
        elif self.shift:
            x = self._crop(x, n, share)
        if self.contrast:
            x = x.float()
            mean = x.mean(dim=(1, 2, 3), keepdim=True)
            strength = (1 + _uniform(n, self.contrast))[share, None, None, None]
            x = mean + (x - mean) * strength.to(x.device, non_blocking=True)
        return x if x.dtype == torch.uint8 else x.round_().clamp_(0, 255).byte()

    def _crop(self, x: Tensor, n: int, share: slice) -> Tensor:
        """Shift by whole pixels: widen all images by reflection, cut each elsewhere."""
        size = x.shape[-1]
        pad = min(round(self.shift * size), size - 1)  # as far as a reflection goes
        wide = TF.pad(x, [pad], padding_mode="reflect")
        corners = torch.randint(0, 2 * pad + 1, (n, 2))[share].tolist()
        return torch.stack(
            [
                TF.crop(image, top, left, size, size)
                for image, (top, left) in zip(wide, corners, strict=True)
            ]
        )

    def _resample(self, x: Tensor, n: int, share: slice) -> Tensor:
        """Shift, scale and rotate about the centre in one bilinear resampling."""
        size = 1 / (1 + _uniform(n, self.scale))
        angle = _uniform(n, math.radians(self.rotate))
        cos, sin = size * angle.cos(), size * angle.sin()
        # grid_sample measures in half sides: a shift by the whole side is 2.
        right, down = _uniform(n, 2 * self.shift), _uniform(n, 2 * self.shift)
        rows = [torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)]
        moves = torch.stack(rows, 1)[share].to(x.device, non_blocking=True)
        grid = F.affine_grid(moves, list(x.shape), align_corners=False)
        return F.grid_sample(
            x.float(), grid, padding_mode="reflection", align_corners=False
        )


class PaperCrops:
    """The augmentation of section 6 of the paper, for large collections of photographs:
    N×C×H×W uint8 -> N×C×size×size uint8.

    A patch of 8 % to 100 % of the area with an aspect ratio of 3:4 to 4:3 is resized to
    size×size; then brightness, contrast and colour change in random order, each by a
    factor of 0.5 to 1.5 (Howard 2013, arXiv:1312.5402, from whom the paper takes them).
    ``flips`` as for ``Augment``. Each image has its own draw from torch's global random
    numbers. How many it takes depends on what is drawn, so a ``share`` saves no work.
    Raises ValueError if ``size`` is not a positive integer, or on another dimension.
    """

    def __init__(self, size: int, flips: tuple[int, ...] = (3,)):
        check_positive(size=size)
        check_flips(flips)
        flip = {3: v2.RandomHorizontalFlip(), 2: v2.RandomVerticalFlip()}
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
                *(flip[dim] for dim in flips),
                v2.ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5),
            ]
        )

    def __call__(self, images: Tensor, share: slice = WHOLE) -> Tensor:
        return torch.stack([self.transform(image) for image in images])[share]


def check_flips(flips: tuple[int, ...]) -> None:
    """Raise a ValueError if an image can't be flipped in one of these dimensions."""
    if not isinstance(flips, tuple | list) or not all(
        type(dim) is int and dim in (2, 3) for dim in flips
    ):
        raise ValueError(f"flips may hold the dimensions 2 and 3, got {flips!r}")


def _uniform(n: int, most: float) -> Tensor:
    """N random numbers between −most and most."""
    return most * (2 * torch.rand(n) - 1)
