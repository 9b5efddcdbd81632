"""A trained network made ready for answering: the same numbers, faster."""

from copy import deepcopy
from math import ceil
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..checks import check_channels
from .device import pick_precision
from .googlenet import GoogLeNet
from .layers import BasicConv2d

# A larger tensor is not kept by the C library for the next one: it is asked of the
# system again each time, page by page, which takes longer than to fill it.
MOST_BYTES = 2**25


class PackedConv2d(nn.Module):
    """A convolution and its ReLU in one call: N×C×H×W -> N×C'×H'×W', on a processor.

    oneDNN computes with weights in a layout that depends on the shape of the images. A
    plain convolution brings them there in every call, which is a fifth of the time of a
    batch of one; here this is done when the shape changes. These are the operators that
    ``torch.compile`` writes; they know no gradients.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv
        padding = cast(tuple[int, ...], conv.padding)
        self.form = list(padding), list(conv.stride), list(conv.dilation), conv.groups
        self.shape: torch.Size | None = None

    def forward(self, x: Tensor) -> Tensor:
        if x.shape != self.shape:
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.conv.weight, *self.form, list(x.shape)
            )
            self.shape = x.shape
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.packed, self.conv.bias, *self.form, "relu", [], ""
        )


class SeparableMaxPool(nn.Module):
    """A 3×3 max pool, of three rows and then of three columns: N×C×H×W -> N×C×H'×W'.

    With ``stride=1`` it pads by 1, with ``stride=2`` it has ``ceil_mode``, like those
    of a GoogLeNet. PyTorch's own also writes down where each maximum was, in eight
    bytes a number; nobody asks for that when there is no backward pass.
    """

    def __init__(self, stride: int):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 1:  # so little that one call takes less time than six
            padding = 2 - self.stride
            return F.max_pool2d(x, 3, self.stride, padding, ceil_mode=True)
        for dim in (2, 3):
            x = largest_of_three(x, dim, self.stride)
        return x


def largest_of_three(x: Tensor, dim: int, stride: int) -> Tensor:
    """The largest of three neighbours along ``dim``; of two where there is no third."""
    x = x.movedim(dim, 0)
    if stride == 2:
        largest = torch.maximum(x[1::2], x[::2][: len(x) // 2])
    else:
        largest = x.clone()
        torch.maximum(largest[1:], x[:-1], out=largest[1:])
    after = x[stride::stride]
    torch.maximum(largest[: len(after)], after, out=largest[: len(after)])
    return largest.movedim(0, dim)


class Serving(nn.Module):
    """N×3×H×W float32 images -> N×num_classes float32 logits; see ``for_serving``."""

    def __init__(self, network: GoogLeNet, dtype: torch.dtype):
        super().__init__()
        self.network = network.to(dtype).to(memory_format=torch.channels_last)
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        check_channels(self, x, 3)
        x = x.to(self.dtype, memory_format=torch.channels_last)
        return torch.cat([self.network(part) for part in in_parts(x)]).float()


class CompiledServing(Serving):
    """The same through ``torch.compile``, for batches of one size each."""

    def __init__(self, network: GoogLeNet, dtype: torch.dtype):
        super().__init__(network, dtype)
        self.network.compile(dynamic=False)

    def forward(self, x: Tensor) -> Tensor:
        # As an option of compile it would come too late, after the network is traced.
        with torch._inductor.config.patch(freezing=True):
            return super().forward(x)


def in_parts(x: Tensor) -> tuple[Tensor, ...]:
    """A batch in equal parts, on a processor, whose largest map stays in memory."""
    if x.device.type != "cpu" or x.numel() == 0:
        return (x,)
    # conv1 makes 64 channels of half the height and width out of each image.
    largest_map = 16 * x[0, 0].numel() * x.element_size()
    return x.chunk(ceil(len(x) * largest_map / MOST_BYTES))


def for_serving(
    model: GoogLeNet, *, precision: str = "auto", compile: bool = False
) -> nn.Module:
    """A copy of ``model`` for inference only; call it under ``torch.inference_mode()``.

    The heads are dropped, every batch norm is folded into the convolution before it,
    weights lie channels-last, or packed where oneDNN computes, and in ``precision``:
    "float32", "bfloat16", "float16", or "auto", which takes what is fast here (see
    ``device.pick_precision``).
    Max pools keep no indices, and a batch whose maps exceed 32 MB goes in parts.
    ``compile`` hands the copy to ``torch.compile`` with frozen weights: a minute's work
    at the first batch of each size; it needs a C++ compiler.

    The logits are those of ``model.eval()``: in float32 to 1e-4 of their standard
    deviation, in bfloat16 and float16, which have three digits, to a twentieth of it.
    Raises ValueError on another precision or a model that isn't a GoogLeNet, and in
    ``forward`` on a wrong shape.
    """
    network = folded(model)
    device = next(network.parameters()).device
    precision, _ = pick_precision(precision, device)
    dtype = getattr(torch, precision)
    if compile:
        return CompiledServing(network, dtype).eval()
    serving = Serving(network, dtype).eval()
    if device.type == "cpu" and can_pack(precision):
        pack(serving)
    return serving


def folded(model: GoogLeNet, heads: bool = False) -> GoogLeNet:
    """A copy in eval mode, its batch norms folded into the convolutions, without the
    heads unless they are asked for.

    Raises ValueError on a model that isn't a GoogLeNet.
    """
    if not isinstance(model, GoogLeNet):
        raise ValueError(f"expected a GoogLeNet, got {type(model).__name__}")
    network = deepcopy(model).eval().requires_grad_(False)
    if not heads:
        network.aux_logits, network.aux1, network.aux2 = False, None, None
    for layer in network.modules():
        if isinstance(layer, BasicConv2d) and layer.bn is not None:
            layer.conv, layer.bn = fuse_conv_bn_eval(layer.conv, layer.bn), None
    return network


def can_pack(precision: str) -> bool:
    """Whether oneDNN is there, and computes in this precision on this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    if precision == "bfloat16":
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return precision == "float32"


def pack(network: nn.Module) -> None:
    """Put a ``PackedConv2d`` in place of every ``BasicConv2d``, all folded before, and
    a ``SeparableMaxPool`` in place of every 3×3 max pool.
    """
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, BasicConv2d):
                setattr(parent, name, PackedConv2d(layer.conv))
            elif isinstance(layer, nn.MaxPool2d) and layer.kernel_size == 3:
                setattr(parent, name, SeparableMaxPool(cast(int, layer.stride)))
