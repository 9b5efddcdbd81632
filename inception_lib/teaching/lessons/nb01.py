"""01 · Bottlenecks: what they cost, what fits through, what the stopwatch says."""

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
import torch
import torch.nn.functional as F
from ipywidgets import VBox
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MaxNLocator
from torch import Tensor, nn

from ...analysis import costs
from ..drawing import (
    COLOURS,
    MARKERS,
    Drawing,
    credit,
    figure,
    fixed_layout,
    log_axis,
    series,
    show_image,
)
from ..explorer import Slider, explorer
from ..motion import Motion, film

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

    fig, (bars, line) = figure(4.6, columns=2, width_ratios=[2, 1])
    fixed_layout(fig, left=0.11, right=0.98, bottom=0.11, top=0.58, wspace=0.25)
    fig.suptitle(f"{in_channels} → {out_channels} channels through {width}: {verdict}")
    routes = fig.add_axes((0.02, 0.69, 0.96, 0.22))
    _routes(routes, in_channels, out_channels, k, width, map_size, colour)

    w1, w2 = first.parameters, second.parameters
    bars.barh(1, direct.parameters, 0.4, color=colour)
    bars.barh(0, w1, 0.4, color=COLOURS["1x1"], hatch="//")
    bars.barh(0, w2, 0.4, left=w1, color=colour)
    bars.set_yticks([1, 0], ["direct", f"through\n{width}"])
    bars.text(0, 1.25, f"{k}: {direct.parameters:,}")
    bars.text(0, 0.25, f"1×1: {w1:,}  +  {k}: {w2:,}  =  {w1 + w2:,}")
    for place, cost in ((1, direct), (0, total)):
        told = f"× {map_size}·{map_size} places = {cost.multiply_adds:,} multiply-adds"
        bars.text(0, place - 0.25, told, va="top")
    bars.set_ylim(-0.55, 1.5)
    bars.set_xlabel("weights")

    end = max(2 * even, round(1.2 * width), 2)
    line.plot([0, end], [0, end * total.parameters / width], color=colour)
    line.axhline(direct.parameters, color=COLOURS["trunk"], ls="--")
    line.text(0, direct.parameters, "direct", va="bottom")
    cross = width * direct.parameters / total.parameters  # both are straight lines
    line.axvspan(cross, end, color=COLOURS["light"], alpha=0.5, lw=0)
    line.text(cross, 0, " costs more", va="bottom")
    marker = "X" if total.parameters > direct.parameters else "o"
    line.plot(width, total.parameters, marker, color=colour, ms=10, mec="black")
    line.set_title(f"cheaper up to a width of {even}")
    line.set_xlabel("bottleneck width (channels)")
    for axis in (bars.xaxis, line.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        axis.set_major_formatter(EngFormatter(sep=""))
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


def _routes(
    ax: Axes, c_in: int, c_out: int, k: str, width: int, map_size: int, colour: str
) -> None:
    """Blocks as wide as their channels, as high as the root of their map's side."""
    ax.axis("off")
    ax.set(xlim=(0, 1), ylim=(-0.9, 0.55))
    gap, between = 0.12, 0.06
    trunk, blue = COLOURS["trunk"], COLOURS["1x1"]
    channels = [c_in, c_out, c_in, width, c_out]
    kernels = [k, "", "1×1", k, ""]
    scale = (1 - 3 * gap - between) / sum(channels)
    height = (map_size / LARGEST_MAP) ** 0.5
    left, x = [], 0.0
    for n, kernel in zip(channels, kernels, strict=True):
        left.append(x)
        ax.text(x + n * scale / 2, -height / 2 - 0.06, str(n), ha="center", va="top")
        x += n * scale + (gap if kernel else between)
        ax.text(x - gap / 2, 0.06, kernel, ha="center")
    for i, line in {1: colour, 3: blue, 4: colour}.items():
        ax.plot([left[i] - gap + 0.01, left[i] - 0.01], [0, 0], color=line, lw=2)
    widths = [n * scale for n in channels]
    blocks = [trunk, colour, trunk, blue, colour]
    ax.bar(left, height, widths, -height / 2, align="edge", color=blocks)


def explore_bottleneck() -> VBox:
    """Explore ``draw_bottleneck``, from the paper's example on."""
    return explorer(
        draw_bottleneck,
        in_channels=Slider("input", 512, 1, 1024, "channels"),
        out_channels=Slider("output", 64, 1, 1024, "channels"),
        kernel_size=Slider("kernel size", 5, 1, 11, "pixels a side"),
        width=Slider("bottleneck", 24, 1, 1024, "channels"),
        map_size=Slider("map size", 14, 1, LARGEST_MAP, "pixels a side"),
    )


class _Walk:
    """A convolution's window on one of its maps, and what it has worked out so far of
    one of its outputs.
    """

    def __init__(self, layer: nn.Conv2d, x: Tensor, out: Tensor, axes: Sequence[Axes]):
        self.per_place = layer.weight.numel()
        self.kernel = layer.kernel_size[0]
        name = f"{self.kernel}x{self.kernel}"
        self.out, self.side = liveliest(out), x.shape[-1]
        empty = colormaps["cividis"].with_extremes(bad=COLOURS["light"])
        look = {"cmap": empty, "vmin": self.out.min(), "vmax": self.out.max()}
        nothing = torch.full_like(self.out, torch.nan)
        before, after = axes
        if not before.images:
            show_image(
                before, liveliest(x), f"one of {x.shape[1]} maps", cmap="cividis"
            )
        show_image(after, nothing, f"one of {out.shape[1]} maps", **look)
        for ax in axes:  # room for a window that hangs over the edge
            ax.set(xlim=(-3, self.side + 2), ylim=(self.side + 2, -3))
        self.window = Rectangle((0, 0), self.kernel, self.kernel, visible=False)
        self.window.set(ec="white", fc=COLOURS[name], alpha=0.6, lw=1.5)
        before.add_patch(self.window)
        self.image = after.images[0]

    def visit(self, places: int) -> int:
        """Show the output at the first ``places``; the multiply-adds for them."""
        done = torch.arange(self.out.numel()).view_as(self.out) < places
        self.image.set_data(self.out.where(done, torch.nan).numpy())
        row, column = divmod(places - 1, self.side)
        left, top = (n - self.kernel / 2 for n in (column, row))
        self.window.set(xy=(left, top), visible=0 < places < self.out.numel())
        return places * self.per_place


def liveliest(maps: Tensor) -> Tensor:
    """Of 1×C×h×w maps the h×w one that varies most."""
    return maps[0, maps[0].flatten(1).std(1).argmax()]


@torch.no_grad()
def watch_windows(
    x: Tensor, direct: nn.Conv2d, squeeze: nn.Conv2d, behind: nn.Conv2d
) -> Motion:
    """The windows of two routes walk over the maps ``x`` (1×C×S×S): ``direct``, and
    ``squeeze`` and then ``behind``. Beside them the multiply-adds so far: a place costs
    as many as a layer has weights.
    """
    squeezed, places = squeeze(x), x.shape[-1] ** 2
    fig, axes = figure(3.6, 2, 4, width_ratios=[1, 1, 1, 1.9])
    fixed_layout(fig, left=0.01, right=0.98, bottom=0.03, top=0.93, wspace=0.05)
    axes[0, 1].axis("off")
    routes = {
        "5×5": [_Walk(direct, x, direct(x), axes[0, ::2])],
        f"1×1 to {squeezed.shape[1]} channels, then 5×5": [
            _Walk(squeeze, x, squeezed, axes[1, :2]),
            _Walk(behind, squeezed, behind(squeezed), axes[1, 1:3]),
        ],
    }
    one, both = (places * sum(w.per_place for w in walks) for walks in routes.values())
    bars, counts = [], []
    for ax, name in zip(axes[:, 3], routes, strict=True):
        ax.axis("off")
        ax.set(xlim=(0, 1.02 * one), ylim=(-1, 1))
        bars += ax.barh(-0.2, 0, 0.4, color=COLOURS["5x5"])
        ax.text(0, 0.5, name)
        counts.append(ax.text(0, 0.2, ""))
    axes[0, 3].axvline(both, 0.2, 0.55, color="black", ls="--", lw=1)
    axes[0, 3].text(both, -0.75, "as many as both below")

    def steps() -> Iterator[None]:
        side = x.shape[-1]  # the first row place by place, then row by row
        walk = [*range(1, side), *range(side, places + 1, side)]
        rest, nothing = [places] * len(walk), [0] * len(walk)
        for at in zip(walk + rest, nothing + walk, strict=True):
            for route, bar, told in zip(routes.values(), bars, counts, strict=True):
                done = sum(map(_Walk.visit, route, at))
                bar.set_width(done)
                told.set_text(f"{done:,} multiply-adds")
            yield

    return film(
        fig,
        steps(),
        f"Windows walk over {x.shape[-1]}×{x.shape[-1]} maps, and their multiply-adds "
        f"add up. A 5×5 over {x.shape[1]} channels ends with {one:,}. A 1×1 over the "
        f"same maps, and then a 5×5 over the {squeezed.shape[1]} that it makes, end "
        f"with {both:,}.",
        170,
    )


def draw_reductions(shares: pd.DataFrame) -> Drawing:
    """Dots: a row per module, a column per branch ("3×3", "5×5"), in percent."""
    fig, ax = figure(2.8)
    for i, (branch, values) in enumerate(shares.items()):
        look = {"color": COLOURS[branch.replace("×", "x")], "marker": MARKERS[i]}
        ax.plot(values, ls="", ms=8, label=f"before the {branch}", **look)
    ax.axhline(100, color=COLOURS["trunk"], ls="--")
    ax.text(-0.3, 97, "above this line a bottleneck costs more", va="top")
    ax.set_ylim(0, 108)
    ax.set_ylabel("% of the break-even width")
    ax.set_title("The paper's reductions: how wide are they?")
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.7))
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
    total = len(directions)
    if not 1 <= channels <= total:
        raise ValueError(
            f"a bottleneck in {total} channels has 1 to {total} of them, not {channels}"
        )
    best = directions[:, :channels]
    rebuilt = (best @ (best.T @ maps[cell].flatten(1))).view_as(maps[cell])
    block = round(total**0.5)
    before, after = (F.pixel_shuffle(m, block)[0] for m in (maps[cell], rebuilt))
    through = "1 channel" if channels == 1 else f"{channels} channels"
    low, high = before.min(), before.max()

    fig, (whole, less, lost, line) = figure(2.5, columns=4)
    fixed_layout(fig, left=0.01, right=0.99, bottom=0.2, top=0.87, wspace=0.3)
    show_image(whole, before, f"cell {cell}: {total} channels", vmin=low, vmax=high)
    show_image(less, after, f"through {through}", vmin=low, vmax=high)
    half = (high - low) / 2
    show_image(lost, before - after, "what is lost", vmin=-half, vmax=half)
    percent = [100 * error for error in errors]
    line.plot(percent, color=COLOURS["1x1"])
    line.plot(channels, percent[channels], "o", color=COLOURS["3x3"], ms=8)
    line.set_title(f"all cells: error {percent[channels]:.1f} %", fontsize=9)
    line.set_xlabel("channels kept")
    credit(fig)
    own = 100 * ((before - after).std() / before.std()).item()
    return Drawing(
        fig,
        f"Cell {cell} whole, through {through} of {total}, and the "
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
    total = len(directions)
    return explorer(
        partial(draw_squeezed, maps, directions, errors),
        channels=Slider("bottleneck", channels, 1, total, f"of {total} channels"),
        cell=Slider("cell", cell, 0, len(maps) - 1, "number in the set"),
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
        kept = [100 * k / total for k in range(total + 1)]
        percent = [100 * error for error in errors]
        ax.plot(kept, percent, lw=2, label=name, **series(i) | {"marker": ""})
        told.append(f"{name} {percent[total // 8]:.0f} percent at an eighth")
    total = len(next(iter(curves.values()))) - 1
    kept = [100 * k / total for k in measured]
    percent = [100 * error for error in measured.values()]
    ax.plot(kept, percent, "kx", ms=8, mew=2, label="measured, 1×1 there and back")
    ax.set_xlabel("channels kept (%)")
    ax.set_ylabel("error (%)")
    ax.set_ylim(0, 103)
    ax.set_title("What the best bottleneck loses")
    ax.legend(loc=(0.3, 0.25))
    return Drawing(
        fig,
        f"Error against the share of channels kept: {'; '.join(told)}. "
        "The measured crosses lie on the first curve.",
    )


def draw_race(times: pd.DataFrame, predicted: float) -> Drawing:
    """The measured ratio beside the predicted one, and what each call took.

    ``times``: a row per map size and layer ("direct", "1×1", "after it"), columns
    map_size, layer, multiply_adds, seconds.
    """
    seconds = times.pivot(index="map_size", columns="layer", values="seconds")
    ratio = seconds["direct"] / (seconds["1×1"] + seconds["after it"])
    fig, (left, right) = figure(3.3, columns=2)
    names = [f"{size}×{size}" for size in ratio.index]
    bars = left.bar(names, ratio, color=COLOURS["5x5"], width=0.6)
    white = {"fc": "white", "ec": "none", "pad": 1}
    left.bar_label(bars, fmt="%.1f", padding=2, bbox=white)
    left.axhline(predicted, color=COLOURS["trunk"], ls="--")
    above = {"xytext": (0, 4), "textcoords": "offset points"}
    left.annotate(f"predicted: {predicted:.1f}", (-0.4, predicted), **above)
    left.set_ylim(0, 1.15 * max(predicted, *ratio))
    left.set_xlabel("map")
    left.set_title("times faster through the bottleneck")
    told = []
    kinds = {"direct": "5x5", "1×1": "1x1", "after it": "5x5 reduce"}
    for (layer, kind), marker in zip(kinds.items(), MARKERS, strict=False):
        rows = times[times["layer"] == layer]
        look = {"color": COLOURS[kind], "marker": marker, "mec": "black", "ms": 8}
        work, took = rows["multiply_adds"] / 1e6, 1e3 * rows["seconds"]
        label = f"5×5 {layer}" if "5x5" in kind else layer
        right.plot(work, took, ls="", label=label, **look)
        told.append(f"{layer} {took.min():,.2f} to {took.max():,.2f}")
    ends = times["multiply_adds"].agg(["min", "max"])
    best = (times["seconds"] / times["multiply_adds"]).min()
    ideal = {"color": COLOURS["trunk"], "ls": "--", "label": "at the best pace"}
    right.plot(ends / 1e6, 1e3 * best * ends, **ideal)
    log_axis(right, [1, 10, 100, 1000])
    right.set_yscale("log")
    right.yaxis.set_major_formatter("{x:g}")
    right.set_xlabel("multiply-adds (millions)")
    right.set_title("milliseconds for a call")
    right.legend()
    ratios = ", ".join(f"{r:.1f} on {n}" for n, r in zip(names, ratio, strict=True))
    return Drawing(
        fig,
        f"Left, bars: the bottleneck is faster {ratios} maps; predicted are "
        f"{predicted:.1f} times. Right, milliseconds for a call against its "
        f"multiply-adds: {'; '.join(told)}. The small calls lie above a dashed line, "
        "the best pace.",
    )
