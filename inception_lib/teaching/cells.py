"""Solar cells on show: galleries with their credit, an explorer, statistics."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from ipywidgets import IntSlider, ToggleButtons, VBox
from matplotlib.figure import Figure
from torch import Tensor

from ..training.data import ImageSet
from . import style
from .sliders import explorer

PROBABILITIES = {"0": 0, "1/3": 1 / 3, "2/3": 2 / 3, "1": 1}


def gallery(
    cells: ImageSet,
    indices: Iterable[int],
    titles: Sequence[str],
    *,
    alt: str,
    columns: int = 4,
) -> None:
    """Show the images at ``indices`` in rows of ``columns``, all on one grey scale."""
    style.show(draw_gallery(cells, indices, titles, columns), alt)


def draw_gallery(
    cells: ImageSet, indices: Iterable[int], titles: Sequence[str], columns: int = 4
) -> Figure:
    """The figure behind ``gallery``, with the credit that the images' licence asks."""
    pictures = cells.images[torch.as_tensor(list(indices), dtype=torch.long)]
    rows = -(-len(pictures) // columns)
    height = rows * (style.WIDTH / columns + 0.15) + 0.2
    fig, _ = style.figure(height, rows, columns)
    for ax in fig.axes:
        ax.set_axis_off()
    for ax, picture, title in zip(fig.axes, pictures, titles, strict=False):
        style.picture(ax, picture.permute(1, 2, 0).numpy(), title, vmin=0, vmax=255)
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    return fig


def draw_page(
    cells: ImageSet, experts: str, cell_type: str, percent: int
) -> tuple[Figure, str]:
    """Eight cells of one kind; ``percent`` leafs from the first to the last of them.

    Raises ValueError if there is no such cell.
    """
    wanted = PROBABILITIES[experts]
    found = [
        i
        for i, p in enumerate(cells.targets[:, 1].tolist())
        if abs(p - wanted) < 0.01 and cells.groups[i] == cell_type
    ]
    if not found:
        raise ValueError(f"there is no {cell_type} cell with probability {experts}")
    first = round(percent / 100 * max(0, len(found) - 8))
    shown = found[first : first + 8]
    names = [cells.names[i] for i in shown]
    fig = draw_gallery(cells, shown, names)
    pages = f"{first + 1} to {first + len(shown)} of {len(found)}"
    fig.suptitle(f"{cell_type}, experts say {experts}: {pages}", fontsize=10)
    return fig, f"{cell_type} cells with probability {experts}: {', '.join(names)}"


def explore(cells: ImageSet) -> VBox:
    """Browse the cells by the experts' probability and by type."""
    controls = {
        "experts": ToggleButtons(
            options=list(PROBABILITIES), description="experts say"
        ),
        "cell_type": ToggleButtons(options=["mono", "poly"], description="cell type"),
        "percent": IntSlider(0, 0, 100, 5, description="leaf to"),
    }
    units = {"percent": "% of these cells"}
    return explorer(lambda **choice: draw_page(cells, **choice), controls, units)


def counts(cells: ImageSet) -> None:
    """Bars of how many cells of each type have each of the experts' probabilities."""
    fig, ax = style.figure(2.8)
    colours = dict(
        zip(PROBABILITIES, ["light", "trunk", "3x3 reduce", "3x3"], strict=True)
    )
    types = ["mono", "poly"]
    groups, says = np.array(cells.groups), cells.targets[:, 1].numpy()
    left = np.zeros(2, int)
    for name, value in PROBABILITIES.items():
        here = abs(says - value) < 0.01
        n = np.array([(here & (groups == cell_type)).sum() for cell_type in types])
        bars = ax.barh(types, n, left=left, color=style.COLOURS[colours[name]])
        white = {"fc": "white", "ec": "none", "pad": 1}
        labels = [f"{name}\n{count}" for count in n]
        ax.bar_label(bars, labels, label_type="center", fontsize=9, bbox=white)
        left += n
    ax.set_title(
        "Cells by type and by the experts' probability of a defect", fontsize=11
    )
    ax.set_xlabel("cells")
    style.show(fig, "Two stacked bars, one per cell type. Most cells are 0 or 1.")


def mean_cells(cells: ImageSet) -> None:
    """The mean image of each class, and their difference."""
    pixels, labels = cells.images[:, 0].numpy(), cells.labels.numpy()
    good, bad = (pixels[labels == k].mean(0) for k in (0, 1))
    fig, axes = style.figure(2.7, 1, 3)
    style.picture(axes[0], good, "mean functional cell", vmin=0, vmax=255)
    style.picture(axes[1], bad, "mean defective cell", vmin=0, vmax=255)
    style.picture(axes[2], good - bad, "difference", cmap="cividis", vmin=0)
    fig.colorbar(axes[2].images[0], ax=axes[2], label="grey levels")
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    alt = (
        "Mean functional cell, mean defective cell, and what the first is brighter by."
    )
    style.show(fig, alt)


def brightness(cells: ImageSet) -> None:
    """Histograms of the mean grey level of each class."""
    grey = cells.images.numpy().mean((1, 2, 3))
    fig, ax = style.figure(2.8)
    for label, (colour, dash) in enumerate([("trunk", "-"), ("auxiliary", "--")]):
        ax.hist(
            grey[cells.labels.numpy() == label],
            np.arange(0, 257, 8),
            density=True,
            histtype="step",
            lw=2,
            ls=dash,
            color=style.COLOURS[colour],
            label=cells.classes[label],
        )
    ax.set_xlabel("mean grey level of a cell (0 to 255)")
    ax.set_ylabel("density")
    ax.legend(frameon=False, loc="upper left")
    style.show(fig, "Histograms of the mean grey level: defective cells are darker.")


def confusion(matrix: Tensor, classes: Sequence[str], *, by: str) -> None:
    """K×K counts: row = what the experts say, column = what ``by`` says."""
    fig, ax = style.figure(2.8)
    style.counts(ax, matrix.numpy(), classes)
    ax.set_xlabel(by)
    ax.set_ylabel("experts say")
    rows = "; ".join(
        f"{name}: {row}" for name, row in zip(classes, matrix.tolist(), strict=True)
    )
    style.show(fig, f"Confusion matrix. Answers per true class: {rows}")


def file_numbers(cells: ImageSet) -> np.ndarray:
    """The number in each cell's name, N integers: 17 for "cell 0017"."""
    return np.array([int(name.split()[1]) for name in cells.names])


def blocks(cells: ImageSet, size: int = 60) -> None:
    """The share of defective cells in blocks of ``size`` consecutive file numbers."""
    block_of = file_numbers(cells) // size
    labels = cells.labels.numpy()
    fig, ax = style.figure(2.6)
    for block in np.unique(block_of):
        share = labels[block_of == block].mean()
        orange = style.COLOURS["3x3"]
        ax.bar(block * size, share, size, align="edge", ec="white", color=orange)
    ax.axhline(labels.mean(), color=style.COLOURS["trunk"], ls="--")
    ax.set_xlabel(f"number of the cell, in blocks of {size} (dashed: all cells)")
    ax.set_ylabel("share of defective")
    ax.set_ylim(0, 1)
    style.show(
        fig, "Share of defective cells along the file numbers: it jumps up and down."
    )
