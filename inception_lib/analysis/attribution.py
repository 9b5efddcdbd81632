"""Which places of an image speak for which class."""

import torch
from torch import Tensor, nn

from ..model.layers import shape_of


def class_activation_map(features: Tensor, linear: nn.Linear) -> Tensor:
    """What each place of the maps says for each class: N×C×H×W -> N×K×H×W.

    ``linear`` (C -> K) is the layer that follows global average pooling; here it is
    applied at every place, without its bias. Averaging and a linear map may change
    places, so that the mean over H and W, plus the bias, is exactly the logits.
    Zhou et al. 2016, arXiv:1512.04150. Raises ValueError on features of another shape,
    TypeError on a layer of another kind.
    """
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"linear must be an nn.Linear, got a {type(linear).__name__}")
    channels = linear.in_features
    if (
        not isinstance(features, Tensor)
        or features.dim() != 4
        or features.shape[1] != channels
    ):
        raise ValueError(
            f"expected features of shape N×{channels}×H×W, got {shape_of(features)}"
        )
    return torch.einsum("nchw,kc->nkhw", features, linear.weight)
