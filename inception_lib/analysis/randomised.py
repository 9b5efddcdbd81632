"""The same network without what it has learned, to test what a heat map proves."""

from collections.abc import Iterable
from copy import deepcopy

import pandas as pd
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ..model import GoogLeNet
from .attribution import contrast, grad_cam, image_times_gradient, rank_correlation
from .stages import answers, trunk


def from_the_top(model: GoogLeNet) -> list[str]:
    """The parts that have weights, from the last to the first: fc, 5b, …, conv1."""
    layers = trunk(model).items()
    return [name for name, layer in layers if any(True for _ in layer.parameters())][
        ::-1
    ]


@torch.no_grad()
def randomised(
    model: GoogLeNet, x: Tensor, parts: Iterable[str] | None = None, seed: int = 0
) -> GoogLeNet:
    """A copy in which the weights of ``parts`` (default: all) are shuffled.

    Every tensor keeps its numbers and loses their order, and with it all that was
    learned except their size. Batch norms in these parts take their statistics anew,
    from the images ``x`` (N×3×H×W). The heads are shuffled when "fc" is. With
    ``from_the_top(model)[:n]`` it is the cascade of Adebayo et al. 2018,
    arXiv:1810.03292. Raises ValueError on an unknown part.
    """
    known = from_the_top(model)
    parts = known if parts is None else list(parts)
    if unknown := set(parts) - set(known):
        raise ValueError(
            f"there is no part {min(unknown)!r}: choose from {', '.join(known)}"
        )
    twin = deepcopy(model)
    layers = trunk(twin)
    chosen = [layers[name] for name in parts]
    if "fc" in parts:
        chosen += [head for head in (twin.aux1, twin.aux2) if head is not None]
    generator = torch.Generator().manual_seed(seed)
    for layer in chosen:
        for weights in layer.parameters():
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order].view(weights.shape))
        for norm in layer.modules():
            if isinstance(norm, _BatchNorm):
                norm.reset_running_stats()
                norm.momentum = None  # the statistics of x, not a running mean
                norm.train()
    answers(twin, x)
    return twin.eval()


def cascade(model: GoogLeNet, x: Tensor, classes: Tensor | int) -> pd.DataFrame:
    """How alike heat maps stay while the network is ``randomised`` from the top down.

    A row per step, named by the part that was shuffled last; a column per method, the
    mean ``rank_correlation`` with the intact network's maps of the N images ``x``.
    """

    def maps(network: GoogLeNet) -> dict[str, Tensor]:
        with torch.enable_grad():
            found = {
                f"Grad-CAM, {name}": grad_cam(features, contrast(logits, classes))
                for name, (features, logits) in answers(network, x).items()
            }
        found["image × gradient"] = image_times_gradient(
            lambda images: contrast(network(images), classes), x
        )
        return found

    intact, steps, parts = maps(model), {}, from_the_top(model)
    for n, part in enumerate(parts, 1):
        changed = maps(randomised(model, x, parts[:n]))
        steps[part] = {
            method: rank_correlation(heat, changed[method]).mean().item()
            for method, heat in intact.items()
        }
    return pd.DataFrame(steps).T
