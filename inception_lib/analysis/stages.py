"""A network taken apart: its layers in a row, what each puts out, its three answers."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..model import GOOGLENET_WIDTHS, GoogLeNet, Inception


def trunk(model: GoogLeNet) -> dict[str, nn.Module]:
    """The layers between image and logits by name: conv1, …, 3a, …, 5b, avgpool, fc.

    Applied one after the other they are the network in eval mode. Raises TypeError on
    anything but a GoogLeNet, ValueError on one in train mode, in which batch norm would
    change with every look.
    """
    if not isinstance(model, GoogLeNet):
        raise TypeError(f"model must be a GoogLeNet, got a {type(model).__name__}")
    if model.training:
        raise ValueError("the model is in train mode: call model.eval() first")
    layers = {
        name.removeprefix("inception"): layer
        for name, layer in model.named_children()
        if not name.startswith("aux")
    }
    layers["avgpool"] = nn.Sequential(layers["avgpool"], nn.Flatten())
    return layers


def stage_maps(model: GoogLeNet, x: Tensor) -> dict[str, Tensor]:
    """The feature maps, N×C×H×W each, of conv1, conv2, conv3 and the nine modules."""
    maps = {}
    for name, layer in trunk(model).items():
        x = layer(x)
        if name.startswith("conv") or name in GOOGLENET_WIDTHS:
            maps[name] = x
    return maps


def answers(model: GoogLeNet, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every output the maps that it reads, N×C×H×W, and its logits, N×K.

    "head 1" reads 4a, "head 2" 4d, "output" 5b; without heads there is only the last.
    Heads want square images of the network's ``image_size``.
    """
    heads = {"4a": ("head 1", model.aux1), "4d": ("head 2", model.aux2)}
    found, maps = {}, x
    for name, layer in trunk(model).items():
        x = layer(x)
        if name in GOOGLENET_WIDTHS:
            maps = x
        label, head = heads.get(name, ("", None))
        if head is not None:
            found[label] = x, head(x)
    return {**found, "output": (maps, x)}


def modules(
    model: GoogLeNet, x: Tensor
) -> Iterator[tuple[str, list[Tensor], nn.Module]]:
    """Of each Inception module in turn: its name, what its four branches put out for
    ``x``, and the rest of the network, from their concatenation to the logits.
    """
    layers = trunk(model)
    for i, (name, layer) in enumerate(layers.items(), 1):
        if isinstance(layer, Inception):
            outputs = layer.branches(x)
            yield name, outputs, nn.Sequential(*list(layers.values())[i:])
            x = torch.cat(outputs, dim=1)
        else:
            x = layer(x)
