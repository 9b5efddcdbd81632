"""02 · The Inception module: what its branches read, and what they cost."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd
from ipywidgets import VBox
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle
from torch import Tensor

from ...analysis import costs
from ...analysis.costs import Cost
from ...analysis.receptive_field import ReceptiveField
from ...model import GOOGLENET_WIDTHS, BranchWidths
from ..drawing import (
    BRANCHES,
    COLOURS,
    WIDTH,
    Drawing,
    credit,
    figure,
    fixed_layout,
    frame,
    show_image,
)
from ..explorer import Choice, Slider, explorer

PARTS = {  # the convolutions of each branch, by their names in the costs
    "1x1": ["1x1"],
    "3x3": ["3x3 reduce", "3x3"],
    "5x5": ["5x5 reduce", "5x5"],
    "pool": ["pool"],
}
# In inches: the figure, the left edges of the boxes and their width, the numbers.
HEIGHT, MIDDLE = 4.4, 2.05
INPUT, FIRST, SECOND, OUTPUT, BOX = 0.3, 1.4, 2.6, 4.0, 0.22
TABLE, BARS, LONGEST = 4.75, 5.6, 1.9
LIMITS = {  # of the sliders, in channels
    "in_channels": 1024,
    "ch1x1": 512,
    "ch3x3red": 512,
    "ch3x3": 512,
    "ch5x5red": 256,
    "ch5x5": 256,
    "pool_proj": 256,
}
KERNELS = ["1x1", "3x3", "5x5"]
Shapes = list[tuple[str, list[tuple[float, float]]]]  # colour, corners


def draw_module(in_channels: int, map_size: int, **widths: int) -> Drawing:
    """A module with the six ``widths`` of ``BranchWidths`` on a square map.

    Left: the four branches as lanes whose thickness is the number of channels. Right:
    outputs, parameters and multiply-adds per branch, and the multiply-adds beside a
    naive module of the same widths and a plain 3×3 layer with as many outputs.
    Raises ValueError on a number below 1.
    """
    w = BranchWidths(**widths)
    parts = costs.inception(in_channels, w, map_size)
    channels = (w.ch1x1, w.ch3x3, w.ch5x5, w.pool_proj)
    outputs = dict(zip(PARTS, channels, strict=True))
    branches = {b: _sum(parts[name] for name in PARTS[b]) for b in PARTS}
    total, out = _sum(parts.values()), w.out_channels
    naive = costs.naive_inception(in_channels, w, map_size)
    plain = costs.convolution(in_channels, out, 3, map_size)
    wide = in_channels + out - w.pool_proj

    # One axes in inches for all of it: several, with ticks, are slow to draw.
    fig, ax = figure(HEIGHT)
    fixed_layout(fig, left=0, right=1, bottom=0, top=1)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    title = f"{in_channels} → {out} channels on a {map_size}×{map_size} map"
    ax.text(WIDTH / 2, HEIGHT - 0.2, title, ha="center", va="center", fontsize=11)
    rows = {
        f"this module\n{out} out": parts,
        f"naive\n{wide} out": naive,
        f"plain 3×3\n{out} out": {"trunk": plain},
    }
    _lanes(ax, in_channels, w)
    _table(ax, outputs, branches, total)
    _bars(ax, rows)

    through = {"3x3": f"through {w.ch3x3red} ", "5x5": f"through {w.ch5x5red} "}
    told = "; ".join(
        f"{BRANCHES[b]} {through.get(b, '')}to {outputs[b]} channels, "
        f"{cost.parameters:,} parameters, {_millions(cost)} million multiply-adds"
        for b, cost in branches.items()
    )
    return Drawing(
        fig,
        f"A module that reads {in_channels} channels on a {map_size}×{map_size} map. "
        f"{told}. In all {out} channels, {total.parameters:,} parameters, "
        f"{_millions(total)} million multiply-adds; a naive module outputs {wide} "
        f"channels for {_millions(_sum(naive.values()))} million, a plain 3×3 layer "
        f"{out} channels for {_millions(plain)} million.",
    )


def _sum(parts: Iterable[Cost]) -> Cost:
    return sum(parts, Cost(0, 0))


def _millions(cost: Cost) -> str:
    return f"{cost.multiply_adds / 1e6:,.1f}"


def _lanes(ax: Axes, in_channels: int, w: BranchWidths) -> None:
    """Boxes are layers, bands are the channels that run between them, to scale."""
    lanes = [  # the boxes of each branch: left edge, name, channels, colour
        [(SECOND, "1×1", w.ch1x1, "1x1")],
        [(FIRST, "1×1", w.ch3x3red, "3x3 reduce"), (SECOND, "3×3", w.ch3x3, "3x3")],
        [(FIRST, "1×1", w.ch5x5red, "5x5 reduce"), (SECOND, "5×5", w.ch5x5, "5x5")],
        [
            (FIRST, "3×3 max pool", in_channels, "light"),
            (SECOND, "1×1", w.pool_proj, "pool"),
        ],
    ]
    heights = [max(channels for _, _, channels, _ in boxes) for boxes in lanes]
    # In steps, so that a lane that grows leaves the scale of the others alone.
    inch = 2.75 / (-(-sum(heights) // 200) * 200)  # of a channel
    shapes: Shapes = []

    def band(left, y, before, right, y_after, after, colour):
        """From a thickness of ``before`` around y to one of ``after``."""
        before, after = before * inch / 2, after * inch / 2
        start = [(left, y - before), (left, y + before)]
        corners = [*start, (right, y_after + after), (right, y_after - after)]
        shapes.append((colour, corners))

    def box(left, y, channels, colour):
        band(left, y, channels, left + BOX, y, channels, colour)

    def label(left, y, channels, text):
        place = (left + BOX / 2, y + channels * inch / 2 + 0.04)
        ax.text(*place, text, ha="center", va="bottom", fontsize=8)

    gap = 0.3
    top = MIDDLE + (sum(heights) * inch + 3 * gap) / 2  # of the next lane
    above = MIDDLE + w.out_channels * inch / 2  # of the output's next segment
    for boxes, height in zip(lanes, heights, strict=True):
        y = top - height * inch / 2
        top -= height * inch + gap
        x, at, thick = INPUT + BOX, MIDDLE, in_channels
        for left, name, channels, kind in boxes:
            colour = COLOURS[kind]
            tint = COLOURS["light"] if x == INPUT + BOX else colour
            band(x, at, thick, left, y, channels, tint + "66")
            box(left, y, channels, colour)
            label(left, y, channels, f"{name}: {channels}")
            x, at, thick = left + BOX, y, channels
        end = above - thick * inch / 2
        above -= thick * inch
        band(x, y, thick, OUTPUT, end, thick, colour + "66")
        box(OUTPUT, end, thick, colour)
    box(INPUT, MIDDLE, in_channels, COLOURS["trunk"])
    label(INPUT, MIDDLE, in_channels, f"input\n{in_channels}")
    label(OUTPUT, MIDDLE, w.out_channels, f"output\n{w.out_channels}")
    _fill(ax, shapes)


def _table(
    ax: Axes, outputs: dict[str, int], branches: dict[str, Cost], total: Cost
) -> None:
    rows = [f"{'':6}{'outputs':>8}{'parameters':>12}{'mult-adds':>12}"]
    rows += [_row(BRANCHES[b], n, branches[b]) for b, n in outputs.items()]
    rows += [_row("all", sum(outputs.values()), total)]
    marks = ["", *outputs, ""]
    shapes: Shapes = []
    look: dict[str, Any] = {"family": "monospace", "fontsize": 8, "va": "center"}
    for i, (row, mark) in enumerate(zip(rows, marks, strict=True)):
        y = 3.85 - 0.27 * i
        ax.text(TABLE, y, row, weight="normal" if mark else "bold", **look)
        if mark:
            x = TABLE - 0.15
            shapes.append((COLOURS[mark], _box(x, x + 0.1, y, 0.05)))
    _fill(ax, shapes)


def _row(name: str, channels: int, cost: Cost) -> str:
    return f"{name:6}{channels:>8,}{cost.parameters:>12,}{_millions(cost) + ' M':>12}"


def _fill(ax: Axes, shapes: Shapes) -> None:
    colours, corners = zip(*shapes, strict=True)
    ax.add_collection(PolyCollection(corners, facecolors=colours, linewidths=0))


def _box(left: float, right: float, y: float, half: float) -> list:
    return [(left, y - half), (left, y + half), (right, y + half), (right, y - half)]


def _bars(ax: Axes, rows: dict[str, dict[str, Cost]]) -> None:
    """Multiply-adds, a bar per row, split by convolution."""
    totals = [_sum(parts.values()).multiply_adds for parts in rows.values()]
    inch = LONGEST / max(totals)
    shapes: Shapes = []
    for i, (name, parts) in enumerate(rows.items()):
        y, x = 1.45 - 0.5 * i, BARS
        ax.text(BARS - 0.08, y, name, ha="right", va="center", fontsize=8)
        for kind, cost in parts.items():
            end = x + cost.multiply_adds * inch
            shapes.append((COLOURS[kind], _box(x, end, y, 0.15)))
            x = end
        ax.text(x, y, f" {totals[i] / 1e6:,.0f}", va="center")
    ax.text(BARS, 1.75, "multiply-adds (millions)")
    _fill(ax, shapes)


def paper_module(name: str) -> dict[str, int]:
    """The arguments of ``draw_module`` for a module of the paper: "3a" … "5b"."""
    in_channels, map_size = costs.module_inputs()[name]
    widths = asdict(GOOGLENET_WIDTHS[name])
    return {"in_channels": in_channels, "map_size": map_size, **widths}


def explore_module(name: str = "3a") -> VBox:
    """Explore ``draw_module``, from the paper's module ``name`` on."""
    start = paper_module(name)
    words = {
        "in_channels": "input",
        "ch1x1": "1×1",
        "ch3x3red": "3×3 reduce",
        "ch3x3": "3×3",
        "ch5x5red": "5×5 reduce",
        "ch5x5": "5×5",
        "pool_proj": "pool proj",
    }
    sliders = {
        field: Slider(word, start[field], 8, LIMITS[field], "channels", step=8)
        for field, word in words.items()
    }
    return explorer(
        draw_module,
        presets={name: paper_module(name) for name in GOOGLENET_WIDTHS},
        map_size=Choice("map (places a side)", [28, 14, 7], value=start["map_size"]),
        **sliders,
    )


