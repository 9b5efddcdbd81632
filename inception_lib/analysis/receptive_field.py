"""How much of the image one place of a feature map can see, in closed form."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checks import check_positive
from ..model import GOOGLENET_WIDTHS, BasicConv2d, GoogLeNet, Inception
from .parts import BRANCHES, stages, trunk, trunk_in_eval_mode


class ReceptiveField(NamedTuple):
    """What one place of a map sees, in pixels of the image.

    ``smallest`` and ``largest`` are the sides of the square that it sees along the
    path with the smallest and with the largest kernels; without branches they are
    equal. ``jump`` is the distance from one place to the next.
    """

    smallest: int
    largest: int
    jump: int


PIXEL = ReceptiveField(1, 1, 1)


def windows(module: nn.Module) -> list[tuple[int, int]]:
    """(kernel size, stride) of the convolutions and max poolings, in order.

    Kernels and strides are taken to be square, layers to follow one another.
    """
    return [
        (_side(layer.kernel_size), _side(layer.stride)) for layer in _sliding(module)
    ]


def _sliding(module: nn.Module) -> list[nn.Conv2d | nn.MaxPool2d]:
    kinds = (nn.Conv2d, nn.MaxPool2d)
    return [layer for layer in module.modules() if isinstance(layer, kinds)]


def _side(size: int | tuple[int, ...] | str) -> int:
    return int(size[0] if isinstance(size, tuple) else size)


def through(
    layers: Iterable[tuple[int, int]], field: ReceptiveField = PIXEL
) -> ReceptiveField:
    """The receptive field after layers of (kernel size, stride), from ``field`` on.

    A kernel of k places widens the field by k − 1 steps of the map that it slides over;
    a stride makes the steps of all later maps longer. See Araujo, Norris and Sim 2019,
    "Computing Receptive Fields of Convolutional Neural Networks" (Distill).
    Raises ValueError on a number that is no positive integer.
    """
    smallest, largest, jump = field
    for kernel_size, stride in layers:
        check_positive(kernel_size=kernel_size, stride=stride)
        wider = (kernel_size - 1) * jump
        smallest, largest, jump = smallest + wider, largest + wider, jump * stride
    return ReceptiveField(smallest, largest, jump)


def receptive_fields(model: GoogLeNet) -> dict[str, dict[str, ReceptiveField]]:
    """By stage and branch: {"conv1": {"trunk": ReceptiveField(7, 7, 2)}, …}.

    A module has four, {"1x1": ReceptiveField(27, 27, 8), …}. Concatenation passes all
    of them on at once, from the smallest of the branches to the largest. Raises
    TypeError on anything but a GoogLeNet.
    """
    field, fields = PIXEL, {}
    for name, layer in trunk(model).items():
        if isinstance(layer, Inception):
            branches = fields[name] = {
                kind: through(windows(layer.get_submodule(branch)), field)
                for kind, branch in BRANCHES.items()
            }
            smallest = min(branch.smallest for branch in branches.values())
            largest = max(branch.largest for branch in branches.values())
            field = ReceptiveField(smallest, largest, field.jump)
        else:
            field = through(windows(layer), field)
            if isinstance(layer, BasicConv2d):
                fields[name] = {"trunk": field}
    return fields


def inception_receptive_fields(
    model: GoogLeNet,
) -> dict[str, dict[str, ReceptiveField]]:
    """``receptive_fields`` of the nine modules: {"3a": {"1x1": …, "3x3": …}, …}."""
    fields = receptive_fields(model)
    return {name: fields[name] for name in GOOGLENET_WIDTHS}


def first_centres(model: GoogLeNet) -> dict[str, float]:
    """By stage, the pixel in the middle of what its first place sees, counted from 0,
    the same in both directions; the p-th place's is p jumps further.

    The middle of a kernel of k places is (k − 1) / 2 steps after where it begins, which
    is the padding before the first. Modules pad so that nothing moves.
    """
    centre, jump, centres = 0.0, 1, {}
    for name, layer in trunk(model).items():
        if not isinstance(layer, Inception):
            for part in _sliding(layer):
                middle = (_side(part.kernel_size) - 1) / 2
                centre += (middle - _side(part.padding)) * jump
                jump *= _side(part.stride)
        centres[name] = centre
    return {name: centres[name] for name in stages(model)}


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
    layers = trunk_in_eval_mode(model)
    if stage not in stages(model) or (branch and stage not in GOOGLENET_WIDTHS):
        raise ValueError(
            f"there is no {branch or ''} {stage}: see receptive_fields(model)"
        )
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
