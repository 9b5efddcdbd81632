"""From images to class probabilities."""

from itertools import combinations

import torch
from torch import Tensor

from ..model import GoogLeNet
from .data import prepare


@torch.no_grad()
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
    averaged, as the paper averages its crops (section 7). The network is put into eval
    mode for it and then back.
    ``precision="bfloat16"`` computes the convolutions in bfloat16, the softmax in
    float32.
    """
    device = next(model.parameters()).device
    views = [
        dims for n in range(len(mirrored) + 1) for dims in combinations(mirrored, n)
    ]
    training = model.training
    model.eval()
    parts = []
    for batch in images.split(batch_size):
        x = prepare(batch.to(device), pixel_std)
        total = 0.0
        for dims in views:
            view = x.flip(dims).contiguous(memory_format=torch.channels_last)
            with torch.autocast(
                device.type, torch.bfloat16, enabled=precision == "bfloat16"
            ):
                logits = model(view)
            total = total + logits.float().softmax(1)
        parts.append((total / len(views)).cpu())
    model.train(training)
    return torch.cat(parts)
