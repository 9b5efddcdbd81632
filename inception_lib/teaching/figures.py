"""Pictures of the network and its costs. Each returns the figure and its alt text."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from ..analysis import costs
from ..model import GOOGLENET_WIDTHS, GoogLeNet, Inception
from ..model.googlenet import map_sizes
from . import style

BRANCHES = ["1x1", "3x3", "5x5", "pool"]
LABELS = {"1x1": "1×1", "3x3": "3×3", "5x5": "5×5", "pool": "pool projection"}
POOL_BEFORE = {"3": "maxpool2", "4": "maxpool3", "5": "maxpool4"}


def _blocks(model: GoogLeNet) -> list[tuple[str, int, dict[str, int]]]:
    """Name, map size and channels by colour of what each block hands on."""
    size = map_sizes(model.image_size, model.pool4_kernel_size)
    blocks = [
        ("image", model.image_size, {"trunk": model.conv1.conv.in_channels}),
        ("conv1", size["conv1"], {"trunk": model.conv1.conv.out_channels}),
        ("conv2", size["maxpool1"], {"trunk": model.conv3.conv.out_channels}),
    ]
    for name in GOOGLENET_WIDTHS:
        module = getattr(model, f"inception{name}")
        blocks.append((name, size[POOL_BEFORE[name[0]]], _branch_channels(module)))
    channels, classes = model.fc.in_features, model.fc.out_features
    return [
        *blocks,
        ("average", 1, {"light": channels}),
        ("linear", 1, {"trunk": classes}),
    ]


def _branch_channels(module: Inception) -> dict[str, int]:
    ends = [module.branch1, module.branch2[-1], module.branch3[-1], module.branch4[-1]]
    return {b: end.conv.out_channels for b, end in zip(BRANCHES, ends, strict=True)}


def network(model: GoogLeNet) -> tuple[Figure, str]:
    """The whole network, left to right: a block per output, a funnel per pooling.

    A block is as wide as it has channels; its height is the root of its map's side, or
    the last maps could not be seen. An Inception module shows what its four branches
    contribute.
    """
    fig, ax = style.figure(4.4)
    ax.axis("off")
    x, last = 0.0, None
    at = {}
    for name, size, channels in _blocks(model):
        height = size**0.5
        if last is not None:
            gap = 190 if size != last else 55
            if size != last:
                ends = [(x, last**0.5), (x + gap, height)]
                corners = [(a, s * h / 2) for s in (1, -1) for a, h in ends[::s]]
                ax.add_patch(Polygon(corners, color=style.COLOURS["light"], alpha=0.55))
            else:
                ax.plot([x, x + gap], [0, 0], color=style.COLOURS["trunk"], lw=1.2)
            x += gap
        left = x
        for kind, width in channels.items():
            ax.add_patch(
                Rectangle(
                    (x, -height / 2),
                    width,
                    height,
                    facecolor=style.COLOURS[kind],
                    edgecolor="white" if len(channels) > 1 else style.COLOURS["trunk"],
                    linewidth=0.5,
                )
            )
            x += width
        at[name] = (left, x, size, height)
        last = size
    _stage_labels(ax, at)
    if model.aux_logits:
        _heads(ax, at)
    handles = [
        Rectangle((0, 0), 1, 1, color=style.COLOURS[branch], label=LABELS[branch])
        for branch in BRANCHES
    ]
    handles.append(
        Rectangle((0, 0), 1, 1, color=style.COLOURS["light"], label="pooling (funnel)")
    )
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=5,
        fontsize=9,
        frameon=False,
        handlelength=1,
    )
    ax.set_title("GoogLeNet: maps shrink, channels grow", fontsize=11)
    ax.set_xlim(-120, x + 60)
    ax.set_ylim(-11.6, 8.2)
    told = ", ".join(f"{name} {size}×{size}" for name, (_, _, size, _) in at.items())
    heads = "Two red auxiliary heads tap 4a and 4d. " if model.aux_logits else ""
    return fig, (
        "The network as a row of blocks, as high as their maps (on a root "
        "scale) and as "
        f"wide as their channels: {told}. {heads}"
        "Nine blocks are Inception modules, striped in the colours of their "
        "four branches; "
        "the 3×3 stripe is the widest in all but the first and the last of them."
    )


def _stage_labels(ax: Axes, at: dict[str, tuple]) -> None:
    """Names under the blocks; stages with their map size on a line below."""
    for name, (left, right, _, height) in at.items():
        if name in GOOGLENET_WIDTHS:
            ax.text(
                (left + right) / 2, -height / 2 - 0.7, name, ha="center", fontsize=9
            )
    stages = {
        "stem": ("image", "conv2"),
        "stage 3": ("3a", "3b"),
        "stage 4": ("4a", "4e"),
        "stage 5": ("5a", "5b"),
        "classifier": ("average", "linear"),
    }
    for stage, (first, final) in stages.items():
        left, right = at[first][0], at[final][1]
        sizes = dict.fromkeys(at[name][2] for name in (first, "conv1", final))
        if stage == "stem":
            size = " → ".join(str(n) for n in sizes)
        else:
            size = f"{at[final][2]}×{at[final][2]}"
        ax.plot([left, right], [-8.7, -8.7], color=style.COLOURS["trunk"], lw=1.5)
        middle = (left + right) / 2
        ax.text(middle, -9.6, stage, ha="center", fontsize=10, fontweight="bold")
        ax.text(middle, -10.6, size, ha="center", fontsize=9)


def _heads(ax: Axes, at: dict[str, tuple]) -> None:
    red = style.COLOURS["auxiliary"]
    for text, module in {"head 1": "4a", "head 2": "4d"}.items():
        _, right, _, _ = at[module]
        tap = right + 27  # in the gap after the module
        ax.plot([tap, tap], [0, 4.2], color=red, lw=1.8)
        ax.plot([tap], [0], "o", color=red, ms=4)
        ax.add_patch(
            FancyBboxPatch(
                (tap - 260, 4.3),
                520,
                1.5,
                boxstyle="round,pad=0,rounding_size=0.3",
                mutation_aspect=1 / 100,
                facecolor="white",
                edgecolor=red,
                linewidth=1.8,
            )
        )
        ax.text(tap, 5.0, text, ha="center", va="center", color=red, fontsize=9)


def where_it_sits() -> tuple[Figure, str]:
    """Parameters and multiply-adds per row of Table 1, by kind of convolution."""
    sizes = map_sizes(224)
    rows = {
        name: {"trunk": cost}
        for name, cost in costs.googlenet(aux_logits=False).items()
    }
    channels = GoogLeNet(aux_logits=False).inception3a.in_channels
    for name, widths in GOOGLENET_WIDTHS.items():
        rows[name] = costs.inception(channels, widths, sizes[POOL_BEFORE[name[0]]])
        channels = widths.out_channels
    fig, axes = style.figure(4.6, columns=2, sharey=True)
    measures = {"parameters": (1e3, "K"), "multiply_adds": (1e6, "M")}
    told = []
    for ax, (measure, (unit, letter)) in zip(axes, measures.items(), strict=True):
        total = sum(getattr(c, measure) for row in rows.values() for c in row.values())
        totals = {}
        for name, row in rows.items():
            left = 0.0
            for kind, cost in row.items():
                width = getattr(cost, measure) / unit
                ax.barh(name, width, left=left, color=style.COLOURS[kind], height=0.75)
                left += width
            totals[name] = left
            ax.text(left, name, f" {left:,.0f} {letter}", va="center", fontsize=9)
        words = measure.replace("_", "-")
        unit_word = "thousands" if letter == "K" else "millions"
        ax.set_title(f"{words}: {total / 1e6:,.1f} M", fontsize=11)
        ax.set_xlabel(f"{unit_word} per row of Table 1")
        ax.set_xlim(0, 1.22 * max(totals.values()))
        most = max(totals, key=totals.get)
        told.append(f"{words} are most in {most} ({totals[most]:,.0f} {unit_word})")
    axes[0].invert_yaxis()
    kinds = ["1x1", "3x3 reduce", "3x3", "5x5 reduce", "5x5", "pool", "trunk"]
    names = [
        "1×1",
        "3×3 reduce",
        "3×3",
        "5×5 reduce",
        "5×5",
        "pool proj.",
        "stem, linear",
    ]
    handles = [
        Rectangle((0, 0), 1, 1, color=style.COLOURS[kind], label=name)
        for kind, name in zip(kinds, names, strict=True)
    ]
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=7,
        fontsize=9,
        frameon=False,
        handlelength=0.8,
        columnspacing=1.2,
    )
    return fig, (
        "Two bar charts over the rows conv1, conv2, 3a to 5b, linear, each bar split "
        "by "
        "kind "
        f"of convolution: {'; '.join(told)}. In every module the 3×3 takes the "
        "largest or "
        "nearly the largest part."
    )


def ratios(table: pd.DataFrame, limits: tuple[float, float] = (0.93, 1.13)):
    """Computed over printed, a line per row: ``table`` has one column per measure.

    A value beyond ``limits`` stands at the edge with its number. Returns (Figure, alt
    text).
    """
    fig, ax = style.figure(3.9)
    ax.axvline(1, color=style.COLOURS["trunk"], lw=1)
    colours = [style.COLOURS["1x1"], style.COLOURS["3x3"]]
    told = []
    for i, column in enumerate(table.columns):
        offset = 0.28 * i - 0.14
        places = [row + offset for row in range(len(table))]
        shown = table[column].clip(*limits)
        ax.plot(
            shown,
            places,
            style.MARKERS[i],
            color=colours[i],
            ms=8,
            label=column,
            clip_on=False,
        )
        for value, place, name in zip(table[column], places, table.index, strict=True):
            if not limits[0] <= value <= limits[1]:
                side = limits[value > limits[1]]
                ax.text(
                    side - 0.004,
                    place,
                    f"{value:.2f} →",
                    ha="right",
                    va="center",
                    fontsize=9,
                )
            if abs(value - 1) > 0.03:
                told.append(f"{column} of {name} {value:.2f}")
    ax.set_yticks(range(len(table)), table.index)
    ax.invert_yaxis()
    ax.set_xlim(*limits)
    ax.grid(axis="y", color=style.COLOURS["light"], lw=0.6)
    ax.set_xlabel("computed from the printed widths ÷ printed (1 = they agree)")
    ax.set_title("Table 1 against its own widths", fontsize=11)
    ax.legend(fontsize=9, loc="lower right", frameon=True, edgecolor="none")
    return fig, (
        "Dots for the ratio of computed to printed numbers, a line per row of "
        "Table 1, most "
        f"of them near 1. Further than 3 percent away: {', '.join(told) or 'none'}."
    )


def explosion(table: pd.DataFrame) -> tuple[Figure, str]:
    """Bars of ``table``: a row per module, at most 3 columns, 10⁶ multiply-adds."""
    fig, ax = style.figure(3.9)
    colours = [style.COLOURS[k] for k in ("1x1", "3x3", "trunk")]
    hatches = ["", "///", "..."]
    bar = 0.8 / len(table.columns)
    for i, column in enumerate(table.columns):
        places = [
            row + (i - (len(table.columns) - 1) / 2) * bar for row in range(len(table))
        ]
        ax.bar(
            places,
            table[column],
            bar,
            color=colours[i],
            hatch=hatches[i],
            edgecolor="white",
            label=f"{column}: {table[column].sum() / 1e3:.1f} billion",
        )
    ax.set_xticks(range(len(table)), table.index)
    ax.set_ylabel("multiply-adds (millions)")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_title("Nine modules, with and without their 1×1 convolutions", fontsize=11)
    ax.legend(fontsize=9, frameon=False)
    told = "; ".join(
        f"{column} from {values.min():,.0f} to {values.max():,.0f} million"
        for column, values in table.items()
    )
    return fig, f"Bars of multiply-adds for each module {table.index[0]} … : {told}."
