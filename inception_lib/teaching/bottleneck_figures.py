"""Figures of the lesson on bottlenecks: what fits through, what the stopwatch says."""

from collections.abc import Sequence

import pandas as pd
import torch.nn.functional as F
from ipywidgets import IntSlider, VBox
from torch import Tensor

from . import style
from .sliders.explorer import Drawing, explorer

COLOURS = [style.COLOURS[kind] for kind in ("1x1", "3x3", "trunk", "5x5")]


def reductions(shares: pd.DataFrame) -> Drawing:
    """Dots: a row per module, a column per branch ("3×3", "5×5"), in percent."""
    fig, ax = style.figure(2.8)
    for i, (branch, values) in enumerate(shares.items()):
        colour = style.COLOURS[branch.replace("×", "x")]
        look = {"color": colour, "marker": style.MARKERS[i], "ms": 8, "ls": ""}
        ax.plot(range(len(values)), values, label=f"before the {branch}", **look)
    ax.axhline(100, color=style.COLOURS["trunk"], ls="--")
    ax.text(-0.3, 97, "above this line a bottleneck costs more", va="top", fontsize=9)
    ax.set_xticks(range(len(shares)), shares.index)
    ax.set_ylim(0, 108)
    ax.set_ylabel("% of the break-even width")
    ax.set_title("The paper's reductions: how wide are they?", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="center right", bbox_to_anchor=(1, 0.7))
    told = "; ".join(
        f"before the {branch} {', '.join(f'{v:.0f}' for v in values)}"
        for branch, values in shares.items()
    )
    return fig, (
        f"Dots for {', '.join(shares.index)}, in percent of the break-even width: "
        f"{told}. All lie below the line at 100."
    )


