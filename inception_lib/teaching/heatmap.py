"""A heat map over its image: orange speaks for an answer, purple against it."""

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor

from .drawing import show_image

# From −1 to 1. The less a place says, the more of the image shows through.
_SAYS = np.linspace(-1, 1, 256)
EVIDENCE = ListedColormap(
    np.column_stack([colormaps["PuOr_r"](_SAYS / 2 + 0.5)[:, :3], abs(_SAYS) ** 1.5])
)


def colour_scale(heat: Tensor) -> float:
    """The evidence at full colour: one place in a hundred is beyond it."""
    return max(torch.quantile(heat.abs().flatten()[:1_000_000], 0.99).item(), 1e-12)


def enlarged(heat: Tensor, side: int, smooth: bool = True) -> Tensor:
    """An h×w map at side×side pixels, in float32."""
    mode = "bilinear" if smooth else "nearest"
    return F.interpolate(heat[None, None].float(), (side, side), mode=mode)[0, 0]


def overlay(
    ax: Axes,
    image: Tensor,
    heat: Tensor,
    *,
    scale: float | None = None,
    outline: float | None = None,
    smooth: bool = True,
) -> None:
    """A heat map (h×w) over its image (C×S×S uint8).

    ``scale`` is the evidence at full colour, or the map's own ``colour_scale``. A line
    goes around what is above ``outline``. Without ``smooth`` the h×w places are shown
    as they are.
    """
    # In light greys, on which colours can be told apart, and a dark cell can be seen.
    grey = image.float() - image.min()
    grey *= 255 / grey.max().clamp_min(1)
    show_image(ax, (grey / 2 + 127).byte(), vmin=0, vmax=255)
    large = enlarged(heat, image.shape[-1], smooth)
    scale = scale or colour_scale(heat)
    ax.imshow(large.numpy() / scale, cmap=EVIDENCE, vmin=-1, vmax=1)
    if outline is not None and large.min() < outline < large.max():
        ax.contour(large.numpy(), [outline], colors="black", linewidths=1)


def legend(ax: Axes, signed: bool = True, ends: tuple = ("against", "for")) -> None:
    """Below a map: what its colours say, from ``ends[0]`` over 0 to ``ends[1]``."""
    bar = ax.inset_axes((0.15, -0.1, 0.7, 0.05))
    ramp = np.linspace(-1 if signed else 0, 1, 101)[None]
    bar.imshow(ramp, cmap=EVIDENCE, vmin=-1, vmax=1, aspect="auto")
    bar.images[0].set_extent((ramp[0, 0], 1, 0, 1))
    words = {-1: ends[0], 0: "0", 1: ends[1]} if signed else {0: "little", 1: "much"}
    bar.set_xticks(list(words), list(words.values()))
    bar.set_yticks([])
    bar.tick_params(length=0, labelsize=8, pad=1)


def highest_place(heat: Tensor) -> str:
    """In words, in which ninth of an h×w map its largest value lies: "upper left"."""
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    down = ["upper", "middle", "lower"][3 * row // heat.shape[0]]
    along = ["left", "centre", "right"][3 * column // heat.shape[1]]
    return f"{down} {along}"
