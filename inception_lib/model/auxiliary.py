"""The auxiliary classifier: a small network that taps the trunk half way (paper,
section 5).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .layers import (
    BasicConv2d,
    check_channels,
    check_positive,
    check_rate,
    flatten,
    linear,
)


def auxiliary_pool(map_size: int) -> nn.AvgPool2d:
    """The average pooling that takes a map_size×map_size map to 4×4.

    Stride = map_size // 4 and kernel = map_size − 3·stride: the paper's 5×5/3 on a
    14×14 map. Raises ValueError below 4, where there is nothing left to average.
    """
    check_positive(map_size=map_size)
    if map_size < 4:
        raise ValueError(
            f"an auxiliary head needs a map of at least 4×4 to pool to 4×4, "
            f"got {map_size}×{map_size}"
        )
    stride = map_size // 4
    return nn.AvgPool2d(map_size - 3 * stride, stride)


class InceptionAux(nn.Module):
    """N×in_channels×m×m -> N×num_classes, with m = ``map_size`` (14 for 224×224
    images).

    Average pool to 4×4 → 1×1 convolution to 128 channels → linear 1024 → ReLU → dropout
    → linear num_classes. Dropout is 70 % in the paper. The names are torchvision's.
    Raises ValueError on a wrong count, and in ``forward`` on a map of another size.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        map_size: int = 14,
        dropout: float = 0.7,
        batch_norm: bool = False,
    ):
        super().__init__()
        check_positive(in_channels=in_channels, num_classes=num_classes)
        check_rate(dropout=dropout)
        self.in_channels = in_channels
        self.dropout_rate = dropout
        self.pool: nn.Module = auxiliary_pool(map_size)
        self.conv = BasicConv2d(in_channels, 128, batch_norm=batch_norm)
        self.fc1 = linear(128 * 4 * 4, 1024, gain=2**0.5)
        self.fc2 = linear(1024, num_classes, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        check_channels(self, x, self.in_channels)
        size = tuple(x.shape[-2:])
        x = self.pool(x)
        if tuple(x.shape[-2:]) != (4, 4):
            raise ValueError(
                f"this auxiliary head pools {size[0]}×{size[1]} to "
                f"{x.shape[-2]}×{x.shape[-1]}, not 4×4: train on square images of the "
                "network's "
                "image_size, or set model.image_size to the size of your images"
            )
        x = flatten(self.conv(x))
        x = F.relu(self.fc1(x), inplace=True)
        x = F.dropout(x, self.dropout_rate, self.training)
        return self.fc2(x)
