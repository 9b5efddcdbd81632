"""01 · Bottlenecks: what they cost, what fits through, what the stopwatch says."""

from collections.abc import Sequence

import pandas as pd
import torch.nn.functional as F
from ipywidgets import IntSlider, VBox
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...analysis import costs
from ..drawing import (
    COLOURS,
    MARKERS,
    Drawing,
    credit,
    figure,
    series,
    show_image,
)
from ..explorer import explorer

LARGEST_MAP = 112  # of GoogLeNet at 224 pixels


def draw_bottleneck(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    width: int,
    map_size: int = 14,
) -> Drawing:
    """A k×k convolution on a map, direct and after a 1×1 to ``width`` channels.

    Top: both routes, blocks as wide as their channels. Below: what they cost, and how
    the second grows with its width. Biases are left out, stride is 1.
    Raises ValueError on an even kernel or a number below 1.
    """
    if kernel_size % 2 == 0:
        raise ValueError(
            f"a {kernel_size}×{kernel_size} kernel has no middle, so that no padding "
            "keeps the map's size: take an odd one"
        )
    shape = (in_channels, out_channels, kernel_size)
    direct = costs.convolution(*shape, map_size, bias=False)
    first = costs.convolution(in_channels, width, 1, map_size, bias=False)
    second = costs.convolution(width, out_channels, kernel_size, map_size, bias=False)
    total, even = first + second, costs.break_even_width(*shape)
    k = f"{kernel_size}×{kernel_size}"
    verdict = _verdict(direct.parameters, total.parameters)
    colour = COLOURS.get(f"{kernel_size}x{kernel_size}", COLOURS["trunk"])

    fig, (bars, line, routes) = figure(4.6, columns=3)
    fig.set_layout_engine(None)  # fixed places: to find them takes too long here
    routes.set_position([0.02, 0.69, 0.96, 0.22])
    bars.set_position([0.11, 0.11, 0.50, 0.47])
    line.set_position([0.73, 0.11, 0.25, 0.47])
    fig.suptitle(
        f"{in_channels} → {out_channels} channels through {width}: {verdict}",
        fontsize=11,
    )
    _routes(routes, in_channels, out_channels, k, width, map_size, colour)

    w1, w2 = first.parameters, second.parameters
    bars.barh(1, direct.parameters, color=colour, height=0.4)
    bars.barh(0, w1, color=COLOURS["1x1"], hatch="//", ec="white", height=0.4)
    bars.barh(0, w2, left=w1, color=colour, height=0.4)
    bars.set_yticks([1, 0], ["direct", f"through\n{width}"])
    bars.text(0, 1.25, f"{k}: {direct.parameters:,}", fontsize=9)
    bars.text(0, 0.25, f"1×1: {w1:,}  +  {k}: {w2:,}  =  {w1 + w2:,}", fontsize=9)
    for place, cost in ((1, direct), (0, total)):
        told = f"× {map_size}·{map_size} places = {cost.multiply_adds:,} multiply-adds"
        bars.text(0, place - 0.25, told, fontsize=9, va="top")
    bars.set_ylim(-0.55, 1.5)
    bars.set_xlabel("weights", fontsize=9)

    end = max(2 * even, round(1.2 * width), 2)
    line.plot([0, end], [0, end * total.parameters / width], color=colour)
    line.axhline(direct.parameters, color=COLOURS["trunk"], ls="--")
    line.text(0, direct.parameters, "direct", va="bottom", fontsize=9)
    cross = width * direct.parameters / total.parameters  # both are straight lines
    line.axvspan(cross, end, color=COLOURS["light"], alpha=0.5, lw=0)
    line.text(cross, 0, " costs more", fontsize=9, va="bottom")
    marker = "X" if total.parameters > direct.parameters else "o"
    line.plot(width, total.parameters, marker, color=colour, ms=10, mec="black")
    line.set_title(f"cheaper up to a width of {even}", fontsize=10)
    line.set_xlabel("bottleneck width (channels)", fontsize=9)
    for axis in (bars.xaxis, line.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        axis.set_major_formatter(_short)
    return Drawing(
        fig,
        f"{in_channels} to {out_channels} channels on {map_size}×{map_size} maps. A "
        f"direct {k} convolution has {direct.parameters:,} weights; a 1×1 to {width} "
        f"channels and the {k} have {w1:,} + {w2:,} = {w1 + w2:,}: {verdict}. "
        f"Multiply-adds: {direct.multiply_adds:,} and {total.multiply_adds:,}. "
        f"The bottleneck is cheaper up to a width of {even}.",
    )


def _verdict(direct: int, total: int) -> str:
    if total == direct:
        return "exactly as many weights"
    if total < direct:
        return f"{direct / total:.1f} times fewer weights"
    return f"costs more: {total / direct:.2f} times as many weights"


def _short(number: float, _position=None) -> str:
    """A tick label: 1.5M for 1,500,000."""
    for unit, name in ((1e6, "M"), (1e3, "K")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return f"{number:g}"


def _routes(
    ax: Axes, c_in: int, c_out: int, k: str, width: int, map_size: int, colour: str
) -> None:
    """Blocks as wide as their channels, as high as the root of their map's side."""
    ax.axis("off")
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.9, 0.55)
    gap, between = 0.12, 0.06
    channels = [c_in, c_out, c_in, width, c_out]
    kernels = [k, "", "1×1", k, ""]
    scale = (1 - 3 * gap - between) / sum(channels)
    height = (map_size / LARGEST_MAP) ** 0.5
    trunk, blue = COLOURS["trunk"], COLOURS["1x1"]
    left, x = [], 0.0
    for n, kernel in zip(channels, kernels, strict=True):
        left.append(x)
        place = x + n * scale / 2, -height / 2 - 0.06
        ax.text(*place, str(n), ha="center", va="top", fontsize=9)
        x += n * scale + (gap if kernel else between)
        ax.text(x - gap / 2, 0.06, kernel, ha="center", fontsize=9)
    starts = [left[i] - gap + 0.01 for i in (1, 3, 4)]
    ends = [left[i] - 0.01 for i in (1, 3, 4)]
    ax.hlines([0] * 3, starts, ends, [colour, blue, colour], lw=2)
    widths = [n * scale for n in channels]
    blocks = [trunk, colour, trunk, blue, colour]
    ax.bar(left, height, widths, -height / 2, align="edge", color=blocks)


def explore_bottleneck(
    in_channels: int = 512,
    out_channels: int = 64,
    kernel_size: int = 5,
    width: int = 24,
    map_size: int = 14,
) -> VBox:
    """Explore ``draw_bottleneck`` with five sliders."""
    controls = {
        "in_channels": IntSlider(in_channels, 1, 1024, description="input"),
        "out_channels": IntSlider(out_channels, 1, 1024, description="output"),
        "kernel_size": IntSlider(kernel_size, 1, 11, description="kernel size"),
        "width": IntSlider(width, 1, 1024, description="bottleneck"),
        "map_size": IntSlider(map_size, 1, LARGEST_MAP, description="map size"),
    }
    pixels = "pixels a side"
    units = {name: "channels" for name in controls}
    units |= {"kernel_size": pixels, "map_size": pixels}
    return explorer(draw_bottleneck, controls, units)


def draw_reductions(shares: pd.DataFrame) -> Drawing:
    """Dots: a row per module, a column per branch ("3×3", "5×5"), in percent."""
    fig, ax = figure(2.8)
    for i, (branch, values) in enumerate(shares.items()):
        colour = COLOURS[branch.replace("×", "x")]
        look = {"color": colour, "marker": MARKERS[i], "ms": 8, "ls": ""}
        ax.plot(range(len(values)), values, label=f"before the {branch}", **look)
    ax.axhline(100, color=COLOURS["trunk"], ls="--")
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
    return Drawing(
        fig,
        f"Dots for {', '.join(shares.index)}, in percent of the break-even width: "
        f"{told}. All lie below the line at 100.",
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
    fig, (*pictures, line) = figure(2.5, columns=4)
    fig.set_layout_engine(None)  # fixed places: a slider has to answer at once
    for i, ax in enumerate(pictures):
        ax.set_position([0.01 + 0.245 * i, 0.1, 0.23, 0.77])
    line.set_position([0.81, 0.22, 0.18, 0.6])
    grey = {"vmin": before.min(), "vmax": before.max()}
    half = (before.max() - before.min()) / 2
    through = "1 channel" if channels == 1 else f"{channels} channels"
    show_image(pictures[0], before, f"cell {cell}: {len(directions)} channels", **grey)
    show_image(pictures[1], after, f"through {through}", **grey)
    lost = {"vmin": -half, "vmax": half}
    show_image(pictures[2], before - after, "what is lost", **lost)
    percent = [100 * error for error in errors]
    line.plot(range(len(percent)), percent, color=COLOURS["1x1"])
    line.plot(channels, percent[channels], "o", color=COLOURS["3x3"], ms=8)
    line.set_title(f"all cells: error {percent[channels]:.1f} %", fontsize=9)
    line.set_xlabel("channels kept", fontsize=9)
    credit(fig)
    own = 100 * (before - after).std() / before.std()
    return Drawing(
        fig,
        f"Cell {cell} whole, through {through} of {len(directions)}, and the "
        f"difference, {own:.1f} percent of the cell. Over all cells the error is "
        f"{percent[channels]:.1f} percent; the curve falls steeply, then flattens.",
    )


def explore_squeezed(
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


def draw_error_curves(
    curves: dict[str, Sequence[float]], measured: dict[int, float]
) -> Drawing:
    """A line per name, relative errors through 0 … C channels; crosses: ``measured``.

    ``measured`` are errors by channels kept, of the first of the curves.
    """
    fig, ax = figure(3.2)
    told = []
    for i, (name, errors) in enumerate(curves.items()):
        total = len(errors) - 1
        share = [100 * k / total for k in range(total + 1)]
        percent = [100 * error for error in errors]
        look = series(i) | {"marker": ""}
        ax.plot(share, percent, lw=2, label=name, **look)
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
    return Drawing(
        fig,
        f"Error against the share of channels kept: {'; '.join(told)}. "
        "The measured crosses lie on the first curve.",
    )


def draw_race(times: pd.DataFrame, predicted: float) -> Drawing:
    """The measured ratio beside the predicted one, and each layer's pace.

    ``times``: a row per map size and layer ("direct", "1×1", "after it"), columns
    map_size, layer, multiply_adds, intensity (multiply-adds per number), seconds.
    """
    seconds = times.pivot(index="map_size", columns="layer", values="seconds")
    ratio = seconds["direct"] / (seconds["1×1"] + seconds["after it"])
    fig, (left, right) = figure(3.3, columns=2)
    names = [f"{size}×{size}" for size in ratio.index]
    bars = left.bar(names, ratio, color=COLOURS["5x5"], width=0.6)
    white = {"fc": "white", "ec": "none", "pad": 1}
    left.bar_label(bars, fmt="%.1f", fontsize=9, padding=2, bbox=white)
    left.axhline(predicted, color=COLOURS["trunk"], ls="--")
    top = max(predicted, *ratio)
    left.text(-0.4, predicted, f"predicted: {predicted:.1f}", va="bottom", fontsize=9)
    left.set_ylim(0, 1.15 * top)
    left.set_xlabel("map")
    left.set_title("times faster through the bottleneck", fontsize=10)
    told = []
    kinds = {"direct": "5x5", "1×1": "1x1", "after it": "5x5 reduce"}
    for (layer, kind), marker in zip(kinds.items(), MARKERS, strict=False):
        rows = times[times["layer"] == layer]
        pace = rows["multiply_adds"] / rows["seconds"] / 1e9
        look = {"color": COLOURS[kind], "mec": "black", "ms": 8}
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
    return Drawing(
        fig,
        f"Left, bars: the bottleneck is faster {ratios} maps; predicted are "
        f"{predicted:.1f} times. Right, billion multiply-adds per second: "
        f"{'; '.join(told)}.",
    )
