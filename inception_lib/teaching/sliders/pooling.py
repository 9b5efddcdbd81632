"""Two endings of a network, and the maps that one of them gives away."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from ipywidgets import IntSlider, ToggleButtons, VBox
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...analysis import costs
from .. import style
from .explorer import Drawing, explorer


def draw_pooling(map_size: int, channels: int, classes: int) -> Drawing:
    """Weights from channels×map_size×map_size to the classes: flattened, averaged.

    Left: both endings; right: how the first grows with the map. Biases are left out.
    Raises ValueError on a number below 1.
    """
    flat = costs.linear(channels * map_size**2, classes, bias=False).parameters
    averaged = costs.linear(channels, classes, bias=False).parameters
    side = f"{map_size}×{map_size}"
    verdict = (
        "a map of one place: no difference"
        if map_size == 1
        else f"{side} = {map_size**2} times fewer weights"
    )

    fig, (bars, line) = style.figure(2.7, columns=2, width_ratios=[3, 2])
    style.fixed_layout(fig, left=0.1, right=0.98, bottom=0.19, top=0.9, wspace=0.4)
    grey, blue = style.COLOURS["trunk"], style.COLOURS["1x1"]
    bars.barh(1, flat, color=grey, hatch="//", edgecolor="white", height=0.5)
    bars.barh(0, averaged, color=blue, height=0.5)
    bars.set_yticks([1, 0], ["flatten,\nconnect", "average,\nconnect"])
    told = f"{side} × {channels} × {classes} = {flat:,}"
    bars.text(0, 1.3, told, fontsize=9)
    bars.text(0, 0.3, f"{channels} × {classes} = {averaged:,}", fontsize=9)
    bars.set_ylim(-0.4, 1.6)
    bars.set_xlabel("weights")
    bars.set_title(f"averaged: {verdict}", fontsize=10)

    sizes = range(1, max(8, map_size + 2))
    line.plot(sizes, [averaged * n**2 for n in sizes], "--", color=grey)
    line.plot(map_size, flat, "s", color=grey, ms=8, mec="black")
    line.axhline(averaged, color=blue)
    line.plot(map_size, averaged, "o", color=blue, ms=8, mec="black")
    line.set_ylabel("weights")
    line.set_xlabel("side of the map (places)")
    line.set_title("□ flattened, ● averaged", fontsize=10)
    line.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for axis in (bars.xaxis, line.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axis.set_major_formatter("{x:,.0f}")
    return fig, (
        f"A map of {side} with {channels} channels, to {classes} classes. Flattened "
        f"and connected: {flat:,} weights; averaged and connected: {averaged:,}. "
        f"Averaged: {verdict}. Flattened grows with the square of the map's side, "
        "averaged stays."
    )


def pooling(map_size: int = 7, channels: int = 1024, classes: int = 1000) -> VBox:
    """Explore ``draw_pooling`` with three sliders."""
    controls = {
        "map_size": IntSlider(map_size, 1, 32, description="map size"),
        "channels": IntSlider(channels, 1, 2048, description="channels"),
        "classes": IntSlider(classes, 1, 2000, description="classes"),
    }
    units = {"map_size": "places a side", "channels": "channels", "classes": "classes"}
    return explorer(draw_pooling, controls, units)


def draw_activation_map(
    image: Tensor, evidence: Tensor, title: str, *, scale: float, smooth: bool = True
) -> Drawing:
    """A grey image (1×S×S uint8) beside its map of evidence (h×w), laid over it.

    Orange speaks for the second class, purple for the first; a line goes around what
    is above half of the map's maximum. ``scale`` is the evidence at full colour;
    without ``smooth`` the h×w places are shown as they are.
    """
    fig, (left, right) = style.figure(3.6, columns=2)
    style.fixed_layout(fig, left=0.01, right=0.88, bottom=0.06, top=0.93, wspace=0.04)
    pixels, side = image[0].numpy(), image.shape[-1]
    style.picture(left, pixels, title, vmin=0, vmax=255)
    style.picture(right, pixels, vmin=0, vmax=255)
    how = (
        {"mode": "bilinear", "align_corners": False} if smooth else {"mode": "nearest"}
    )
    large = F.interpolate(evidence[None, None].float(), (side, side), **how)[0, 0]
    colours = {"cmap": "PuOr_r", "vmin": -scale, "vmax": scale, "alpha": 0.6}
    overlay = right.imshow(large.numpy(), **colours)
    highest = evidence.max().item()
    if highest > 0 and evidence.min() < highest / 2:
        right.contour(large.numpy(), [highest / 2], colors="black", linewidths=1)
    mean = evidence.mean().item()
    right.set_title(
        f"evidence at {'×'.join(map(str, evidence.shape))} places, mean {mean:+.1f}",
        fontsize=9,
    )
    bar = fig.add_axes((0.895, 0.1, 0.02, 0.75))
    fig.colorbar(overlay, cax=bar, label="functional ← 0 → defective")
    fig.text(0.01, 0.01, style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    return fig, (
        f"{title}. Beside the cell, its map of evidence: mean {mean:+.1f}, highest "
        f"{highest:+.1f} at {highest_place(evidence)}, lowest "
        f"{evidence.min().item():+.1f}."
    )


def highest_place(heat: Tensor) -> str:
    """In words, in which ninth of an h×w map its largest value lies: "upper left"."""
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    down = ["upper", "middle", "lower"][3 * row // heat.shape[0]]
    along = ["left", "centre", "right"][3 * column // heat.shape[1]]
    return f"{down} {along}"


def browse_activation_maps(
    images: Tensor, evidence: Tensor, titles: Sequence[str]
) -> VBox:
    """Walk through N×1×S×S images (uint8) and their N×h×w maps of evidence.

    All maps share one colour scale. Raises ValueError without images, or if the
    lengths differ.
    """
    lengths = {len(images), len(evidence), len(titles)}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            f"got {len(images)} images, {len(evidence)} maps and {len(titles)} titles: "
            "as many of each, at least one"
        )
    scale = colour_scale(evidence)

    def draw(cell: int, places: str) -> Drawing:
        i = cell - 1
        smooth = places == "smoothed"
        return draw_activation_map(
            images[i], evidence[i], titles[i], scale=scale, smooth=smooth
        )

    controls = {
        "cell": IntSlider(1, 1, len(images), description="cell"),
        "places": ToggleButtons(
            options=["smoothed", "as computed"], description="places"
        ),
    }
    return explorer(draw, controls, {"cell": f"of {len(images)}"})


def colour_scale(evidence: Tensor) -> float:
    """The evidence at full colour: one place in a hundred is beyond it."""
    return max(torch.quantile(evidence.abs().flatten()[:1_000_000], 0.99).item(), 1e-6)
