"""The look of every figure: colours with one meaning, one size, alt text."""

import io
from typing import Any

import numpy as np
from IPython.display import Image, display
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from seaborn import heatmap

# Okabe and Ito's colour-blind-safe palette. A reduction is the lighter tint of its
# branch.
COLOURS = {
    "1x1": "#0072B2",
    "3x3": "#D55E00",
    "3x3 reduce": "#F0B98D",
    "5x5": "#009E73",
    "5x5 reduce": "#8FD6C1",
    "pool": "#8E5BA6",
    "auxiliary": "#C0392B",
    "trunk": "#6B6B6B",
    "light": "#D9D9D9",
}
# Never colour alone: a series is told apart by its dash and its marker as well.
DASHES = ["-", "--", "-.", ":"]
MARKERS = ["o", "s", "^", "D"]
# Laid over a picture, −1 to 1: orange for, purple against. The less a place says, the
# more of the picture shows through.
_SAYS = np.linspace(-1, 1, 256)
EVIDENCE = ListedColormap(
    np.column_stack([colormaps["PuOr_r"](_SAYS / 2 + 0.5)[:, :3], abs(_SAYS) ** 1.5])
)

WIDTH = 8.0  # inches; at DPI 100 this fits JupyterLab's column
DPI = 100


# Of the solar cells, for every figure that shows one.
CREDIT = (
    "Images: ELPV dataset, Buerhop-Lutz et al. 2018, Deitsch et al. 2019 and 2021, "
    "CC BY-NC-SA 4.0"
)


def figure(
    height: float = 3.4, rows: int = 1, columns: int = 1, **subplots
) -> tuple[Figure, Any]:
    """A figure of the series' width and its axes (an array of them for rows or columns
    > 1).

    It is a bare ``matplotlib.figure.Figure``: pyplot's figures come out blank when they
    are drawn inside a slider's callback in JupyterLab (jupyterlab issue 19719).
    """
    fig = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    axes = fig.subplots(rows, columns, **subplots)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9)
    return fig, axes


def fixed_layout(fig: Figure, **margins: float) -> None:
    """Margins by hand: computing them takes as long as all the rest of a redraw."""
    fig.set_layout_engine(None)
    fig.subplots_adjust(**margins)


def picture(ax: Axes, image, title: str = "", **imshow) -> None:
    """Show an H×W or H×W×3 image without ticks; grey images in grey."""
    ax.imshow(image, **{"cmap": "gray", **imshow})
    ax.set_title(title, fontsize=9)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def counts(ax: Axes, matrix, classes) -> None:
    """A K×K confusion matrix as a table of counts, darker where there are more."""
    heatmap(
        matrix,
        ax=ax,
        annot=True,
        fmt="d",
        cmap="Blues",
        cbar=False,
        square=True,
        annot_kws={"size": 14},
        xticklabels=classes,
        yticklabels=classes,
    )


def png(fig: Figure, alt: str) -> Image:
    """The figure as a PNG with its description, for ``display`` or as a cell's last
    value.
    """
    if len(alt.strip()) < 15:
        raise ValueError(
            f"describe the figure for someone who can't see it, got alt={alt!r}"
        )
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI)
    return Image(buffer.getvalue(), alt=alt)


def show(fig: Figure, alt: str) -> None:
    """Display the figure with ``alt``, its description for someone who can't see it."""
    display(png(fig, alt))
