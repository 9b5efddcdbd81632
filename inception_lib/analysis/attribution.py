"""Which places of an image speak for which class, and whether a map of them is true."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..checks import check_positive
from ..model import GoogLeNet
from .parts import answers, stages, trunk

Score = Callable[[Tensor], Tensor]  # N×3×H×W images -> N numbers


def class_activation_map(features: Tensor, linear: nn.Linear) -> Tensor:
    """What each place of the maps says for each class: N×C×H×W -> N×K×H×W.

    ``linear`` (C -> K) is the layer that follows global average pooling; here it is
    applied at every place, without its bias. Averaging and a linear map commute, so
    that the mean over H and W, plus the bias, is exactly the logits.
    Zhou et al. 2016, arXiv:1512.04150.
    """
    return torch.einsum("nchw,kc->nkhw", features, linear.weight)


def contrast(logits: Tensor, classes: Tensor | int) -> Tensor:
    """N×K logits, N class indices or one for all -> N: the class's logit above the
    others' mean.

    What speaks for all the classes alike cancels; of two classes it is the log-odds.
    Raises ValueError if there is only one class.
    """
    if logits.shape[1] < 2:
        raise ValueError("a contrast needs at least 2 classes, got 1")
    classes = torch.as_tensor(classes, device=logits.device).expand(len(logits))
    chosen = logits.gather(1, classes[:, None]).squeeze(1)
    return chosen - (logits.sum(1) - chosen) / (logits.shape[1] - 1)


def grad_cam(maps: Tensor, score: Tensor) -> Tensor:
    """Maps N×C×H×W, each channel weighted by its mean gradient, added up: N×H×W.

    ``score``, N numbers, must have been computed from ``maps`` with gradients on. The
    paper keeps what is positive only: ``.relu()``. Selvaraju et al. 2017,
    arXiv:1610.02391.
    """
    (gradients,) = torch.autograd.grad(score.sum(), maps, retain_graph=True)
    weights = gradients.mean((2, 3), keepdim=True)
    return (weights * maps).sum(1).detach()


def input_x_gradient(score: Score, x: Tensor) -> Tensor:
    """``|Σ over the colours of pixel × derivative of the score|``, N×H×W."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        (gradients,) = torch.autograd.grad(score(x).sum(), x)
    return (gradients * x).sum(1).abs().detach()


@torch.no_grad()
def occlusion(score: Score, x: Tensor, size: int, step: int, fill: Tensor) -> Tensor:
    """By how much the score falls when a size×size square is covered: N×H×W.

    The square walks over the N×3×H×W images by ``step``, and to their last edge; a
    pixel gets the mean of all the squares that covered it. Covered is what shows
    ``fill`` instead, 1×3×H×W: the mean of many images, say, as a flat grey can mean
    something to the network. Zeiler and Fergus 2013, arXiv:1311.2901.
    Raises ValueError if the square is larger than the images, or the step than it.
    """
    check_positive(size=size, step=step)
    height, width = x.shape[-2:]
    if size > min(height, width):
        raise ValueError(
            f"a square of {size} pixels doesn't fit into {height}×{width} images: "
            "choose a smaller size"
        )
    if step > size:
        raise ValueError(
            f"squares of {size} pixels, {step} apart, leave gaps: choose a smaller step"
        )
    before = score(x)
    total, count = x.new_zeros(len(x), height, width), x.new_zeros(height, width)
    for top in sorted({*range(0, height - size, step), height - size}):
        for left in sorted({*range(0, width - size, step), width - size}):
            square = (..., slice(top, top + size), slice(left, left + size))
            covered = x.clone()
            covered[square] = fill[square]
            total[square] += (before - score(covered))[:, None, None]
            count[square] += 1
    return total / count


def grad_cams(model: GoogLeNet, x: Tensor, classes: Tensor | int) -> dict[str, Tensor]:
    """``grad_cam`` of the ``contrast`` for each output: {"Grad-CAM, head 1": N×h×w}."""
    with torch.enable_grad():
        return {
            f"Grad-CAM, {name}": grad_cam(maps, contrast(logits, classes))
            for name, (maps, logits) in answers(model, x).items()
        }


