"""The layer that GoogLeNet repeats 57 times, convolution and ReLU; the norm of 2012."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_flag, check_positive, check_weights

# Positions worked on at a time: their channels stay in the processor's cache while a
# dozen elementwise steps pass over them.
CHUNK = 2048


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


class LocalResponseNorm(nn.LocalResponseNorm):
    """y = x · (k + alpha/size · sum of x² over ``size`` neighbouring channels)^−0.75.

    N×C×H×W -> N×C×H×W, the numbers of ``torch.nn.LocalResponseNorm`` with its default
    ``beta`` of 0.75 and ``size`` of 5 (Krizhevsky et al. 2012, section 3.3), in a
    fraction of the time: forward and backward are written out, and d^−0.75 is taken as
    rsqrt(d) · rsqrt(sqrt(d)). The arithmetic is float32 at least, the result of the
    type of ``x``. Compilers and GPUs get PyTorch's own form. On a processor a second
    derivative is a RuntimeError: ``torch.nn.LocalResponseNorm`` has one.
    """

    def __init__(self, alpha: float = 1e-4, k: float = 1.0):
        super().__init__(5, alpha, 0.75, k)

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or x.device.type != "cpu":
            return super().forward(wide(x)).to(x.dtype)
        return _LocalResponseNorm.apply(x, self.alpha, self.k)


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, alpha: float, k: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.alpha, ctx.k = alpha, k
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.empty_like(x)
        for a, out in chunks(x, y):
            a = wide(a)
            d = denominator(a, alpha, k)
            out.copy_(d.sqrt().rsqrt_().mul_(d.rsqrt_()).mul_(a))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        # With y = x d^−b and d = k + alpha/5 · window(x²):
        # dx = g d^−b − 2 b alpha/5 · x · window(g x d^(−b−1)), b = 3/4.
        (x,) = ctx.saved_tensors
        x = x.contiguous(memory_format=torch.channels_last)
        grad = grad.contiguous(memory_format=torch.channels_last)
        result = torch.empty_like(x)
        for a, g, out in chunks(x, grad, result):
            a = wide(a)
            d = denominator(a, ctx.alpha, ctx.k)
            root = d.rsqrt()
            scaled = d.sqrt_().rsqrt_().mul_(root).mul_(g)
            inner = window((scaled * a).mul_(root.square_()))
            out.copy_(scaled.addcmul_(inner, a, value=-0.3 * ctx.alpha))
        return result, None, None


def chunks(*tensors: Tensor):
    """Rows of C channels, ``CHUNK`` at a time, of channels-last N×C×H×W tensors."""
    rows = [t.permute(0, 2, 3, 1).flatten(0, 2).split(CHUNK) for t in tensors]
    return zip(*rows, strict=True)


def wide(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 if it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def denominator(x: Tensor, alpha: float, k: float) -> Tensor:
    """M×C -> M×C: k + alpha/5 · window(x²), in as few passes as PyTorch allows."""
    d = window(x.square())
    return torch.add(x.new_tensor(k), d, alpha=alpha / 5, out=d)


def window(x: Tensor) -> Tensor:
    """M×C -> M×C: the sum of each channel and two neighbours on both sides."""
    channels, x = x.shape[1], F.pad(x, (2, 2))
    pairs = x[:, :-1] + x[:, 1:]
    return (pairs[:, :channels] + pairs[:, 2 : channels + 2]).add_(x[:, 4:])
