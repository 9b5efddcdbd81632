"""05 · GoogLeNet: the whole network, its costs, and Table 1 against its widths."""

from collections.abc import Iterable, Iterator
from functools import partial
from math import nan
from typing import cast

import pandas as pd
import torch
import torch.nn.functional as F
from ipywidgets import VBox
from matplotlib.artist import setp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon, Rectangle
from torch import Tensor, nn

from ...analysis.costs import Cost
from ...analysis.parts import stage_maps
from ...model import GOOGLENET_WIDTHS, BasicConv2d, GoogLeNet
from ...model.googlenet import map_sizes
from ..drawing import (
    BRANCHES,
    COLOURS,
    MARKERS,
    Drawing,
    figure,
    fixed_layout,
    series,
    show_image,
)
from ..exercise import is_blank
from ..explorer import Slider, explorer
from ..motion import Motion, film

KINDS = {  # what a colour of the style stands for
    "1x1": "1×1",
    "3x3 reduce": "3×3 reduce",
    "3x3": "3×3",
    "5x5 reduce": "5×5 reduce",
    "5x5": "5×5",
    "pool": "pool projection",
    "trunk": "stem, linear",
    "auxiliary": "auxiliary heads",
    "light": "pooling",
}
BRANCH_ENDS = ["branch1", "branch2.1", "branch3.1", "branch4.1"]
POOL_BEFORE = {"3": "maxpool2", "4": "maxpool3", "5": "maxpool4"}
STAGES = {
    "stem": ("image", "conv2"),
    "stage 3": ("3a", "3b"),
    "stage 4": ("4a", "4e"),
    "stage 5": ("5a", "5b"),
    "classifier": ("average", "linear"),
}
PLAIN_GAP, FUNNEL_GAP, STEM_GAP = 55, 190, 480  # between two blocks, in channels


def _legend(fig: Figure, kinds: Iterable[str] | dict[str, str]) -> None:
    """Below the axes, in one row."""
    names = kinds if isinstance(kinds, dict) else {kind: KINDS[kind] for kind in kinds}
    handles = [Patch(color=COLOURS[kind], label=name) for kind, name in names.items()]
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        handlelength=0.8,
        columnspacing=1.1,
    )


def _blocks(model: GoogLeNet) -> dict[str, tuple[int, dict[str, int]]]:
    """By name, in order: the map's side and the channels by colour of each output."""
    size = map_sizes(model.image_size, model.pool4_kernel_size)
    blocks = {
        "image": (model.image_size, {"light": model.conv1.conv.in_channels}),
        "conv1": (size["conv1"], {"trunk": model.conv1.conv.out_channels}),
        "conv2": (size["maxpool1"], {"trunk": model.conv3.conv.out_channels}),
    }
    for name in GOOGLENET_WIDTHS:
        module = model.get_submodule(f"inception{name}")
        ends = (cast(BasicConv2d, module.get_submodule(end)) for end in BRANCH_ENDS)
        channels = dict(zip(BRANCHES, (e.conv.out_channels for e in ends), strict=True))
        blocks[name] = (size[POOL_BEFORE[name[0]]], channels)
    blocks["average"] = (1, {"light": model.fc.in_features})
    blocks["linear"] = (1, {"trunk": model.fc.out_features})
    return blocks