def attributions(
    model: GoogLeNet, x: Tensor, classes: Tensor | int, fill: Tensor
) -> dict[str, Tensor]:
    """Heat maps of N images for a class each, or one for all, N×h×w, by method.

    Grad-CAM of the output, where it is the class activation map, and of each head;
    occlusion by squares of a quarter of the side, 1/8 apart, with ``fill`` in them;
    input × gradient. The score is the ``contrast``.
    """

    def score(x: Tensor) -> Tensor:
        return contrast(model(x), classes)

    found = dict(reversed(grad_cams(model, x, classes).items()))
    eighth = max(1, x.shape[-1] // 8)
    found["occlusion"] = occlusion(score, x, 2 * eighth, eighth, fill)
    found["input × gradient"] = input_x_gradient(score, x)
    return found


def ranking(maps: Tensor, grid: int) -> Tensor:
    """N×h×w maps -> N×grid² numbers of squares (row by row), the highest first."""
    small = F.interpolate(
        maps[:, None].float(), (grid, grid), mode="bilinear", antialias=True
    )
    return small.flatten(1).argsort(dim=1, descending=True, stable=True)


@torch.no_grad()
def deletion(
    score: Score, x: Tensor, order: Tensor, fill: Tensor, steps: int = 6
) -> Tensor:
    """The score while squares are taken away in ``order``: N×(steps + 1).

    ``order`` (from ``ranking``) is N×G² numbers of a G×G grid of squares; each step
    takes away as many, until nothing is left. Taken away is what shows ``fill``
    instead, as in ``occlusion``. Petsiuk et al. 2018, arXiv:1806.07421. Raises
    ValueError if G² isn't a square or ``steps`` doesn't divide it.
    """
    check_positive(steps=steps)
    squares = order.shape[1]
    grid = round(squares**0.5)
    if grid**2 != squares or squares % steps:
        raise ValueError(
            f"{squares} squares in {steps} steps: choose a square number of squares "
            "and steps that divide it"
        )
    taken = [squares // steps * i for i in range(steps + 1)]
    return torch.stack([score(without(x, order, t, fill)) for t in taken], dim=1)


def deletion_curves(
    score: Score,
    x: Tensor,
    maps: dict[str, dict[str, Tensor]],
    fill: Tensor,
    grid: int = 12,
    draws: int = 3,
) -> dict[str, dict[str, Tensor]]:
    """The ``deletion`` curves of each method's maps, and of what they must beat.

    ``maps``: {network: {method: N×h×w}}. The orders are each network's map ("trained
    network's map", …), "random squares", the mean of some draws, and "another picture's
    map", the first network's for the image before.
    """

    def fall(heat: Tensor) -> Tensor:
        return deletion(score, x, ranking(heat, grid), fill)

    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(draws, len(x), grid, grid, generator=generator)
    blind = torch.stack([fall(one) for one in noise]).mean(0)
    first = next(iter(maps.values()))
    curves = {}
    for method, heat in first.items():
        own = {f"{name} network's map": fall(by[method]) for name, by in maps.items()}
        other = {"another picture's map": fall(heat.roll(1, dims=0))}
        curves[method] = {**own, "random squares": blind, **other}
    return curves


def without(x: Tensor, order: Tensor, count: int, fill: Tensor) -> Tensor:
    """N×3×H×W images, the first ``count`` squares of ``order`` (as in ``deletion``)
    replaced by ``fill``.
    """
    n, squares = order.shape
    grid = round(squares**0.5)
    place_in_order = order.argsort(1).view(n, 1, grid, grid).float()
    when = F.interpolate(place_in_order, x.shape[-2:], mode="nearest")
    return torch.where(when < count, fill, x)


def rank_correlation(one: Tensor, other: Tensor) -> Tensor:
    """Spearman's correlation of two N×h×w sets of maps, image by image: N numbers."""

    def ranks(maps: Tensor) -> Tensor:
        order = maps.flatten(1).argsort(1).argsort(1).double()
        return order - order.mean(1, keepdim=True)

    return F.cosine_similarity(ranks(one), ranks(other), dim=1)


def from_the_top(model: GoogLeNet) -> list[str]:
    """The parts that have weights, from the last to the first: fc, 5b, …, conv1."""
    return ["fc", *reversed(stages(model))]


@torch.no_grad()
def randomised(
    model: GoogLeNet, x: Tensor, parts: Iterable[str] | None = None, seed: int = 0
) -> GoogLeNet:
    """A copy in which the weights of ``parts`` (default: all) are shuffled.

    Every tensor keeps its numbers and loses their order, and with it all that was
    learned except their size. Batch norms in these parts measure their statistics
    again, on the images ``x`` (N×3×H×W). The heads are shuffled when "fc" is. With
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
        found = grad_cams(network, x, classes)
        found["input × gradient"] = input_x_gradient(
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
