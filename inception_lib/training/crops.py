"""The paper's augmentation, for large collections of photographs."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from ..checks import check_positive
from .augment import WHOLE, check_mirrored


class PaperCrops:
    """Section 6 of the paper: N×C×H×W uint8 -> N×C×size×size uint8.

    A patch of 8 % to 100 % of the area, its sides 3:4 to 4:3, scaled to size×size; then
    brightness, contrast and colour, in random order, each 0.5 to 1.5 times as strong
    (Howard 2013, arXiv:1312.5402, from whom the paper takes them). ``mirrored`` as for
    ``Augment``. Each image has its own draw, from torch's global random numbers; how
    many it takes depends on them, so that a ``share`` spares no work here.
    Raises ValueError if ``size`` is no positive integer, or on another dimension.
    """

    def __init__(self, size: int, mirrored: tuple[int, ...] = (3,)):
        check_positive(size=size)
        check_mirrored(mirrored)
        flips = {3: v2.RandomHorizontalFlip(), 2: v2.RandomVerticalFlip()}
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
                *(flips[dim] for dim in mirrored),
                v2.ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5),
            ]
        )

    def __call__(self, images: Tensor, share: slice = WHOLE) -> Tensor:
        return torch.stack([self.transform(image) for image in images])[share]