def draw_network(model: GoogLeNet) -> Drawing:
    """The whole network, left to right: a block per output, a funnel where maps shrink.

    A block is as wide as it has channels; its height is the square root of its map's
    side, or the last maps could not be seen. An Inception module is striped: a colour
    per branch.
    """
    fig, ax = figure(4.4)
    ax.axis("off")
    blocks = _blocks(model)
    sides = {name: side for name, (side, _) in blocks.items()}
    at = {}  # name -> left, right
    x, last = 0.0, None
    for name, (side, channels) in blocks.items():
        height = side**0.5
        if last is not None:
            gap = STEM_GAP if name.startswith("conv") else FUNNEL_GAP
            x = _connect(ax, x, last, height, gap)
        left, last = x, height
        for kind, width in channels.items():
            box = Rectangle((x, -height / 2), width, height, ec="white", lw=0.5)
            box.set_facecolor(COLOURS[kind])
            ax.add_patch(box)
            x += width
        at[name] = (left, x)
        middle, edge = (left + x) / 2, height / 2 + 0.25
        total = str(sum(channels.values()))
        ax.text(middle, edge, total, ha="center", va="bottom", fontsize=8)
        if name != "image":
            ax.text(middle, -edge, name, ha="center", va="top")
    _brackets(ax, at, sides)
    if model.aux_logits:
        _heads(ax, at)
    _legend(fig, [*BRANCHES, "trunk", "light"])
    ax.set_title("GoogLeNet: the maps shrink, the channels (numbers) grow")
    ax.set(xlim=(-150, x + 60), ylim=(-11.8, 8.6))
    told = ", ".join(f"{name} {side}×{side}" for name, side in sides.items())
    heads = " Two red auxiliary heads tap 4a and 4d." if model.aux_logits else ""
    return Drawing(
        fig,
        "The network as a row of blocks from left to right, as high as their maps (on "
        f"a root scale) and as wide as their channels: {told}. Nine blocks are "
        f"Inception modules, striped in the colours of their four branches.{heads}",
    )


