"""A trained network made ready for answering: the same numbers, faster."""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .device import pick_precision
from .googlenet import GoogLeNet
from .layers import BasicConv2d


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


class Serving(nn.Module):
    """N×3×H×W float32 images -> N×num_classes float32 logits; see ``for_serving``."""

    def __init__(self, network: GoogLeNet, dtype: torch.dtype):
        super().__init__()
        self.network = network.to(dtype).to(memory_format=torch.channels_last)
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype, memory_format=torch.channels_last)
        return self.network(x).float()


def for_serving(
    model: GoogLeNet, *, precision: str = "auto", compile: bool = False
) -> nn.Module:
    """A copy of ``model`` for inference only; call it under ``torch.inference_mode()``.

    The heads are dropped, every batch norm is folded into the convolution before it,
    weights lie channels-last, or packed where oneDNN computes, and in ``precision``:
    "float32", "bfloat16", or "auto", which measures whether bfloat16 is faster here.
    ``compile`` hands the copy to ``torch.compile`` with frozen weights: a minute's work
    at the first batch of each size; it needs a C++ compiler.

    The logits are those of ``model.eval()``: in float32 to 1e-4 of their standard
    deviation, in bfloat16, which has three digits, to a twentieth of it.
    Raises ValueError on another precision or a model that isn't a GoogLeNet.
    """
    network = folded(model)
    device = next(network.parameters()).device
    precision, _ = pick_precision(precision, device)
    serving = Serving(network, getattr(torch, precision)).eval()
    if compile:
        return cast(nn.Module, torch.compile(serving, options={"freezing": True}))
    if device.type == "cpu" and can_pack(precision):
        pack(serving)
    return serving


def folded(model: GoogLeNet) -> GoogLeNet:
    """A copy in eval mode without heads, its batch norms folded into the convolutions.

    Raises ValueError on a model that isn't a GoogLeNet.
    """
    if not isinstance(model, GoogLeNet):
        raise ValueError(f"expected a GoogLeNet, got {type(model).__name__}")
    network = deepcopy(model).eval().requires_grad_(False)
    network.aux_logits, network.aux1, network.aux2 = False, None, None
    for layer in network.modules():
        if isinstance(layer, BasicConv2d) and layer.bn is not None:
            layer.conv, layer.bn = fuse_conv_bn_eval(layer.conv, layer.bn), None
    return network


def can_pack(precision: str) -> bool:
    """Whether oneDNN is there, and computes in this precision on this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    return precision == "float32" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def pack(network: nn.Module) -> None:
    """Put a ``PackedConv2d`` in place of every ``BasicConv2d``, all folded before."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, BasicConv2d):
                setattr(parent, name, PackedConv2d(layer.conv))
