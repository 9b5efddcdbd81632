"""03 · Global average pooling: two endings, and the maps that one gives away."""

from collections.abc import Sequence

from ipywidgets import VBox
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...analysis import costs
from .. import heatmap
from ..drawing import (
    COLOURS,
    Drawing,
    credit,
    figure,
    fixed_layout,
    show_image,
)
from ..explorer import Choice, Slider, check_lengths, explorer


def draw_pooling(map_size: int, channels: int, classes: int) -> Drawing:
    """Weights from channels×map_size×map_size to the classes: flattened, averaged.

    Left: both endings; right: how the first grows with the map. Biases are left out.
    Raises ValueError on a number below 1.
    """
    flat = costs.linear(channels * map_size**2, classes, bias=False).parameters
    averaged = costs.linear(channels, classes, bias=False).parameters
    side = f"{map_size}×{map_size}"
    verdict = f"{side} = {map_size**2} times fewer weights"
    if map_size == 1:
        verdict = "a map of one place: no difference"

    fig, (bars, line) = figure(2.7, columns=2, width_ratios=[3, 2])
    fixed_layout(fig, left=0.1, right=0.98, bottom=0.19, top=0.9, wspace=0.4)
    grey, blue = COLOURS["trunk"], COLOURS["1x1"]
    bars.barh(1, flat, 0.5, color=grey, hatch="//")
    bars.barh(0, averaged, 0.5, color=blue)
    bars.set_yticks([1, 0], ["flatten,\nconnect", "average,\nconnect"])
    bars.text(0, 1.3, f"{side} × {channels} × {classes} = {flat:,}")
    bars.text(0, 0.3, f"{channels} × {classes} = {averaged:,}")
    bars.set_ylim(-0.4, 1.6)
    bars.set_xlabel("weights")
    bars.set_title(f"averaged: {verdict}")

    sizes = range(1, max(8, map_size + 2))
    line.plot(sizes, [averaged * n**2 for n in sizes], "--", color=grey)
    line.plot(map_size, flat, "s", color=grey, ms=8, mec="black")
    line.axhline(averaged, color=blue)
    line.plot(map_size, averaged, "o", color=blue, ms=8, mec="black")
    line.set_ylabel("weights")
    line.set_xlabel("side of the map (places)")
    line.set_title("□ flattened, ● averaged")
    line.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for axis in (bars.xaxis, line.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axis.set_major_formatter("{x:,.0f}")
    return Drawing(
        fig,
        f"A map of {side} with {channels} channels, to {classes} classes. Flattened "
        f"and connected: {flat:,} weights; averaged and connected: {averaged:,}. "
        f"Averaged: {verdict}. Flattened grows with the square of the map's side, "
        "averaged stays.",
    )


def explore_pooling() -> VBox:
    """Explore ``draw_pooling`` with three sliders, from GoogLeNet's ending on."""
    return explorer(
        draw_pooling,
        map_size=Slider("map size", 7, 1, 32, "places a side"),
        channels=Slider("channels", 1024, 1, 2048, "channels"),
        classes=Slider("classes", 1000, 1, 2000, "classes"),
    )


def draw_activation_map(
    image: Tensor, evidence: Tensor, title: str, *, scale: float, smooth: bool = True
) -> Drawing:
    """A grey image (1×S×S uint8) beside its map of evidence (h×w), laid over it.

    Orange speaks for the second class, purple for the first; a line goes around what
    is above half of the map's maximum. ``scale`` is the evidence at full colour, whose
    numbers stand at the ends of the colour bar; without ``smooth`` the h×w places are
    shown as they are.
    """
    fig, (left, right) = figure(3.8, columns=2)
    fixed_layout(fig, left=0.01, right=0.99, bottom=0.19, top=0.93, wspace=0.04)
    show_image(left, image, title)
    most = evidence.max().item()
    line = most / 2 if most > 0 else None
    heatmap.overlay(right, image, evidence, scale=scale, smooth=smooth, outline=line)
    beyond = ("≤ ", "≥ ") if evidence.abs().max() > scale else ("", "")
    ends = f"{beyond[0]}−{scale:.1f}\nfunctional", f"{beyond[1]}+{scale:.1f}\ndefective"
    heatmap.legend(right, ends=ends)
    mean, shape = evidence.mean().item(), "×".join(map(str, evidence.shape))
    numbers = f"mean {mean:+.1f}, peak {most:+.1f}"
    right.set_title(f"evidence at {shape} places: {numbers}", fontsize=9)
    credit(fig)
    return Drawing(
        fig,
        f"{title}. Beside the cell, its map of evidence: mean {mean:+.1f}, highest "
        f"{most:+.1f} at {heatmap.highest_place(evidence)}, lowest "
        f"{evidence.min().item():+.1f}.",
    )


def browse_activation_maps(
    images: Tensor, evidence: Tensor, titles: Sequence[str]
) -> VBox:
    """Walk through N×1×S×S images (uint8) and their N×h×w maps of evidence.

    All maps share one colour scale. Raises ValueError without images, or if the
    lengths differ.
    """
    check_lengths(images, evidence, titles)
    scale = heatmap.colour_scale(evidence)

    def draw(cell: int, places: str) -> Drawing:
        shown = images[cell - 1], evidence[cell - 1], titles[cell - 1]
        return draw_activation_map(*shown, scale=scale, smooth=places == "smoothed")

    return explorer(
        draw,
        cell=Slider("cell", 1, 1, len(images), f"of {len(images)}"),
        places=Choice("places", ["smoothed", "as computed"]),
    )


def draw_kept(image: Tensor, maps: Tensor, channels: dict[str, int]) -> Drawing:
    """An image (1×S×S uint8), and of its maps (C×H×W) those in ``channels``.

    ``channels`` gives each shown channel a name; above it stand its mean and maximum.
    """
    fig, (left, *axes) = figure(2.7, columns=1 + len(channels))
    show_image(left, image, "the cell\n")
    told = []
    for ax, (name, channel) in zip(axes, channels.items(), strict=True):
        shown = maps[channel]
        numbers = f"mean {shown.mean():.2f}, max {shown.max():.2f}"
        title = f"{name}: channel {channel}\n{numbers}"
        show_image(ax, shown, title, cmap="cividis", vmin=0)
        told.append(f"{name}, channel {channel}, {numbers}")
    credit(fig)
    return Drawing(fig, f"A cell and some of its feature maps: {'; '.join(told)}.")


def draw_gradients(shown: Tensor, sent: dict[str, Tensor]) -> Drawing:
    """A feature map (H×W) and the gradient (H×W) that each kind of pooling sends.

    The gradients share a scale, of the root: 0.01 is a light blue beside 1. On a map of
    up to 100 places each shows its number.
    """
    fig, (left, *axes) = figure(2.9, columns=1 + len(sent))
    show_image(left, shown, "the feature map\n", cmap="cividis", vmin=0)
    most = max(gradient.max().item() for gradient in sent.values())
    told = []
    for ax, (name, gradient) in zip(axes, sent.items(), strict=True):
        reached, each = int((gradient != 0).sum()), gradient.max().item()
        title = f"{name}: {reached} of {gradient.numel()} places\neach {each:.4f}"
        norm = PowerNorm(0.5, 0, most)
        show_image(ax, gradient, title, cmap="Blues", norm=norm)
        ax.spines[:].set_visible(True)
        places = gradient.nonzero().tolist() if gradient.numel() <= 100 else []
        for row, column in places:
            value = gradient[row, column].item()
            colour = "white" if value > most / 4 else "black"
            look = {"ha": "center", "va": "center", "fontsize": 6, "color": colour}
            ax.text(column, row, f"{value:.2g}", **look)
        told.append(f"{name} reaches {reached} places with {each:.4f} each")
    return Drawing(
        fig, f"A feature map and the gradient sent back into it: {'; '.join(told)}."
    )