@torch.no_grad()
def watch_picture(model: GoogLeNet, pixels: Tensor, x: Tensor) -> Motion:
    """A picture on its way through the network: of each stage's maps as many as there
    is room for at their size in the picture's place, and their side and number.

    ``pixels`` are 3×S×S (uint8), ``x`` is what the network reads of them, 1×3×S×S.
    """
    side = x.shape[-1]
    maps = {"image": x, **stage_maps(model, x)}
    values: dict[str, list[int]] = {"side of a map (pixels)": [], "channels": []}
    fig, (left, right) = figure(3.2, columns=2, width_ratios=[1, 1.6])
    fixed_layout(fig, left=0.01, bottom=0.18, right=0.98, top=0.9, wspace=0.15)
    right.set_yscale("log")
    right.set(xlim=(-0.6, len(maps) - 0.4), ylim=(1, 2000))
    right.set_xticks(range(len(maps)), list(maps), rotation=60)
    lines = [
        right.plot([], label=label, **series(i))[0] for i, label in enumerate(values)
    ]
    right.legend(loc="lower right")

    def steps() -> Iterator[None]:
        for name, one in maps.items():
            channels, height = one.shape[1:3]
            fit = min(channels, (side // height) ** 2)
            best = one[0].flatten(1).std(1).topk(fit).indices.sort().values
            picture = pixels if name == "image" else tiled(one[0, best], side)
            left.clear()
            show_image(left, picture, cmap="cividis", vmin=0, vmax=1)
            shown = "" if name == "image" else f"{fit} of "
            left.set_title(f"{name}: {shown}{channels} maps, {height}×{height}")
            for line, found, value in zip(
                lines, values.values(), (height, channels), strict=True
            ):
                found.append(value)
                line.set_data(range(len(found)), found)
            right.set_title(
                f"{channels} × {height} × {height} = {one.numel():,} numbers"
            )
            yield

    told = ", ".join(
        f"{name} {one.shape[1]} of {one.shape[2]}×{one.shape[2]}"
        for name, one in maps.items()
    )
    return film(
        fig,
        steps(),
        f"A picture's maps, stage by stage, smaller and more of them: {told}. In the "
        "first ones its outlines can be seen, in the last ones only spots.",
        650,
    )


def tiled(maps: Tensor, side: int) -> Tensor:
    """C×h×h maps in rows from the upper left of a ``side``×``side`` square, each from
    its lowest value, 0, to its highest, 1; the rest is not a number.
    """
    from torchvision.utils import make_grid  # takes a second or two

    low, high = maps.amin((1, 2), True), maps.amax((1, 2), True)
    even = (maps - low) / (high - low).clamp_min(1e-9)
    rows = make_grid(even[:, None], side // maps.shape[-1], padding=0)[0]
    return F.pad(rows, (0, side - rows.shape[1], 0, side - rows.shape[0]), value=nan)


def _connect(ax: Axes, x: float, before: float, after: float, funnel: int) -> float:
    """A funnel from a map to a smaller one, else a line; returns where it ends."""
    if before == after:
        ax.plot([x, x + PLAIN_GAP], [0, 0], color=COLOURS["trunk"], lw=1.2)
        return x + PLAIN_GAP
    end = x + funnel
    corners = [(x, before / 2), (end, after / 2), (end, -after / 2), (x, -before / 2)]
    ax.add_patch(Polygon(corners, color=COLOURS["light"], alpha=0.55, lw=0))
    return end


def _brackets(ax: Axes, at: dict[str, tuple], sides: dict[str, int]) -> None:
    """The stages' names and map sizes, below the blocks."""
    for stage, (first, final) in STAGES.items():
        left, right = at[first][0], at[final][1]
        ax.plot([left, right], [-8.9, -8.9], color=COLOURS["trunk"], lw=1.5)
        middle = (left + right) / 2
        ax.text(middle, -9.8, stage, ha="center", weight="bold")
        size = f"{sides[final]}×{sides[final]}"
        if stage == "stem":
            size = f"{sides[first]} → {sides['conv1']} → {sides[final]}"
        ax.text(middle, -10.9, size, ha="center")


def _heads(ax: Axes, at: dict[str, tuple]) -> None:
    red = COLOURS["auxiliary"]
    for label, module in {"head 1": "4a", "head 2": "4d"}.items():
        tap = at[module][1] + PLAIN_GAP / 2
        ax.plot([tap, tap], [0, 5.4], color=red, lw=1.8)
        ax.plot([tap], [0], "o", color=red, ms=4)
        box = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": red, "lw": 1.8}
        ax.text(tap, 5.9, label, ha="center", color=red, bbox=box)


def draw_costs(rows: dict[str, dict[str, Cost]]) -> Drawing:
    """Bars of parameters and of multiply-adds, one per row, split by kind.

    ``rows`` are ``analysis.costs.googlenet_parts``'s: {"3a": {"1x1": Cost, …}, …}.
    """
    fig, axes = figure(4.8, columns=2, sharey=True)
    present = [k for k in KINDS if any(k in parts for parts in rows.values())]
    told = []
    for ax, measure in zip(axes, ("parameters", "multiply_adds"), strict=True):
        kinds = {
            name: {kind: getattr(cost, measure) / 1e6 for kind, cost in parts.items()}
            for name, parts in rows.items()
        }
        table = pd.DataFrame(kinds, index=present).T
        table.plot.barh(stacked=True, ax=ax, width=0.75, color=COLOURS, legend=False)
        ends = table.sum(axis=1)
        shares = ends / ends.sum()
        for place, (end, share) in enumerate(zip(ends, shares, strict=True)):
            text = f" {share:.0%}" if share > 0.005 else " < 1%"
            ax.text(end, place, text, va="center")
        words = measure.replace("_", "-")
        ax.set_title(f"{words}, {ends.sum():,.1f} million")
        ax.set_xlabel("millions")
        ax.set_xlim(0, 1.15 * ends.max())
        told.append(f"{words} are most in {shares.idxmax()}, {shares.max():.0%}")
    axes[0].invert_yaxis()
    _legend(fig, present)
    return Drawing(
        fig,
        f"Two bar charts over {', '.join(rows)}, each bar split by kind of layer: "
        f"{'; '.join(told)}.",
    )


def draw_ratios(
    table: pd.DataFrame, limits: tuple[float, float] = (0.92, 1.12)
) -> Drawing:
    """A line per row of ``table``, a marker per column (at most 4): computed / printed.

    A ratio beyond ``limits`` stands at the edge with its number.
    """
    fig, ax = figure(4.8)
    ax.axvline(1, color=COLOURS["trunk"], lw=1)
    far = []
    for i, (column, values) in enumerate(table.items()):
        shift = 0.4 * (i - (len(table.columns) - 1) / 2)
        places = [place + shift for place in range(len(table))]
        look = {"color": COLOURS[list(BRANCHES)[i]], "marker": MARKERS[i], "ms": 8}
        shown = values.clip(*limits)
        ax.plot(shown, places, ls="", label=column, **look)
        for name, value, place in zip(table.index, values, places, strict=True):
            if abs(value - 1) > 0.015:
                far.append(f"{column} of {name} {value:.2f}")
            if value > limits[1]:
                text = f"{value:.1f} →   "
                ax.text(limits[1], place, text, ha="right", va="center")
            if value < limits[0]:
                ax.text(limits[0], place, f"   ← {value:.1f}", va="center")
    ax.set_yticks(range(len(table)), table.index)
    ax.invert_yaxis()
    margin = 0.02 * (limits[1] - limits[0])  # a marker at the edge is seen whole
    ax.set_xlim(limits[0] - margin, limits[1] + margin)
    ax.grid(axis="y", color=COLOURS["light"], lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel("computed from the widths / printed (1: they agree)")
    ax.set_title("Table 1 against its own widths")
    fig.legend(loc="outside lower center", ncols=len(table.columns))
    return Drawing(
        fig,
        "Markers for the ratio of computed to printed numbers, a line per row of "
        "Table 1, most of them near 1. More than 1.5 percent away: "
        f"{', '.join(far) or 'none'}.",
    )


def draw_norm(maps: Tensor, pixels: int, size: int, beta: int) -> Drawing:
    """Responses before a local response norm and after it, for pixels of a deviation.

    ``maps`` (C×H×W) are the stem's for pixels of standard deviation 1; ``size`` is the
    norm's n, ``beta`` its β in percent; α is 0.0001 and k 1, as in Caffe. Left: the
    channels at the place of the highest response; right: every tenth response of all.
    """
    x = maps * pixels  # without biases the stem is as many times as loud
    y = F.local_response_norm(x[None], size, 1e-4, beta / 100, 1.0)[0]
    row, column = divmod(int(x.amax(0).argmax()), x.shape[2])
    before, after = x[:, row, column].numpy(), y[:, row, column].numpy()
    loud, highest = int(before.argmax()), x.max().item()

    fig, (left, right) = figure(3.2, columns=2, width_ratios=[3, 2])
    fixed_layout(fig, left=0.07, right=0.98, bottom=0.15, top=0.9, wspace=0.28)
    channels = range(len(x))
    start = loud - size // 2 - 0.5
    left.axvspan(start, start + size, color=COLOURS["3x3 reduce"], alpha=0.5, lw=0)
    left.bar(channels, before, color=COLOURS["light"], label="before")
    left.bar(channels, after, 0.5, color=COLOURS["1x1"], label="after")
    end = 1.15 * highest or 1
    left.set(xlabel="channel", ylabel="response", xlim=(-1, len(x)), ylim=(0, end))
    left.legend(loc="upper right", ncols=2)
    left.set_title(f"the loudest place: channel {loud} and its window of {size}")
    right.axline((0, 0), slope=1, color=COLOURS["trunk"], ls="--", lw=1)
    look = {"ls": "", "marker": ".", "ms": 2, "color": COLOURS["1x1"]}
    right.plot(x.flatten()[::10].numpy(), y.flatten()[::10].numpy(), **look)
    right.set(xlabel="before", ylabel="after", xlim=(0, end), ylim=(0, end))
    kept = f"{highest:.0f} → {y.max():.0f}"
    right.set_title(f"all places; highest {kept}")
    return Drawing(
        fig,
        f"Responses of a stem to pixels of standard deviation {pixels}, before and "
        f"after a local response norm over {size} channels with beta {beta / 100:.2f}. "
        f"The highest of all: {kept}. At its place {loud} is the loudest of "
        f"{len(x)} channels, {before[loud]:.0f} → {after[loud]:.0f}.",
    )


def explore_norm(maps: Tensor) -> VBox:
    """Explore ``draw_norm`` with three sliders, from Caffe's constants on."""
    return explorer(
        partial(draw_norm, maps),
        pixels=Slider("pixels", 30, 1, 80, "grey levels of standard deviation"),
        size=Slider("n", 5, 1, 31, "channels in the window", step=2),
        beta=Slider("β", 75, 0, 100, "hundredths"),
    )


def _kind(layer: nn.Module) -> str | None:
    """The colour of a layer that is drawn; None for one that isn't."""
    if isinstance(layer, nn.Conv2d):
        kernel = layer.kernel_size[0]
        return {1: "1x1", 3: "3x3", 5: "5x5"}.get(kernel, "trunk")
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d):
        return "pool"
    return "auxiliary" if isinstance(layer, nn.Linear) else None


def _drawn(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if _kind(part)]


def draw_tree(cls: type[nn.Module]) -> Drawing:
    """The network that a learner wrote, from its module tree: a box per module over the
    boxes of what is in it, down to the layers. While the class is still blank, the
    library's.
    """
    blank = is_blank(cls)
    model = GoogLeNet() if blank else cls(1000)
    whose = "The library's GoogLeNet: yours is still empty" if blank else "Your network"
    fig, ax = figure(4.0)
    ax.axis("off")
    deepest = _boxes(ax, type(model).__name__, model, 0, 0)
    ax.set_xlim(0, len(_drawn(model)))
    ax.set_ylim(-deepest - 1, 0.4)
    count = sum(p.numel() for p in model.parameters())
    ax.set_title(f"{whose}, {count:,} parameters", fontsize=11)
    kinds = {"1x1": "1×1", "3x3": "3×3", "5x5": "5×5", "trunk": "7×7"}
    _legend(fig, kinds | {"pool": "pooling", "auxiliary": "linear"})
    told = ", ".join(
        f"{name} {len(_drawn(child))}"
        for name, child in model.named_children()
        if _drawn(child)
    )
    return Drawing(
        fig,
        f"{whose}, drawn as a tree: each module is a box over the boxes of its parts, "
        "the lowest ones are layers in the colour of their kernel. Modules and their "
        f"layers: {told}.",
    )


def _boxes(ax: Axes, name: str, module: nn.Module, left: int, depth: int) -> int:
    """Draw a module and what is in it; returns how deep that goes."""
    layers, kind = len(_drawn(module)), _kind(module)
    box = Rectangle((left, -depth - 1), layers, 0.94, ec="white", lw=0.8)
    box.set_facecolor(COLOURS[kind or "light"])
    ax.add_patch(box)
    if not kind and (layers >= 4 or depth == 1):
        upright = layers < 0.9 * len(name) or depth == 1
        ax.text(
            *(left + layers / 2, -depth - 0.53, name),
            ha="center",
            va="center",
            fontsize=min(8, 70 / len(name), 6 * layers) if depth else 10,
            rotation=90 if upright else 0,
        )
    deepest = depth
    for child_name, child in module.named_children():
        if not kind and _drawn(child):
            deepest = max(deepest, _boxes(ax, child_name, child, left, depth + 1))
            left += len(_drawn(child))
    return deepest


def draw_bars(table: pd.DataFrame, title: str, unit: str) -> Drawing:
    """Grouped bars: a group per row of ``table``, a bar per column (at most 3)."""
    fig, ax = figure(3.8)
    colours = [COLOURS[kind] for kind in ("1x1", "3x3", "trunk")]
    table.plot.bar(ax=ax, rot=0, width=0.8, color=colours)
    for bars, hatch in zip(ax.containers, ["", "///", "..."], strict=False):
        setp(bars, hatch=hatch)
    ax.set_ylabel(unit)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_title(title)
    labels = [f"{column}: {values.sum():,.0f}" for column, values in table.items()]
    ax.legend(labels, title="in all")
    told = "; ".join(
        f"{column} from {values.min():,.0f} to {values.max():,.0f}, "
        f"{values.sum():,.0f} in all"
        for column, values in table.items()
    )
    return Drawing(
        fig, f"Bars for {', '.join(map(str, table.index))}, in {unit}: {told}."
    )