def draw_squeezed(
    maps: Tensor, directions: Tensor, errors: Sequence[float], channels: int, cell: int
) -> Drawing:
    """Picture number ``cell`` before and after a bottleneck of ``channels``.

    ``maps``: N×C×h×w, made by ``pixel_unshuffle`` with a block of √C; ``directions``:
    C×C, an orthonormal column per direction, the best first; ``errors``: C + 1 numbers,
    the relative error of all pictures through 0 … C channels.
    Raises ValueError unless there are 1 … C ``channels``.
    """
    if not 1 <= channels <= len(directions):
        raise ValueError(
            f"a bottleneck in {len(directions)} channels has 1 to {len(directions)} "
            f"of them, not {channels}"
        )
    best = directions[:, :channels]
    rebuilt = (best @ (best.T @ maps[cell].flatten(1))).view_as(maps[cell])
    block = round(len(directions) ** 0.5)
    before, after = (
        F.pixel_shuffle(m, block)[0].numpy() for m in (maps[cell], rebuilt)
    )
    fig, (*pictures, line) = style.figure(2.5, columns=4)
    fig.set_layout_engine(None)  # fixed places: a slider has to answer at once
    for i, ax in enumerate(pictures):
        ax.set_position([0.01 + 0.245 * i, 0.1, 0.23, 0.77])
    line.set_position([0.81, 0.22, 0.18, 0.6])
    grey = {"vmin": before.min(), "vmax": before.max()}
    half = (before.max() - before.min()) / 2
    through = "1 channel" if channels == 1 else f"{channels} channels"
    style.picture(
        pictures[0], before, f"cell {cell}: {len(directions)} channels", **grey
    )
    style.picture(pictures[1], after, f"through {through}", **grey)
    lost = {"vmin": -half, "vmax": half}
    style.picture(pictures[2], before - after, "what is lost", **lost)
    percent = [100 * error for error in errors]
    line.plot(range(len(percent)), percent, color=style.COLOURS["1x1"])
    line.plot(channels, percent[channels], "o", color=style.COLOURS["3x3"], ms=8)
    line.set_title(f"all cells: error {percent[channels]:.1f} %", fontsize=9)
    line.set_xlabel("channels kept", fontsize=9)
    fig.text(0.01, 0.02, style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    own = 100 * (before - after).std() / before.std()
    return fig, (
        f"Cell {cell} whole, through {through} of {len(directions)}, and the "
        f"difference, {own:.1f} percent of the cell. Over all cells the error is "
        f"{percent[channels]:.1f} percent; the curve falls steeply, then flattens."
    )


def squeezed(
    maps: Tensor,
    directions: Tensor,
    errors: Sequence[float],
    channels: int = 8,
    cell: int = 0,
) -> VBox:
    """Explore ``draw_squeezed``: how many channels, and which cell."""
    controls = {
        "channels": IntSlider(channels, 1, len(directions), description="bottleneck"),
        "cell": IntSlider(cell, 0, len(maps) - 1, description="cell"),
    }
    units = {"channels": f"of {len(directions)} channels", "cell": "number in the set"}
    return explorer(
        lambda **values: draw_squeezed(maps, directions, errors, **values),
        controls,
        units,
    )


def error_curves(
    curves: dict[str, Sequence[float]], measured: dict[int, float]
) -> Drawing:
    """A line per name, relative errors through 0 … C channels; crosses: ``measured``.

    ``measured`` are errors by channels kept, of the first of the curves.
    """
    fig, ax = style.figure(3.2)
    told = []
    for i, (name, errors) in enumerate(curves.items()):
        total = len(errors) - 1
        share = [100 * k / total for k in range(total + 1)]
        percent = [100 * error for error in errors]
        ax.plot(share, percent, style.DASHES[i], color=COLOURS[i], lw=2, label=name)
        told.append(f"{name} {percent[total // 8]:.0f} percent at an eighth")
    total = len(next(iter(curves.values()))) - 1
    places = [100 * k / total for k in measured]
    values = [100 * error for error in measured.values()]
    label = "measured, 1×1 there and back"
    ax.plot(places, values, "kx", ms=8, mew=2, label=label)
    ax.set_xlabel("channels kept (%)")
    ax.set_ylabel("error (%)")
    ax.set_ylim(0, 103)
    ax.set_title("What the best bottleneck loses", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc=(0.3, 0.25))
    return fig, (
        f"Error against the share of channels kept: {'; '.join(told)}. "
        "The measured crosses lie on the first curve."
    )


def race(times: pd.DataFrame, predicted: float) -> Drawing:
    """The measured ratio beside the predicted one, and each layer's pace.

    ``times``: a row per map size and layer ("direct", "1×1", "behind it"), columns
    map_size, layer, multiply_adds, intensity (multiply-adds per number), seconds.
    """
    seconds = times.pivot(index="map_size", columns="layer", values="seconds")
    ratio = seconds["direct"] / (seconds["1×1"] + seconds["behind it"])
    fig, (left, right) = style.figure(3.3, columns=2)
    names = [f"{size}×{size}" for size in ratio.index]
    bars = left.bar(names, ratio, color=style.COLOURS["5x5"], width=0.6)
    white = {"fc": "white", "ec": "none", "pad": 1}
    left.bar_label(bars, fmt="%.1f", fontsize=9, padding=2, bbox=white)
    left.axhline(predicted, color=style.COLOURS["trunk"], ls="--")
    top = max(predicted, *ratio)
    left.text(-0.4, predicted, f"predicted: {predicted:.1f}", va="bottom", fontsize=9)
    left.set_ylim(0, 1.15 * top)
    left.set_xlabel("map")
    left.set_title("times faster through the bottleneck", fontsize=10)
    told = []
    kinds = {"direct": "5x5", "1×1": "1x1", "behind it": "5x5 reduce"}
    for (layer, kind), marker in zip(kinds.items(), style.MARKERS, strict=False):
        rows = times[times["layer"] == layer]
        pace = rows["multiply_adds"] / rows["seconds"] / 1e9
        look = {"color": style.COLOURS[kind], "mec": "black", "ms": 8}
        right.plot(rows["intensity"], pace, marker=marker, label=layer, **look)
        told.append(f"{layer} {pace.min():.0f} to {pace.max():.0f}")
    right.set_xscale("log")
    ticks = [10, 30, 100, 300, 1000]
    right.set_xticks(ticks, ticks)
    right.minorticks_off()
    right.set_ylim(0, None)
    right.set_xlabel("multiply-adds per number read or written")
    right.set_title("billion multiply-adds per second", fontsize=10)
    right.legend(fontsize=9, frameon=False)
    ratios = ", ".join(f"{r:.1f} on {n}" for n, r in zip(names, ratio, strict=True))
    return fig, (
        f"Left, bars: the bottleneck is faster {ratios} maps; predicted are "
        f"{predicted:.1f} times. Right, billion multiply-adds per second: "
        f"{'; '.join(told)}."
    )
