"""GoogLeNet (Inception v1), built, measured and trained: the library of the
notebooks.
"""

from .model import (
    GOOGLENET_WIDTHS,
    BasicConv2d,
    BranchWidths,
    GoogLeNet,
    GoogLeNetOutputs,
    Inception,
    InceptionAux,
    for_serving,
    googlenet_loss,
)

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
