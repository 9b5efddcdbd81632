"""To look into an explorer and a figure without a browser, and what layers cost."""

import re

import torch
from ipywidgets import HTML
from matplotlib.patches import Rectangle
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parts(widget, kind):
    """All widgets of a kind inside ``widget``, in the order in which they are shown."""
    found = [widget] if isinstance(widget, kind) else []
    for child in getattr(widget, "children", ()):
        found += parts(child, kind)
    return found


def rectangles(axes) -> list[Rectangle]:
    """The bars and boxes drawn there. Matplotlib's types know them only as patches."""
    return list(axes.patches)


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def alt(explorer) -> str:
    return re.search(r'alt="([^"]+)"', parts(explorer, HTML)[-1].value).group(1)


def notes(explorer) -> list[str]:
    return [note.value for note in parts(explorer, HTML)[:-1]]


def live(layer: nn.Module, channels: int, map_size: int) -> tuple[int, int]:
    """Weights and multiply-adds, counted while the layer runs."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        layer.to("meta")(torch.empty(1, channels, map_size, map_size))
    return sum(p.numel() for p in layer.parameters()), counter.get_total_flops() // 2
