"""The network. Reading order: layers, inception, googlenet; then serving."""

from .googlenet import (
    GOOGLENET_WIDTHS,
    GoogLeNet,
    GoogLeNetOutputs,
    InceptionAux,
    googlenet_loss,
)
from .inception import BranchWidths, Inception
from .layers import BasicConv2d
from .serving import for_serving

__all__ = [
    "GOOGLENET_WIDTHS",
    "BasicConv2d",
    "BranchWidths",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "Inception",
    "InceptionAux",
    "for_serving",
    "googlenet_loss",
]
