"""06 · Solar cells: galleries with their credit, an explorer, statistics."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from ipywidgets import VBox
from torch import Tensor

from ...training.data import ImageSet, file_numbers
from ..drawing import COLOURS, Drawing, credit, figure, gallery, show_counts, show_image
from ..explorer import Choice, Slider, explorer

PROBABILITIES = {"0": 0, "1/3": 1 / 3, "2/3": 2 / 3, "1": 1}


def draw_gallery(
    cells: ImageSet, indices: Iterable[int], titles: Sequence[str], alt: str
) -> Drawing:
    """The images at ``indices`` in rows of four, all on one grey scale."""
    return gallery(cells.images[list(indices)], titles, alt)


def table(cells: ImageSet) -> pd.DataFrame:
    """A row per cell: its type and what the experts say, as in ``PROBABILITIES``."""
    thirds = (3 * cells.targets[:, 1]).round().long().tolist()
    says = [list(PROBABILITIES)[third] for third in thirds]
    return pd.DataFrame({"type": cells.groups, "experts": says})


def draw_page(cells: ImageSet, experts: str, cell_type: str, percent: int) -> Drawing:
    """Eight cells of one kind; ``percent`` leafs from the first to the last of them.

    Raises ValueError if there is no such cell.
    """
    found = table(cells).query("type == @cell_type and experts == @experts").index
    if found.empty:
        raise ValueError(f"there is no {cell_type} cell with probability {experts}")
    first = round(percent / 100 * max(0, len(found) - 8))
    shown = found[first : first + 8]
    names = [cells.names[i] for i in shown]
    alt = f"{cell_type} cells with probability {experts}: {', '.join(names)}"
    page = draw_gallery(cells, shown, names, alt)
    pages = f"{first + 1} to {first + len(shown)} of {len(found)}"
    page.figure.suptitle(f"{cell_type}, experts say {experts}: {pages}")
    return page


def browse_cells(cells: ImageSet) -> VBox:
    """Browse the cells by the experts' probability and by type."""
    return explorer(
        partial(draw_page, cells),
        experts=Choice("experts say", PROBABILITIES),
        cell_type=Choice("cell type", ["mono", "poly"]),
        percent=Slider("leaf to", 0, 0, 100, "% of these cells", step=5),
    )


def draw_counts(cells: ImageSet) -> Drawing:
    """Bars of how many cells of each type have each of the experts' probabilities."""
    fig, ax = figure(2.8)
    counts = table(cells).groupby(["type", "experts"]).size().unstack(fill_value=0)
    colours = [COLOURS[kind] for kind in ("light", "trunk", "3x3 reduce", "3x3")]
    counts[list(PROBABILITIES)].plot.barh(
        stacked=True, ax=ax, color=colours, width=0.8, legend=False
    )
    white = {"fc": "white", "ec": "none", "pad": 1}
    for bars, name in zip(ax.containers, PROBABILITIES, strict=True):
        ax.bar_label(bars, fmt=f"{name}\n{{:.0f}}", label_type="center", bbox=white)
    ax.set_title("Cells by type and by the experts' probability of a defect")
    ax.set_xlabel("cells")
    ax.set_ylabel("")
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
    grey, labels = cells.images.numpy().mean((1, 2, 3)), cells.labels.numpy()
    fig, ax = figure(2.8)
    for label, (colour, dash) in enumerate([("trunk", "-"), ("auxiliary", "--")]):
        look = {"histtype": "step", "lw": 2, "ls": dash, "color": COLOURS[colour]}
        own, bins = grey[labels == label], np.arange(0, 257, 8)
        ax.hist(own, bins, density=True, label=cells.classes[label], **look)
    ax.set_xlabel("mean grey level of a cell (0 to 255)")
    ax.set_ylabel("density")
    ax.legend(loc="upper left")
    return Drawing(
        fig, "Histograms of the mean grey level: defective cells are darker."
    )


def draw_confusions(matrices: dict[str, Tensor], classes: Sequence[str]) -> Drawing:
    """K×K counts for each judge: row = what the experts say, column = what it says."""
    fig, axes = figure(2.8, columns=len(matrices), squeeze=False)
    told = []
    for ax, (judge, matrix) in zip(axes[0], matrices.items(), strict=True):
        show_counts(ax, matrix, classes, f"{judge} says", "experts say")
        rows = zip(classes, matrix.tolist(), strict=True)
        told.append(f"{judge}: " + ", ".join(f"{name} {row}" for name, row in rows))
    return Drawing(
        fig, f"Confusion matrices. Answers per true class, by {'; by '.join(told)}."
    )


def draw_blocks(cells: ImageSet, size: int = 60) -> Drawing:
    """The share of defective cells in blocks of ``size`` consecutive file numbers."""
    labels = pd.Series(cells.labels.numpy())
    share = labels.groupby(file_numbers(cells) // size).mean()
    fig, ax = figure(2.6)
    look = {"color": COLOURS["3x3"], "ec": "white"}
    ax.bar(share.index * size, share, size, align="edge", **look)
    ax.axhline(labels.mean(), color=COLOURS["trunk"], ls="--")
    ax.set_xlabel(f"number of the cell, in blocks of {size} (dashed: all cells)")
    ax.set_ylabel("share of defective")
    ax.set_ylim(0, 1)
    return Drawing(
        fig, "Share of defective cells along the file numbers: it jumps up and down."
    )
