"""GoogLeNet (Table 1): a stem, nine Inception modules, a linear layer, two heads."""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import (
    check_channels,
    check_flag,
    check_positive,
    check_rate,
    is_number,
    notice_pixels,
)
from .inception import BranchWidths, Inception
from .layers import BasicConv2d, LocalResponseNorm, linear

# Table 1 of arXiv:1409.4842: 1×1 · 3×3 reduce · 3×3 · 5×5 reduce · 5×5 · pool proj.
GOOGLENET_WIDTHS = {
    "3a": BranchWidths(64, 96, 128, 16, 32, 32),
    "3b": BranchWidths(128, 128, 192, 32, 96, 64),
    "4a": BranchWidths(192, 96, 208, 16, 48, 64),
    "4b": BranchWidths(160, 112, 224, 24, 64, 64),
    "4c": BranchWidths(128, 128, 256, 24, 64, 64),
    "4d": BranchWidths(112, 144, 288, 32, 64, 64),
    "4e": BranchWidths(256, 160, 320, 32, 128, 128),
    "5a": BranchWidths(256, 160, 320, 32, 128, 128),
    "5b": BranchWidths(384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What a GoogLeNet with heads returns in train mode, each N×num_classes.

    The order is torchvision's: the deeper head (after 4d) comes before the shallower
    (after 4a).
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


def map_sizes(image_size: int, pool4_kernel_size: int = 3) -> dict[str, int]:
    """Side length of the square feature maps, from ``image_size`` (224: 112, 56, 28,
    14, 7).

    The keys are the layers that shrink the map. A max pool with ``ceil_mode`` keeps a
    border that does not fill a whole window: ceil((n − kernel) / 2) + 1. A 0 says that
    nothing is left. Raises ValueError on a number that is no positive integer.
    """
    check_positive(image_size=image_size, pool4_kernel_size=pool4_kernel_size)
    n = (image_size - 1) // 2 + 1  # 7×7, stride 2, padding 3
    sizes = {"conv1": n}
    for pool, kernel in enumerate((3, 3, 3, pool4_kernel_size), 1):
        n = max(0, -((kernel - n) // 2) + 1)
        sizes[f"maxpool{pool}"] = n
    return sizes


def smallest_image_size(aux_logits: bool = False, pool4_kernel_size: int = 3) -> int:
    """The smallest image that leaves something to classify; with heads, 4×4 at module
    4a.
    """

    def fits(size: int) -> bool:
        sizes = map_sizes(size, pool4_kernel_size)
        return all(sizes.values()) and (not aux_logits or sizes["maxpool3"] >= 4)

    return next(size for size in range(1, 225) if fits(size))


def check_image_size(image_size: int, aux_logits: bool, pool4_kernel_size: int) -> None:
    """Raise a ValueError if the images are too small, or the fourth pool is unknown."""
    check_positive(image_size=image_size, pool4_kernel_size=pool4_kernel_size)
    if pool4_kernel_size not in (2, 3):
        raise ValueError(
            f"pool4_kernel_size must be 3 (the paper) or 2 (torchvision), "
            f"got {pool4_kernel_size!r}"
        )
    smallest = smallest_image_size(aux_logits, pool4_kernel_size)
    if image_size < smallest:
        raise ValueError(
            f"image_size={image_size} is too small: a GoogLeNet "
            f"{'with' if aux_logits else 'without'} auxiliary heads needs at least "
            f"{smallest}×{smallest} pixels"
        )


def check_images(module: nn.Module, x: Tensor, smallest: int) -> None:
    """Raise a ValueError unless ``x`` is N×3×H×W, H and W large enough."""
    check_channels(module, x, 3)
    if min(x.shape[-2:]) < smallest:
        raise ValueError(
            f"GoogLeNet needs images of at least {smallest}×{smallest} pixels, "
            f"got {x.shape[-2]}×{x.shape[-1]}"
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
                "network's image_size, or set model.image_size to the size of your "
                "images"
            )
        x = torch.flatten(self.conv(x), 1)
        x = F.relu(self.fc1(x), inplace=True)
        x = F.dropout(x, self.dropout_rate, self.training)
        return self.fc2(x)


class GoogLeNet(nn.Module):
    """Inception v1, "Going deeper with convolutions" (arXiv:1409.4842): N×3×H×W images.

    ``model.train()`` returns ``GoogLeNetOutputs`` when ``aux_logits``, ``model.eval()``
    the N×num_classes logits, without computing the heads; H and W are then free.

    The default is the paper's Table 1: 6,998,552 parameters, 13,378,280 with the heads.
    ``image_size`` fixes the heads' pooling; ``model.image_size = 96`` changes it later.
    ``batch_norm`` (eps 1e-3) makes training from scratch quick; ``local_response_norm``
    adds the two norms of Figure 3, with the Caffe model's constants, as the paper gives
    none.

    torchvision deviates from the paper: it has ``kernel_size_5x5=3``,
    ``pool4_kernel_size=2``, batch norm and dropout 0.2, and its heads pool adaptively,
    which is the same only where the map's side is a multiple of 4. Parameter names are
    torchvision's.

    Initialisation: see ``BasicConv2d``; linear layers have variance 1 / in_features (2
    before a ReLU), biases are zero.

    Raises ValueError on a wrong count, rate or size, and in ``forward`` on a wrong
    shape.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        image_size: int = 224,
        aux_logits: bool = True,
        batch_norm: bool = False,
        local_response_norm: bool = False,
        dropout: float = 0.4,
        dropout_aux: float = 0.7,
        kernel_size_5x5: int = 5,
        pool4_kernel_size: int = 3,
    ):
        super().__init__()
        check_positive(num_classes=num_classes)
        check_rate(dropout=dropout, dropout_aux=dropout_aux)
        check_flag(aux_logits=aux_logits, local_response_norm=local_response_norm)
        check_image_size(image_size, aux_logits, pool4_kernel_size)
        self.aux_logits = aux_logits
        self.pool4_kernel_size = pool4_kernel_size
        self._smallest_input = smallest_image_size(False, pool4_kernel_size)
        self._image_size = image_size

        widths = GOOGLENET_WIDTHS
        conv = partial(BasicConv2d, batch_norm=batch_norm)
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
        inception = partial(
            Inception, batch_norm=batch_norm, kernel_size_5x5=kernel_size_5x5
        )

        self.conv1 = conv(3, 64, 7, stride=2, padding=3)
        self.maxpool1 = pool(3)
        self.norm1 = LocalResponseNorm() if local_response_norm else None
        self.conv2 = conv(64, 64)
        self.conv3 = conv(64, 192, 3, padding=1)
        self.norm2 = LocalResponseNorm() if local_response_norm else None
        self.maxpool2 = pool(3)

        self.inception3a = inception(192, widths["3a"])
        self.inception3b = inception(256, widths["3b"])
        self.maxpool3 = pool(3)
        self.inception4a = inception(480, widths["4a"])
        self.inception4b = inception(512, widths["4b"])
        self.inception4c = inception(512, widths["4c"])
        self.inception4d = inception(512, widths["4d"])
        self.inception4e = inception(528, widths["4e"])
        self.maxpool4 = pool(pool4_kernel_size)
        self.inception5a = inception(832, widths["5a"])
        self.inception5b = inception(832, widths["5b"])

        def head(in_channels: int) -> InceptionAux | None:
            if not aux_logits:
                return None
            return InceptionAux(
                in_channels,
                num_classes,
                map_size=map_sizes(image_size)["maxpool3"],
                dropout=dropout_aux,
                batch_norm=batch_norm,
            )

        self.aux1 = head(512)  # reads 4a
        self.aux2 = head(528)  # reads 4d

        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = linear(1024, num_classes, gain=1.0)

    @property
    def image_size(self) -> int:
        """Side of the square training images, in pixels: sets the heads' pooling."""
        return self._image_size

    @image_size.setter
    def image_size(self, image_size: int) -> None:
        check_image_size(image_size, self.aux_logits, self.pool4_kernel_size)
        self._image_size = image_size
        for head in (self.aux1, self.aux2):
            # torchvision's adaptive pool (see interop) fits every size.
            if head is not None and isinstance(head.pool, nn.AvgPool2d):
                head.pool = auxiliary_pool(map_sizes(image_size)["maxpool3"])

    def forward(self, x: Tensor) -> GoogLeNetOutputs | Tensor:
        check_images(self, x, self._smallest_input)
        if not self.training:
            notice_pixels(x)
        heads = self.aux_logits and self.training
        #                                      N × 3 × 224 × 224
        x = self.maxpool1(self.conv1(x))  #    N × 64 × 56 × 56
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.conv3(self.conv2(x))  #       N × 192 × 56 × 56
        if self.norm2 is not None:
            x = self.norm2(x)
        x = self.maxpool2(x)  #                N × 192 × 28 × 28
        x = self.inception3a(x)  #             N × 256 × 28 × 28
        x = self.inception3b(x)  #             N × 480 × 28 × 28
        x = self.maxpool3(x)  #                N × 480 × 14 × 14
        x = self.inception4a(x)  #             N × 512 × 14 × 14
        aux_logits1 = self.aux1(x) if heads and self.aux1 else None
        x = self.inception4b(x)  #             N × 512 × 14 × 14
        x = self.inception4c(x)  #             N × 512 × 14 × 14
        x = self.inception4d(x)  #             N × 528 × 14 × 14
        aux_logits2 = self.aux2(x) if heads and self.aux2 else None
        x = self.inception4e(x)  #             N × 832 × 14 × 14
        x = self.maxpool4(x)  #                N × 832 × 7 × 7
        x = self.inception5a(x)  #             N × 832 × 7 × 7
        x = self.inception5b(x)  #             N × 1024 × 7 × 7
        x = torch.flatten(self.avgpool(x), 1)  # N × 1024
        logits = self.fc(self.dropout(x))  #   N × num_classes
        if aux_logits1 is not None and aux_logits2 is not None:
            return GoogLeNetOutputs(logits, aux_logits2, aux_logits1)
        return logits


def googlenet_loss(
    outputs: GoogLeNetOutputs | Tensor,
    targets: Tensor,
    aux_weight: float = 0.3,
    *,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the output plus ``aux_weight`` times that of each head (section
    5).

    ``targets`` are N class indices (int64) or N×num_classes probabilities (float).
    Plain logits, as a network returns them without heads or in eval mode, give the
    plain cross-entropy. Raises ValueError on a negative weight or targets of another
    length.
    """
    if not is_number(aux_weight) or not aux_weight >= 0:
        raise ValueError(f"aux_weight must not be negative, got {aux_weight!r}")
    logits = outputs.logits if isinstance(outputs, GoogLeNetOutputs) else outputs
    if len(targets) != len(logits):
        raise ValueError(f"got {len(logits)} outputs but {len(targets)} targets")
    cross_entropy = partial(
        F.cross_entropy, target=targets, label_smoothing=label_smoothing
    )
    loss = cross_entropy(logits)
    if isinstance(outputs, GoogLeNetOutputs):
        for head in (outputs.aux_logits1, outputs.aux_logits2):
            loss = loss + aux_weight * cross_entropy(head)
    return loss
