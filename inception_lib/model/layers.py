"""The one layer that GoogLeNet repeats 57 times: a convolution and a ReLU."""

from math import prod

import torch
from torch import Tensor, nn

MOST_WEIGHTS = 2**31  # of a layer: 8 GB


def check_positive(**values: int) -> None:
    """Raise a ValueError that names the first argument that is no positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_rate(**rates: float) -> None:
    """Raise a ValueError that names the first dropout rate outside 0 ≤ rate < 1."""
    for name, rate in rates.items():
        if not is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {rate!r}")


def check_flag(**flags: bool) -> None:
    """Raise a ValueError that names the first argument that is not True or False: a
    string such as "no" would count as true.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, got {flag!r}")


def check_weights(*shape: int) -> None:
    """Raise a ValueError if a weight of this shape would not fit into memory."""
    if prod(shape) > MOST_WEIGHTS:
        raise ValueError(
            f"a layer of {'×'.join(map(str, shape))} weights doesn't fit into memory: "
            f"at most {MOST_WEIGHTS:,} are allowed"
        )


def is_number(value: object) -> bool:
    """Whether it is an integer or a float: True and False count as neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_channels(module: nn.Module, x: Tensor, in_channels: int) -> None:
    """Raise a ValueError unless ``x`` is an N×in_channels×H×W tensor."""
    if not isinstance(x, Tensor) or x.dim() != 4 or x.shape[1] != in_channels:
        raise ValueError(
            f"{type(module).__name__} expects a tensor of shape N×{in_channels}×H×W, "
            f"got {shape_of(x)}"
        )


def shape_of(x: object) -> str:
    """For a message: a tensor's shape as 2×3×64×64, else what ``x`` is."""
    if isinstance(x, Tensor):
        return "×".join(map(str, x.shape)) or "a single number"
    return f"a {type(x).__name__}"


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
