"""Which places of an image speak for which class."""

import torch
from torch import Tensor, nn


def class_activation_map(features: Tensor, linear: nn.Linear) -> Tensor:
    """What each place of the maps says for each class: N×C×H×W -> N×K×H×W.

    ``linear`` (C -> K) is the layer that follows global average pooling; here it is
    applied at every place, without its bias. Averaging and a linear map may change
    places, so that the mean over H and W, plus the bias, is exactly the logits.
    Zhou et al. 2016, arXiv:1512.04150. Raises ValueError on features of another shape.
    """
    if features.dim() != 4 or features.shape[1] != linear.in_features:
        raise ValueError(
            f"expected features of shape N×{linear.in_features}×H×W, "
            f"got {'×'.join(str(n) for n in features.shape)}"
        )
    return torch.einsum("nchw,kc->nkhw", features, linear.weight)