def crop(image: Tensor, spot: tuple[int, int], side: int) -> Tensor:
    """The square of ``side`` pixels around ``spot``, cut off where the image ends.

    ``image`` H×W, ``spot`` its column and row, ``side`` odd.
    """
    x, y = spot
    half = side // 2
    return image[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]


def draw_receptive_fields(
    image: Tensor, spots: dict[str, tuple[int, int]], fields: dict[str, ReceptiveField]
) -> Drawing:
    """A row per spot of an H×W uint8 image: where three branches look, what they see.

    ``fields`` are those of one module, as ``inception_receptive_fields`` returns them.
    """
    fig, axes = figure(2.15 * len(spots) + 0.3, len(spots), 4, squeeze=False)
    told = []
    for (whole, *row), (name, (x, y)) in zip(axes, spots.items(), strict=True):
        show_image(whole, image, name)
        for branch, dash, ax in zip(KERNELS, ["-", "--", ":"], row, strict=True):
            side = fields[branch].largest
            corner = (x - side / 2, y - side / 2)
            look: dict[str, Any] = {"ec": COLOURS[branch], "lw": 2, "ls": dash}
            whole.add_patch(Rectangle(corner, side, side, fill=False, **look))
            title = f"{BRANCHES[branch]} sees {side}×{side} pixels"
            seen = crop(image, (x, y), side)
            show_image(ax, seen, title)
            frame(ax, branch, ls=dash)
            greys = f"from {int(seen.min())} to {int(seen.max())}"
            told.append(f"{name}, {title}, greys {greys}")
        whole.set_xlim(-0.5, image.shape[1] - 0.5)
        whole.set_ylim(image.shape[0] - 0.5, -0.5)
    credit(fig)
    return Drawing(
        fig,
        f"A solar cell with three squares drawn around {' and around '.join(spots)}, "
        f"and what is inside of each (black is 0, white 255): {'; '.join(told)}.",
    )


