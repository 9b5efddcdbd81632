"""The Inception module: four branches side by side look at one input (Figure 2b)."""

from dataclasses import astuple, dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ..checks import check_channels, check_flag, check_positive
from .layers import BasicConv2d


@dataclass(frozen=True)
class BranchWidths:
    """Channels inside one Inception module, in the order of the paper's Table 1.

    ``ch3x3red`` and ``ch5x5red`` are the 1×1 reductions before the 3×3 and 5×5
    convolutions, ``pool_proj`` is the 1×1 projection after the max pool.
    Raises ValueError if a width is not a positive integer.
    """

    ch1x1: int
    ch3x3red: int
    ch3x3: int
    ch5x5red: int
    ch5x5: int
    pool_proj: int

    def __post_init__(self):
        check_positive(**vars(self))

    def __iter__(self):
        return iter(astuple(self))

    @property
    def out_channels(self) -> int:
        """Channels after concatenation: the reductions stay inside."""
        return self.ch1x1 + self.ch3x3 + self.ch5x5 + self.pool_proj


def check_module(
    in_channels: int, widths: BranchWidths, kernel_size_5x5: int, batch_norm: bool
) -> None:
    """Raise a ValueError that names the first argument that gives no module."""
    check_positive(in_channels=in_channels, kernel_size_5x5=kernel_size_5x5)
    if kernel_size_5x5 % 2 == 0:
        raise ValueError(
            "kernel_size_5x5 must be odd, or the branch would change H and W; "
            f"got {kernel_size_5x5}"
        )
    if not isinstance(widths, BranchWidths):
        raise ValueError(f"widths must be a BranchWidths, got {widths!r}")
    check_flag(batch_norm=batch_norm)


class Inception(nn.Module):
    """N×in_channels×H×W -> N×widths.out_channels×H×W.

    Four branches (torchvision's names): ``branch1`` 1×1 · ``branch2`` 1×1 → 3×3 ·
    ``branch3`` 1×1 → 5×5 · ``branch4`` 3×3 max pool → 1×1. Stride 1 and "same" padding
    keep H and W, so that the outputs can be concatenated along the channels (paper,
    section 4).

    ``kernel_size_5x5=3`` gives torchvision's variant, whose "5×5" branch is a 3×3
    (pytorch/vision issue 906). Raises ValueError on widths or channels that are not
    positive, on an even ``kernel_size_5x5``, and in ``forward`` on an input of another
    shape.
    """

    def __init__(
        self,
        in_channels: int,
        widths: BranchWidths,
        *,
        batch_norm: bool = False,
        kernel_size_5x5: int = 5,
    ):
        super().__init__()
        check_module(in_channels, widths, kernel_size_5x5, batch_norm)
        self.in_channels = in_channels

        conv = partial(BasicConv2d, batch_norm=batch_norm)
        k = kernel_size_5x5
        self.branch1 = conv(in_channels, widths.ch1x1)
        self.branch2 = nn.Sequential(
            conv(in_channels, widths.ch3x3red),
            conv(widths.ch3x3red, widths.ch3x3, 3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, widths.ch5x5red),
            conv(widths.ch5x5red, widths.ch5x5, k, padding=k // 2),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, widths.pool_proj),
        )

    def branches(self, x: Tensor) -> list[Tensor]:
        """The four outputs before concatenation, N×{ch1x1, ch3x3, ch5x5,
        pool_proj}×H×W.
        """
        return [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]

    def forward(self, x: Tensor) -> Tensor:
        check_channels(self, x, self.in_channels)
        return torch.cat(self.branches(x), dim=1)
