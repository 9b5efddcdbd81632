"""06 · Solar cells: galleries with their credit, an explorer, statistics."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from ipywidgets import IntSlider, ToggleButtons, VBox
from torch import Tensor

from ...training.data import ImageSet, file_numbers
from ..drawing import (
    COLOURS,
    WIDTH,
    Drawing,
    credit,
    figure,
    show_counts,
    show_image,
)
from ..explorer import explorer

PROBABILITIES = {"0": 0, "1/3": 1 / 3, "2/3": 2 / 3, "1": 1}


def draw_gallery(
    cells: ImageSet, indices: Iterable[int], titles: Sequence[str], alt: str
) -> Drawing:
    """The images at ``indices`` in rows of four, all on one grey scale."""
    images = cells.images[torch.as_tensor(list(indices), dtype=torch.long)]
    rows = -(-len(images) // 4)
    fig, axes = figure(rows * (WIDTH / 4 + 0.15) + 0.2, rows, 4, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        show_image(ax, image, title, vmin=0, vmax=255)
    credit(fig)
    return Drawing(fig, alt)


def draw_page(cells: ImageSet, experts: str, cell_type: str, percent: int) -> Drawing:
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
    alt = f"{cell_type} cells with probability {experts}: {', '.join(names)}"
    page = draw_gallery(cells, shown, names, alt)
    pages = f"{first + 1} to {first + len(shown)} of {len(found)}"
    title = f"{cell_type}, experts say {experts}: {pages}"
    page.figure.suptitle(title, fontsize=10)
    return page


def browse_cells(cells: ImageSet) -> VBox:
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


def draw_counts(cells: ImageSet) -> Drawing:
    """Bars of how many cells of each type have each of the experts' probabilities."""
    fig, ax = figure(2.8)
    colours = dict(
        zip(PROBABILITIES, ["light", "trunk", "3x3 reduce", "3x3"], strict=True)
    )
    types = ["mono", "poly"]
    groups, says = np.array(cells.groups), cells.targets[:, 1].numpy()
    left = np.zeros(2, int)
    for name, value in PROBABILITIES.items():
        here = abs(says - value) < 0.01
        n = np.array([(here & (groups == cell_type)).sum() for cell_type in types])
        bars = ax.barh(types, n, left=left, color=COLOURS[colours[name]])
        white = {"fc": "white", "ec": "none", "pad": 1}
        labels = [f"{name}\n{count}" for count in n]
        ax.bar_label(bars, labels, label_type="center", fontsize=9, bbox=white)
        left += n
    ax.set_title(
        "Cells by type and by the experts' probability of a defect", fontsize=11
    )
    ax.set_xlabel("cells")
    return Drawing(fig, "Two stacked bars, one per cell type. Most cells are 0 or 1.")


def draw_mean_cells(cells: ImageSet) -> Drawing:
    """The mean image of each class, and their difference."""
    pixels, labels = cells.images[:, 0].numpy(), cells.labels.numpy()
    good, bad = (pixels[labels == k].mean(0) for k in (0, 1))
    fig, axes = figure(2.7, 1, 3)
    show_image(axes[0], good, "mean functional cell", vmin=0, vmax=255)
    show_image(axes[1], bad, "mean defective cell", vmin=0, vmax=255)
    show_image(axes[2], good - bad, "difference", cmap="cividis", vmin=0)
    fig.colorbar(axes[2].images[0], ax=axes[2], label="grey levels")
    credit(fig)
    return Drawing(
        fig, "Mean functional cell, mean defective cell, and how much brighter it was."
    )


def draw_brightness(cells: ImageSet) -> Drawing:
    """Histograms of the mean grey level of each class."""
    grey = cells.images.numpy().mean((1, 2, 3))
    fig, ax = figure(2.8)
    for label, (colour, dash) in enumerate([("trunk", "-"), ("auxiliary", "--")]):
        ax.hist(
            grey[cells.labels.numpy() == label],
            np.arange(0, 257, 8),
            density=True,
            histtype="step",
            lw=2,
            ls=dash,
            color=COLOURS[colour],
            label=cells.classes[label],
        )
    ax.set_xlabel("mean grey level of a cell (0 to 255)")
    ax.set_ylabel("density")
    ax.legend(frameon=False, loc="upper left")
    return Drawing(
        fig, "Histograms of the mean grey level: defective cells are darker."
    )


def draw_confusion(matrix: Tensor, classes: Sequence[str], *, by: str) -> Drawing:
    """K×K counts: row = what the experts say, column = what ``by`` says."""
    fig, ax = figure(2.8)
    show_counts(ax, matrix.numpy(), classes)
    ax.set_xlabel(by)
    ax.set_ylabel("experts say")
    rows = "; ".join(
        f"{name}: {row}" for name, row in zip(classes, matrix.tolist(), strict=True)
    )
    return Drawing(fig, f"Confusion matrix. Answers per true class: {rows}")


def draw_blocks(cells: ImageSet, size: int = 60) -> Drawing:
    """The share of defective cells in blocks of ``size`` consecutive file numbers."""
    block_of = file_numbers(cells) // size
    labels = cells.labels.numpy()
    fig, ax = figure(2.6)
    for block in np.unique(block_of):
        share = labels[block_of == block].mean()
        orange = COLOURS["3x3"]
        ax.bar(block * size, share, size, align="edge", ec="white", color=orange)
    ax.axhline(labels.mean(), color=COLOURS["trunk"], ls="--")
    ax.set_xlabel(f"number of the cell, in blocks of {size} (dashed: all cells)")
    ax.set_ylabel("share of defective")
    ax.set_ylim(0, 1)
    return Drawing(
        fig, "Share of defective cells along the file numbers: it jumps up and down."
    )
