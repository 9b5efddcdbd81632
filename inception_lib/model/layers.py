"""The one layer that GoogLeNet repeats 57 times: a convolution and a ReLU."""

import torch
from torch import Tensor, nn


def check_positive(**values: int) -> None:
    """Raise a ValueError that names the first argument that is no positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_rate(**rates: float) -> None:
    """Raise a ValueError that names the first dropout rate outside 0 ≤ rate < 1."""
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {rate!r}")


def check_channels(module: nn.Module, x: Tensor, in_channels: int) -> None:
    """Raise a ValueError unless ``x`` is an N×in_channels×H×W tensor."""
    if x.dim() != 4 or x.shape[1] != in_channels:
        raise ValueError(
            f"{type(module).__name__} expects a tensor of shape N×{in_channels}×H×W, "
            f"got {'×'.join(str(n) for n in x.shape)}"
        )


class BasicConv2d(nn.Module):
    """Convolution → (batch norm) → ReLU: N×in_channels×H×W -> N×out_channels×H'×W'.

    The paper's form (section 5: "all the convolutions use rectified linear activation")
    has a bias and no batch norm. With ``batch_norm=True`` the norm's shift replaces the
    bias, with torchvision's eps of 1e-3. The attribute names ``conv`` and ``bn`` are
    torchvision's too.

    Weights start from He et al. 2015 (arXiv:1502.01852): normal with variance 2 /
    fan_in, biases at zero. A ReLU halves the second moment of what passes it, and this
    factor 2 gives it back, so that the signal keeps its scale through 22 layers.

    Raises ValueError if a channel count or the kernel size is not a positive integer.
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
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size
        )
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
    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, std=gain * in_features**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


def flatten(x: Tensor) -> Tensor:
    """N×C×H×W -> N×(C·H·W), in the same order whatever the memory layout of ``x``."""
    return torch.flatten(x, 1)
