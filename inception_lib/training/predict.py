"""From images to class probabilities."""

from itertools import combinations

import torch
from torch import Tensor

from ..model import GoogLeNet, for_serving
from .data import prepare


@torch.inference_mode()
def predict(
    model: GoogLeNet,
    images: Tensor,
    pixel_std: float,
    *,
    mirrored: tuple[int, ...] = (),
    precision: str = "float32",
    batch_size: int = 64,
) -> Tensor:
    """N×C×H×W uint8 images -> N×K probabilities (float32, on the processor).

    ``mirrored`` names the dimensions along which a mirrored image is as good as the
    original (3: left and right, 2: up and down): the probabilities of all the views are
    averaged, as the paper averages its crops (section 7).
    The network computes in ``precision``, the softmax in float32.
    """
    device = next(model.parameters()).device
    network = for_serving(model, precision=precision)
    views = [
        dims for n in range(len(mirrored) + 1) for dims in combinations(mirrored, n)
    ]
    parts = []
    for batch in images.split(batch_size):
        x = prepare(batch.to(device), pixel_std)
        total = sum(network(x.flip(dims)).softmax(1) for dims in views)
        parts.append((total / len(views)).cpu())
    return torch.cat(parts)
