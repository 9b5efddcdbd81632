"""How much of the image one place of a feature map can see, in closed form."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

from ..model import GoogLeNet, Inception
from ..model.layers import check_positive

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


def _side(size: int | tuple[int, ...]) -> int:
    return size[0] if isinstance(size, tuple) else size


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


def inception_views(model: GoogLeNet) -> dict[str, dict[str, View]]:
    """For each module and branch its view: {"3a": {"1x1": View(27, 27, 8), …}, …}.

    Concatenation gives the next module every view at once, from the smallest of the
    branches to the largest. Raises TypeError on anything but a GoogLeNet.
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
    return views
