"""11 · Dreams: pictures that a network would like, and cracks drawn by hand."""

from collections.abc import Callable, Iterable

import pandas as pd
from ipywidgets import VBox
from torch import Tensor

from ...analysis.cracks import draw_crack
from ..drawing import (
    Drawing,
    bars,
    credit,
    figure,
    fixed_layout,
    full_contrast,
    series,
    show_image,
)
from ..explorer import Slider, check_lengths, explorer

# From N pictures to N probabilities of a defect and N responses of a channel.
Look = Callable[[Tensor], tuple[Tensor, Tensor]]


def draw_dreams(
    rows: dict[str, Iterable[tuple[str, Tensor]]], what: str, real: bool = False
) -> Drawing:
    """Named rows of titles and pictures (C×S×S, 0 to 255). ``what`` they are begins the
    description; ``real`` says that solar cells are among them.
    """
    lists = {name: list(row) for name, row in rows.items()}
    columns = max(map(len, lists.values()))
    height = len(lists) * (7.2 / columns + 0.6) + 0.35
    fig, axes = figure(height, len(lists), columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for line, (name, row) in zip(axes, lists.items(), strict=True):
        for ax, (title, picture) in zip(line, row, strict=False):
            ax.set_axis_on()
            show_image(ax, picture.round().byte(), title)
        line[0].set_ylabel(name)
    if real:
        credit(fig)
    told = "; ".join(
        f"{name}: {', '.join(title for title, _ in row)}" for name, row in lists.items()
    )
    return Drawing(fig, f"{what} {told}.".replace("\n", " "))


def draw_curves(panels: dict[str, pd.DataFrame], what: str, x: str) -> Drawing:
    """A panel for each table: a line per column, over the index, which is ``x``."""
    fig, axes = figure(3.2, columns=len(panels), squeeze=False)
    told = []
    for ax, (label, table) in zip(axes[0], panels.items(), strict=True):
        for i, (name, values) in enumerate(table.items()):
            ax.plot(values, label=name, **series(i))
            low, high = values.idxmin(), values.idxmax()
            told.append(
                f"{label}, {name}: lowest {values[low]:.2f} at {low}, highest "
                f"{values[high]:.2f} at {high}"
            )
        ax.set(xlabel=x, title=label, ylim=(0, 1.05 * max(1, table.max(axis=None))))
        if "degrees" in x:
            ax.set_xticks(range(0, 181, 45))
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=4)
    return Drawing(fig, f"{what} over the {x}. {'; '.join(told)}.")


def draw_cracked(
    image: Tensor,
    look: Look,
    angle: int,
    length: int,
    width: int,
    darkness: int,
    name: str = "the cell",
) -> Drawing:
    """A cell (C×S×S uint8) with a crack, and what ``look`` says without it and with it.

    ``angle`` in degrees, ``length`` in percent of the side, ``width`` in pixels,
    ``darkness`` in percent of the light.
    """
    pair = image.expand(2, *image.shape).clone()
    (pair[1],) = draw_crack(image[None], angle, length / 100, width, darkness / 100)
    fig, (left, middle, right) = figure(2.9, columns=3, width_ratios=[3, 3, 3])
    fixed_layout(fig, left=0.01, right=0.97, bottom=0.2, top=0.9, wspace=0.15)
    show_image(left, pair[1], f"{name}, a crack at {angle}°", **full_contrast(image))
    labels = "probability of a defect", "response of the channel (1 is rare)"
    told = []
    for ax, label, values in zip((middle, right), labels, look(pair), strict=True):
        values = values.relu()
        shown = dict(zip(("no crack", "crack"), values.tolist(), strict=True))
        bars(ax, shown, ["light", "3x3"], 2, label)
        told.append(f"{label} {values[0]:.2f} without, {values[1]:.2f} with it")
    middle.set_xticks([0, 0.5, 1])
    credit(fig)
    return Drawing(
        fig,
        f"{name} with a crack at {angle} degrees, {length} % of the side long, {width} "
        f"pixels wide, {darkness} % darker: {'; '.join(told)}.",
    )


def explore_cracks(images: Tensor, names: list[str], look: Look) -> VBox:
    """``draw_cracked`` with sliders, for each of N×C×S×S images (uint8).

    Raises ValueError without images or if there isn't a name for each.
    """
    check_lengths(images, names)

    def draw(cell: int, **crack: int) -> Drawing:
        return draw_cracked(images[cell - 1], look, **crack, name=names[cell - 1])

    return explorer(
        draw,
        cell=Slider("cell", 1, 1, len(images), f"of {len(images)}"),
        angle=Slider("angle", 45, 0, 175, "degrees", 5),
        length=Slider("length", 60, 5, 95, "% of the side", 5),
        width=Slider("width", 1, 1, 8, "pixels"),
        darkness=Slider("darkness", 40, 0, 95, "% of the light", 5),
    )