def draw_together(together: Tensor, spots: dict[str, tuple[int, int]]) -> Drawing:
    """How all places of a picture are correlated with those at ``spots``, a map each.

    ``together``: H×W×H×W correlations; a spot is a row and a column inside the rim.
    """
    fig, axes = figure(2.3, columns=len(spots), squeeze=False)
    told = []
    for ax, (name, (row, column)) in zip(axes[0], spots.items(), strict=True):
        values = together[row, column]
        show_image(ax, values, name, cmap="PuOr_r", vmin=-1, vmax=1)
        ax.plot(column, row, "k+", ms=8)
        near = together[row, column, row - 1 : row + 2, column - 1 : column + 2]
        told.append(
            f"{name}, at least {near.min():.1f} beside the cross, above 0.5 at "
            f"{(values > 0.5).sum()} places"
        )
    fig.colorbar(axes[0, -1].images[0], ax=axes, label="correlation", ticks=[-1, 0, 1])
    credit(fig)
    return Drawing(
        fig,
        f"Maps of a cell's {values.numel():,} places, orange where they are correlated "
        f"with the one at the cross: {'; '.join(told)}.",
    )


def draw_ranges(
    modules: dict[str, dict[str, ReceptiveField]], image_size: int = 224
) -> Drawing:
    """A bar per module, from its smallest receptive field to its largest."""
    fig, ax = figure(3.2)
    ranges = {
        name: (min(v.smallest for v in fields), max(v.largest for v in fields))
        for name, fields in ((n, branches.values()) for n, branches in modules.items())
    }
    low, high = pd.DataFrame(ranges).to_numpy()
    bars = ax.barh(list(ranges), high - low, 0.55, low, color=COLOURS["trunk"])
    ax.bar_label(bars, high, padding=3)
    for name, end in zip(ranges, low, strict=True):
        ax.text(end, name, f"{end} ", ha="right", va="center")
    ax.axvline(image_size, color=COLOURS["3x3"], ls="--")
    ax.text(image_size, 0, f" the image: {image_size}", va="center")
    ax.invert_yaxis()
    ax.set_xlim(0)
    ax.set_xlabel("side of what a place sees (pixels of the image)")
    ax.set_title("Receptive fields of a module, from smallest to largest")
    told = ", ".join(f"{name} {low} to {high}" for name, (low, high) in ranges.items())
    return Drawing(
        fig,
        "Bars from the smallest to the largest receptive field of each module, in "
        f"pixels: {told}. A dashed line marks the image's {image_size}.",
    )


def draw_maps(image: Tensor, maps: dict[str, Tensor]) -> Drawing:
    """An H×W image (0 to 1) and maps of the same size, each on a scale of its own.

    A scale ends below the highest tenth of what is above 0, so that a bright edge
    leaves the rest its contrast. The names begin with the branch,
    such as "3×3 slant", and give the frame's colour.
    """
    fig, axes = figure(3.8, 2, -(-(len(maps) + 1) // 2))
    axes, told = axes.ravel(), []
    for ax in axes[len(maps) + 1 :]:
        ax.set_axis_off()
    show_image(axes[0], image, "the image", vmin=0, vmax=1)
    for ax, (name, values) in zip(axes[1:], maps.items(), strict=False):
        above = values[values > 0]
        top = float(above.quantile(0.9)) if len(above) else 1.0
        show_image(ax, values, name, cmap="cividis", vmin=0, vmax=top)
        frame(ax, name.split()[0].replace("×", "x"))
        share = (values > top / 2).float().mean()
        told.append(f"{name} answers clearly at {share:.0%} of the places")
    credit(fig)
    return Drawing(
        fig, f"A solar cell, and what comes out of each branch: {'; '.join(told)}."
    )
