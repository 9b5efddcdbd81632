"""Drawings of 02: what a branch can see. Each returns the figure and its alt text."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..analysis.receptive_field import View
from . import style

BRANCHES = ["1x1", "3x3", "5x5"]


def crop(image: Tensor, spot: tuple[int, int], side: int) -> Tensor:
    """The square of ``side`` pixels around ``spot``, cut off where the image ends.

    ``image`` H×W, ``spot`` its column and row, ``side`` odd.
    """
    x, y = spot
    half = side // 2
    return image[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]


def draw_views(
    image: Tensor, spots: dict[str, tuple[int, int]], views: dict[str, View]
) -> tuple[Figure, str]:
    """A row per spot of an H×W uint8 image: where three branches look, what they see.

    ``views`` are those of one module, as ``inception_views`` returns them.
    """
    fig, axes = style.figure(2.15 * len(spots) + 0.3, len(spots), 4)
    grey = {"vmin": 0, "vmax": 255}
    sides = {branch: views[branch].largest for branch in BRANCHES}
    told = []
    for row, (name, (x, y)) in zip(axes.reshape(-1, 4), spots.items(), strict=True):
        style.picture(row[0], image.numpy(), name, **grey)
        looks = zip(BRANCHES, ["-", "--", ":"], row[1:], strict=True)
        for branch, dash, ax in looks:
            side, colour = sides[branch], style.COLOURS[branch]
            corner = (x - side / 2, y - side / 2)
            square: dict[str, Any] = {"fill": False, "ec": colour, "lw": 2, "ls": dash}
            row[0].add_patch(Rectangle(corner, side, side, **square))
            kernel = branch.replace("x", "×")
            title = f"{kernel} sees {side}×{side} pixels"
            seen = crop(image, (x, y), side)
            style.picture(ax, seen.numpy(), title, **grey)
            greys = f"from {int(seen.min())} to {int(seen.max())}"
            told.append(f"{name}, {title}, greys {greys}")
            ax.spines[:].set(visible=True, color=colour, lw=2, ls=dash)
        row[0].set_xlim(-0.5, image.shape[1] - 0.5)
        row[0].set_ylim(image.shape[0] - 0.5, -0.5)
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    return fig, (
        f"A solar cell with three squares drawn around {' and around '.join(spots)}, "
        f"and what is inside of each (black is 0, white 255): {'; '.join(told)}."
    )


def draw_ranges(
    modules: dict[str, dict[str, View]], image_size: int = 224
) -> tuple[Figure, str]:
    """A bar per module from its smallest view to its largest, and the image's side."""
    fig, ax = style.figure(3.2)
    ranges = {
        name: (min(v.smallest for v in views), max(v.largest for v in views))
        for name, views in ((n, branches.values()) for n, branches in modules.items())
    }
    for name, (low, high) in ranges.items():
        ax.barh(name, high - low, 0.55, low, color=style.COLOURS["trunk"])
        ax.text(low, name, f"{low} ", ha="right", va="center", fontsize=9)
        ax.text(high, name, f" {high}", va="center", fontsize=9)
    ax.axvline(image_size, color=style.COLOURS["3x3"], ls="--")
    ax.text(image_size, 0, f" the image: {image_size}", va="center", fontsize=9)
    ax.invert_yaxis()
    ax.set_xlim(0)
    ax.set_xlabel("side of what a place sees (pixels of the image)")
    ax.set_title("Views that a module hands on, from smallest to largest", fontsize=11)
    told = ", ".join(f"{name} {low} to {high}" for name, (low, high) in ranges.items())
    return fig, (
        f"Bars from the smallest to the largest view of each module, in pixels: {told}."
        f" A dashed line marks the image's {image_size}."
    )


def draw_maps(image: Tensor, maps: dict[str, Tensor]) -> tuple[Figure, str]:
    """An H×W image (0 to 1) and maps of the same size, each on a scale of its own.

    A scale ends below the highest tenth of what is above 0, so that a bright edge
    leaves the rest its contrast. The names begin with the branch,
    such as "3×3 slant", and give the frame's colour.
    """
    fig, axes = style.figure(3.8, 2, -(-(len(maps) + 1) // 2))
    axes, told = axes.ravel(), []
    for ax in axes:
        ax.set_axis_off()
    style.picture(axes[0], image.numpy(), "the image", vmin=0, vmax=1)
    for ax, (name, values) in zip(axes[1:], maps.items(), strict=False):
        ax.set_axis_on()
        above = values[values > 0]
        top = float(above.quantile(0.9)) if len(above) else 1.0
        style.picture(ax, values.numpy(), name, cmap="cividis", vmin=0, vmax=top)
        share = (values > top / 2).float().mean()
        told.append(f"{name} answers clearly at {share:.0%} of the places")
        branch = name.split()[0].replace("×", "x")
        ax.spines[:].set(visible=True, color=style.COLOURS[branch], lw=3)
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    return fig, f"A solar cell, and what comes out of each branch: {'; '.join(told)}."
