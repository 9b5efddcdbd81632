"""Walks through a network: its maps, what they see, and what it looked at."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import IntSlider, ToggleButtons, VBox
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from ...analysis.receptive_field import BRANCHES, View
from ...model import GOOGLENET_WIDTHS
from .. import style
from .explorer import Drawing, explorer
from .pooling import highest_place

DASHES = dict(zip([*BRANCHES, "trunk"], [*style.DASHES, "-"], strict=True))
# Row and column of a place, as parts of the map's side.
PLACES = {"corner": (0.0, 0.0), "off centre": (0.5, 0.25), "middle": (0.5, 0.5)}
ORDERS = {
    "trained network's map": "1x1",
    "shuffled network's map": "3x3",
    "random squares": "5x5",
}


def pixels(image: Tensor) -> np.ndarray:
    """A C×H×W image as what ``style.picture`` shows: H×W if it is grey, else H×W×C."""
    return (image[0] if len(image) == 1 else image.permute(1, 2, 0)).numpy()


def square(view: View, x: float, y: float, branch: str) -> Rectangle:
    """The outline of what a place sees whose middle is the pixel (x, y)."""
    side = view.largest
    return Rectangle(
        (x - side / 2, y - side / 2),
        side,
        side,
        fill=False,
        ec=style.COLOURS[branch],
        ls=DASHES[branch],
        lw=2,
        path_effects=[withStroke(linewidth=4, foreground="white", alpha=0.7)],
    )


def overlay(ax: Axes, image: Tensor, heat: Tensor) -> None:
    """A heat map (h×w) over its image (C×S×S uint8): orange for, purple against.

    What says nothing is clear; at full colour one place in a hundred is beyond the
    scale.
    """
    # In light greys: on black no colour can be told from another.
    light = (image.float() / 2 + 127).byte()
    style.picture(ax, pixels(light), vmin=0, vmax=255)
    size = image.shape[-2:]
    large = F.interpolate(heat[None, None].float(), size, mode="bilinear")[0, 0]
    scale = max(torch.quantile(heat.abs().flatten()[:1_000_000], 0.99).item(), 1e-12)
    ax.imshow(large.numpy() / scale, cmap=style.EVIDENCE, vmin=-1, vmax=1)


def evidence_bar(bar: Axes, signed: bool = True) -> None:
    """On the axes ``bar``: what the colours of ``overlay`` say."""
    ramp = np.linspace(-1 if signed else 0, 1, 101)[None]
    bar.imshow(ramp, cmap=style.EVIDENCE, vmin=-1, vmax=1, aspect="auto")
    bar.images[0].set_extent((ramp[0, 0], 1, 0, 1))
    ends = {-1: "against", 0: "0", 1: "for"} if signed else {0: "little", 1: "much"}
    bar.set_xticks(list(ends), list(ends.values()))
    bar.set_yticks([])
    bar.tick_params(length=0, labelsize=8, pad=1)


def shown_channels(maps: Tensor, stage: str, count: int = 8) -> list:
    """(branch, channel, its map) of ``count`` channels of a stage's C×H×W maps, evenly
    from its branches: those that vary most.
    """
    widths = {"trunk": len(maps)}
    if stage in GOOGLENET_WIDTHS:
        w = GOOGLENET_WIDTHS[stage]
        ends = (w.ch1x1, w.ch3x3, w.ch5x5, w.pool_proj)
        widths = dict(zip(BRANCHES, ends, strict=True))
    shown, start = [], 0
    for branch, width in widths.items():
        own = maps[start : start + width].float()
        spread = own.flatten(1).std(1, correction=0)
        best = spread.topk(min(width, count // len(widths))).indices.tolist()
        shown += [(branch, start + i, own[i]) for i in best]
        start += width
    return shown


def draw_features(image: Tensor, maps: Tensor, stage: str, title: str) -> Drawing:
    """An image (C×S×S uint8) and eight of a stage's maps (C×H×W), two per branch."""
    fig, axes = style.figure(3.3, rows=2, columns=5)
    style.fixed_layout(fig, left=0.01, right=0.99, bottom=0.06, top=0.85, hspace=0.3)
    for ax in axes[:, 0]:
        ax.set_axis_off()
    whole = fig.add_axes((0.01, 0.2, 0.19, 0.55))
    style.picture(whole, pixels(image), vmin=0, vmax=255)
    shown = shown_channels(maps, stage)
    for ax in axes[:, 1:].flat:
        ax.set_axis_off()
    for ax, (branch, channel, one) in zip(axes[:, 1:].T.flat, shown, strict=False):
        ax.set_axis_on()
        style.picture(ax, one.numpy(), f"{branch} {channel}", cmap="cividis", vmin=0)
        ax.spines[:].set(visible=True, color=style.COLOURS[branch], linewidth=2)
    channels, height, width = maps.shape
    fig.suptitle(f"{title}; {stage}: {channels} maps of {height}×{width}", fontsize=10)
    fig.text(0.01, 0.01, style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    dead = int((maps.flatten(1).amax(1) <= 0).sum())
    numbers = ", ".join(f"{branch} {channel}" for branch, channel, _ in shown)
    return fig, (
        f"{title}, and eight of the {channels} maps of {height}×{width} places that "
        f"{stage} makes of it: {numbers}. {dead} of the maps are zero everywhere."
    )


def browse_features(
    images: Tensor,
    maps: dict[str, Tensor],
    titles: Sequence[str],
) -> VBox:
    """Walk through the stages: ``maps`` by stage, N×C×H×W, of N×C×S×S images (uint8).

    Raises ValueError without images or if the lengths differ.
    """
    check_lengths(images, titles, *maps.values())
    stages = list(maps)

    def draw(image: str, stage: int) -> Drawing:
        i, name = titles.index(image), stages[stage - 1]
        return draw_features(images[i], maps[name][i], name, image)

    controls = {
        "image": ToggleButtons(options=list(titles), description="image"),
        "stage": IntSlider(1, 1, len(stages), description="stage"),
    }
    controls["image"].style.button_width = "auto"
    return explorer(draw, controls, {"stage": f"of {len(stages)}, {stages[0]} first"})


def draw_views(
    image: Tensor, views: dict[str, View], first: float, stage: str, place: str
) -> Drawing:
    """What a place of a stage sees, a square per branch, and the squares' sides.

    ``image`` is C×S×S (uint8), at the size that the network reads; ``first`` the pixel
    in the middle of the first place's square; ``place`` one of "corner", "off centre",
    "middle". Raises ValueError on another.
    """
    if place not in PLACES:
        raise ValueError(f"place must be one of {', '.join(PLACES)}, got {place!r}")
    side = image.shape[-1]
    jump = next(iter(views.values())).jump
    count = max(1, int((side - 1 - first) // jump) + 1)
    row, column = (int(part * count) for part in PLACES[place])
    y, x = first + row * jump, first + column * jump
    widest = max(view.largest for view in views.values())
    fig, (left, right) = style.figure(3.2, columns=2, width_ratios=[2, 3])
    style.fixed_layout(fig, left=0.02, right=0.97, bottom=0.17, top=0.9, wspace=0.35)
    style.picture(left, pixels(image), vmin=0, vmax=255)
    for branch, view in views.items():
        left.add_patch(square(view, x, y, branch))
    left.plot([x], [y], "+", color=style.COLOURS["auxiliary"], ms=10, mew=2)
    # So far out that the whole image is in it and all the squares are.
    edge = 0.05 * max(side, widest)
    left.set_xlim(min(0, x - widest / 2) - edge, max(side, x + widest / 2) + edge)
    left.set_ylim(max(side, y + widest / 2) + edge, min(0, y - widest / 2) - edge)
    where = f"row {row + 1}, column {column + 1} of {count}"
    left.set_title(f"{stage}, {where}", fontsize=10)
    told = []
    for i, (branch, view) in enumerate(views.items()):
        look = {"color": style.COLOURS[branch], "height": 0.5}
        width = max(view.largest - view.smallest, side / 100)
        right.barh(i, width, left=view.smallest, **look)
        sides = f"{view.smallest} to {view.largest}"
        if view.smallest == view.largest:
            sides = f"{view.largest}"
        right.text(view.largest, i, f"  {sides}", va="center", fontsize=9)
        told.append(f"{branch} {sides}")
    right.axvline(side, color=style.COLOURS["trunk"], ls="--")
    right.text(side, -0.75, f" image {side}", fontsize=9)
    right.set_yticks(range(len(views)), list(views))
    right.set_ylim(3.6, -1)
    right.set_xlim(0, 1.35 * max(side, widest))
    right.set_xlabel("side of the square (pixels), smallest to largest path")
    right.set_title(f"a step of one place is {jump} pixels", fontsize=10)
    return fig, (
        f"What the {place} place of {stage} ({where}) sees in an image of {side} "
        f"pixels, side of the square in pixels: {', '.join(told)}. Places are {jump} "
        "pixels apart."
    )


def browse_views(
    image: Tensor, views: dict[str, dict[str, View]], firsts: dict[str, float]
) -> VBox:
    """Walk through the stages of ``analysis.receptive_field.stage_views``."""
    stages = list(views)

    def draw(stage: int, place: str) -> Drawing:
        name = stages[stage - 1]
        return draw_views(image, views[name], firsts[name], name, place)

    controls = {
        "stage": IntSlider(min(4, len(stages)), 1, len(stages), description="stage"),
        "place": ToggleButtons(
            options=list(PLACES), value="middle", description="place"
        ),
    }
    return explorer(draw, controls, {"stage": f"of {len(stages)}"})


def draw_attribution(
    image: Tensor, heat: Tensor, curves: dict[str, Tensor], title: str, method: str
) -> Drawing:
    """An image (C×S×S uint8), a heat map (h×w) over it, and the check beside it.

    ``curves`` are the trained network's scores while the image is taken away, by the
    order in which it is: some of ``ORDERS``, the one of the map that is shown first.
    The lower it lies, the truer the map.
    """
    fig, (left, middle, right) = style.figure(2.9, columns=3, width_ratios=[3, 3, 4])
    style.fixed_layout(fig, left=0.01, right=0.98, bottom=0.17, top=0.85, wspace=0.16)
    style.picture(left, pixels(image), vmin=0, vmax=255)
    overlay(middle, image, heat)
    evidence_bar(middle.inset_axes((0.15, -0.1, 0.7, 0.05)), bool(heat.min() < 0))
    middle.set_title(f"{method}, {heat.shape[0]}×{heat.shape[1]}", fontsize=9)
    told: list[str] = []
    for order, scores in curves.items():
        away = torch.linspace(0, 100, len(scores))
        i = list(ORDERS).index(order)
        look = {"ls": style.DASHES[i], "marker": style.MARKERS[i], "ms": 4}
        look |= {"color": style.COLOURS[ORDERS[order]], "lw": 1.5 if told else 3}
        right.plot(away, scores, label=order if told else f"{order} (shown)", **look)
        told.append(f"{order} {scores.mean():.1f}")
    right.set_xlabel("taken away (% of the image)", fontsize=9)
    right.set_title("trained network's score while it is taken away", fontsize=9)
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.45 * (high - low))  # room for the legend
    right.legend(fontsize=8, frameon=False, loc="upper right")
    fig.suptitle(title, fontsize=10)
    fig.text(0.01, 0.02, style.CREDIT, fontsize=6, color=style.COLOURS["trunk"])
    return fig, (
        f"{title}; {method}, highest at {highest_place(heat)}. Mean score of the "
        "trained network while the image is taken away, the lower the better the "
        f"order, that of the shown map first: {', '.join(told)}."
    )


def browse_attributions(
    images: Tensor,
    maps: dict[str, dict[str, Tensor]],
    curves: dict[str, dict[str, Tensor]],
    titles: Sequence[str],
) -> VBox:
    """Walk through N images (uint8), methods and networks.

    ``maps``: {network: {method: N×h×w}}; ``curves``: {method: {order: N×(steps + 1)}},
    with the order of each network's map ("trained network's map", …). Raises ValueError
    without images or if the lengths differ.
    """
    check_lengths(
        images, titles, *(heat for found in maps.values() for heat in found.values())
    )

    def draw(method: str, network: str, cell: int) -> Drawing:
        i = cell - 1
        own = f"{network} network's map"
        orders = [own, *(name for name in ORDERS if name != own)]
        scores = {name: curves[method][name][i] for name in orders}
        told = f"{titles[i]} ({network} network)"
        heat = maps[network][method][i]
        return draw_attribution(images[i], heat, scores, told, method)

    methods = list(next(iter(maps.values())))
    controls = {
        "method": ToggleButtons(options=methods, description="method"),
        "network": ToggleButtons(options=list(maps), description="network"),
        "cell": IntSlider(1, 1, len(images), description="cell"),
    }
    controls["method"].style.button_width = "auto"
    return explorer(draw, controls, {"cell": f"of {len(images)}"})


def check_lengths(images: Tensor, titles: Sequence[str], *others: Tensor) -> None:
    """Raise a ValueError unless there is one of each for every image, at least one."""
    counts = {len(images), len(titles), *map(len, others)}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            f"got {len(images)} images, {len(titles)} titles and "
            f"{sorted(set(map(len, others)))} maps: as many of each, at least one"
        )
