"""How much of the image one place of a feature map can see, in closed form."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checks import check_positive
from ..model import GOOGLENET_WIDTHS, GoogLeNet, Inception
from .stages import trunk

BRANCHES = {"1x1": "branch1", "3x3": "branch2", "5x5": "branch3", "pool": "branch4"}


class View(NamedTuple):
    """What one place of a map sees, in pixels of the image.

    ``smallest`` and ``largest`` are the sides of the square that it sees along the
    path with the smallest and with the largest kernels; without branches they are
    equal. ``jump`` is the way from a place to the next.
    """

    smallest: int
    largest: int
    jump: int


PIXEL = View(1, 1, 1)


def windows(module: nn.Module) -> list[tuple[int, int]]:
    """(kernel size, stride) of the convolutions and max poolings, in order.

    Kernels and strides are taken to be square, layers to follow one another.
    """
    kinds = (nn.Conv2d, nn.MaxPool2d)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    return [(_side(layer.kernel_size), _side(layer.stride)) for layer in layers]


def _side(size: int | tuple[int, ...] | str) -> int:
    return int(size[0] if isinstance(size, tuple) else size)


def through(layers: Iterable[tuple[int, int]], view: View = PIXEL) -> View:
    """The view behind layers of (kernel size, stride), for one who had ``view`` before.

    A kernel of k places widens the view by k − 1 steps of the map that it walks on; a
    stride makes the steps of all later maps longer. See Araujo, Norris and Sim 2019,
    "Computing Receptive Fields of Convolutional Neural Networks" (Distill).
    Raises ValueError on a number that is no positive integer.
    """
    smallest, largest, jump = view
    for kernel_size, stride in layers:
        check_positive(kernel_size=kernel_size, stride=stride)
        wider = (kernel_size - 1) * jump
        smallest, largest, jump = smallest + wider, largest + wider, jump * stride
    return View(smallest, largest, jump)


def stage_views(model: GoogLeNet) -> dict[str, dict[str, View]]:
    """For each stage and branch its view: {"conv1": {"trunk": View(7, 7, 2)}, …}.

    A module has four, {"1x1": View(27, 27, 8), …}. Concatenation gives the next one
    every view at once, from the smallest of the branches to the largest. Raises
    TypeError on anything but a GoogLeNet.
    """
    if not isinstance(model, GoogLeNet):
        raise TypeError(f"model must be a GoogLeNet, got a {type(model).__name__}")
    view, views = PIXEL, {}
    for name, layer in model.named_children():
        if isinstance(layer, Inception):
            branches = {
                kind: through(windows(layer.get_submodule(branch)), view)
                for kind, branch in BRANCHES.items()
            }
            views[name.removeprefix("inception")] = branches
            view = View(
                min(branch.smallest for branch in branches.values()),
                max(branch.largest for branch in branches.values()),
                view.jump,
            )
        elif not name.startswith("aux"):
            view = through(windows(layer), view)
            if name.startswith("conv"):
                views[name] = {"trunk": view}
    return views


def inception_views(model: GoogLeNet) -> dict[str, dict[str, View]]:
    """``stage_views`` of the nine modules: {"3a": {"1x1": View(27, 27, 8), …}, …}."""
    stages = stage_views(model).items()
    return {name: views for name, views in stages if name in GOOGLENET_WIDTHS}


def first_centres(model: GoogLeNet) -> dict[str, float]:
    """For each stage the pixel in the middle of what its first place sees, counted
    from 0, the same in both directions; the p-th place's lies p jumps further.

    A kernel of k places puts its middle (k − 1) / 2 steps behind where it begins, which
    is the padding before the first. Modules pad so that nothing moves.
    """
    centre, jump, centres = 0.0, 1, {}
    for name, layer in model.named_children():
        if isinstance(layer, Inception):
            centres[name.removeprefix("inception")] = centre
        elif not name.startswith("aux"):
            for part in layer.modules():
                if isinstance(part, nn.Conv2d | nn.MaxPool2d):
                    middle = (_side(part.kernel_size) - 1) / 2
                    centre += (middle - _side(part.padding)) * jump
                    jump *= _side(part.stride)
            if name.startswith("conv"):
                centres[name] = centre
    return centres


def gradient_reach(
    model: GoogLeNet,
    x: Tensor,
    stage: str,
    place: tuple[int, int],
    branch: str | None = None,
) -> Tensor:
    """How much each pixel moves one place of a stage's maps: H×W, the most moving is 1.

    The mean over the N images ``x`` (N×3×H×W) of the absolute derivative of the sum of
    all channels at ``place`` (row, column); with ``branch`` ("1x1", "3x3", "5x5",
    "pool") of that branch's channels only. Luo et al. 2016, arXiv:1701.04128.
    Raises ValueError on a stage or branch that doesn't exist.
    """
    layers = trunk(model)
    if stage not in layers or (branch and stage not in GOOGLENET_WIDTHS):
        raise ValueError(f"there is no {branch or ''} {stage}: see stage_views(model)")
    if branch not in (None, *BRANCHES):
        raise ValueError(f"branch must be one of {', '.join(BRANCHES)}, got {branch!r}")
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        y = x
        for name, layer in layers.items():
            if name == stage and branch:
                layer = layer.get_submodule(BRANCHES[branch])
            y = layer(y)
            if name == stage:
                break
        (gradients,) = torch.autograd.grad(y[:, :, place[0], place[1]].sum(), x)
    reach = gradients.sum(1).abs().mean(0)  # of a grey pixel: all its colours at once
    return reach / reach.max().clamp_min(1e-30)
