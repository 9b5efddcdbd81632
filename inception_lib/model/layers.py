"""The one layer that GoogLeNet repeats 57 times: a convolution and a ReLU."""

import torch
from torch import Tensor, nn

from ..checks import check_flag, check_positive, check_weights


class BasicConv2d(nn.Module):
    """Convolution → (batch norm) → ReLU: N×in_channels×H×W -> N×out_channels×H'×W'.

    The paper's form (section 5: "all the convolutions use rectified linear activation")
    has a bias and no batch norm. With ``batch_norm=True`` the norm's shift replaces the
    bias, with torchvision's eps of 1e-3. The attribute names ``conv`` and ``bn`` are
    torchvision's too.

    Weights start from He et al. 2015 (arXiv:1502.01852): normal with variance 2 /
    fan_in, biases at zero. A ReLU halves the second moment of what passes it, and this
    factor 2 gives it back, so that the signal keeps its scale through 22 layers.

    Raises ValueError if a channel count, the kernel size or the stride is not a
    positive integer, the padding not one from 0 on, or the weights exceed memory.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        padding: int = 0,
        batch_norm: bool = False,
    ):
        super().__init__()
        check_positive(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
        )
        if padding != 0:
            check_positive(padding=padding)
        check_flag(batch_norm=batch_norm)
        check_weights(out_channels, in_channels, kernel_size, kernel_size)
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3) if batch_norm else None
        self.relu = nn.ReLU(inplace=True)  # nothing else reads the convolution's output
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return self.relu(x)


def linear(in_features: int, out_features: int, gain: float) -> nn.Linear:
    """A linear layer: weights of variance gain² / in_features, biases at zero."""
    check_weights(out_features, in_features)
    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, std=gain * in_features**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


def flatten(x: Tensor) -> Tensor:
    """N×C×H×W -> N×(C·H·W), in the same order whatever the memory layout of ``x``."""
    return torch.flatten(x, 1)
