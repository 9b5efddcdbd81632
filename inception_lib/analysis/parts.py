"""A network taken apart: trunk, stages, modules and branches, by name."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..model import GOOGLENET_WIDTHS, BasicConv2d, GoogLeNet, Inception

BRANCHES = {"1x1": "branch1", "3x3": "branch2", "5x5": "branch3", "pool": "branch4"}


def trunk(model: GoogLeNet) -> dict[str, nn.Module]:
    """The layers between image and logits: conv1, …, 3a, …, 5b, avgpool, dropout, fc.

    Applied one after the other they are the network in eval mode. Raises TypeError on
    anything but a GoogLeNet.
    """
    if not isinstance(model, GoogLeNet):
        raise TypeError(f"model must be a GoogLeNet, got a {type(model).__name__}")
    layers = {
        name.removeprefix("inception"): layer
        for name, layer in model.named_children()
        if not name.startswith("aux")
    }
    layers["avgpool"] = nn.Sequential(layers["avgpool"], nn.Flatten())
    return layers


def stages(model: GoogLeNet) -> dict[str, nn.Module]:
    """The layers of the trunk that make feature maps: conv1, conv2, conv3, 3a … 5b."""
    kinds = (BasicConv2d, Inception)
    return {
        name: part for name, part in trunk(model).items() if isinstance(part, kinds)
    }


def trunk_in_eval_mode(model: GoogLeNet) -> dict[str, nn.Module]:
    """``trunk``, ready to be applied. Raises ValueError in train mode, in which batch
    norm would change with every look.
    """
    layers = trunk(model)
    if model.training:
        raise ValueError("the model is in train mode: call model.eval() first")
    return layers


def stage_maps(model: GoogLeNet, x: Tensor) -> dict[str, Tensor]:
    """The feature maps of every stage for the images ``x``, N×C×H×W each."""
    maps = {}
    for name, layer in trunk_in_eval_mode(model).items():
        x = layer(x)
        if name in stages(model):
            maps[name] = x
    return maps


def answers(model: GoogLeNet, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """The maps that each output reads, N×C×H×W, and its logits, N×K.

    "head 1" reads 4a, "head 2" 4d, "output" 5b; without heads there is only the last.
    Heads want square images of the network's ``image_size``.
    """
    heads = {"4a": ("head 1", model.aux1), "4d": ("head 2", model.aux2)}
    found, maps = {}, x
    for name, layer in trunk_in_eval_mode(model).items():
        x = layer(x)
        if name in GOOGLENET_WIDTHS:
            maps = x
        label, head = heads.get(name, ("", None))
        if head is not None:
            found[label] = x, head(x)
    return {**found, "output": (maps, x)}


def modules(
    model: GoogLeNet, x: Tensor
) -> Iterator[tuple[str, dict[str, Tensor], nn.Module]]:
    """Each Inception module in turn: its name, the outputs of its four branches for
    ``x``, and the rest of the network, from their concatenation to the logits.
    """
    layers = trunk_in_eval_mode(model)
    for i, (name, layer) in enumerate(layers.items(), 1):
        if isinstance(layer, Inception):
            outputs = dict(zip(BRANCHES, layer.branches(x), strict=True))
            yield name, outputs, nn.Sequential(*list(layers.values())[i:])
            x = torch.cat([*outputs.values()], dim=1)
        else:
            x = layer(x)
