"""08 · Looking inside: maps, receptive fields, heat maps, and their checks."""

from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
import seaborn
import torch
from ipywidgets import VBox
from matplotlib.artist import setp
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...analysis.receptive_field import ReceptiveField
from ...model import GOOGLENET_WIDTHS
from .. import heatmap
from ..drawing import (
    BRANCHES,
    COLOURS,
    DASHES,
    MARKERS,
    Drawing,
    credit,
    figure,
    fixed_layout,
    frame,
    full_contrast,
    series,
    show_image,
)
from ..explorer import Choice, Slider, check_lengths, explorer

BRANCH_DASHES = dict(zip([*BRANCHES, "trunk"], [*DASHES, "-"], strict=True))
# Row and column of a place, as parts of the map's side.
PLACES = {"corner": (0.0, 0.0), "off centre": (0.5, 0.25), "middle": (0.5, 0.5)}
ORDERS = ["trained network's map", "shuffled network's map", "random squares"]
HATCHES = ["", "//", "..", "xx"]
HEADS = {"output": "trunk", "head 2": "auxiliary", "head 1": "3x3"}


def square(
    field: ReceptiveField, x: float, y: float, branch: str, turn: int | None = None
) -> Rectangle:
    """The outline of what a place sees whose middle is the pixel (x, y). Of two that
    coincide, the dashes of one (``turn`` 0) lie in the gaps of the other (1).
    """
    side = field.largest
    dash: Any = BRANCH_DASHES[branch] if turn is None else (5 * turn, (5, 5))
    return Rectangle(
        (x - side / 2, y - side / 2),
        side,
        side,
        fill=False,
        ec=COLOURS[branch],
        ls=dash,
        lw=2,
        path_effects=[withStroke(linewidth=4, foreground="white", alpha=0.7)],
    )


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
    fig, axes = figure(3.3, rows=2, columns=5)
    fixed_layout(fig, left=0.01, right=0.99, bottom=0.06, top=0.85, hspace=0.3)
    for ax in axes[:, 0]:
        ax.remove()
    show_image(fig.add_axes((0.01, 0.2, 0.19, 0.55)), image)
    shown = shown_channels(maps, stage)
    for ax, (branch, channel, one) in zip(axes[:, 1:].T.flat, shown, strict=True):
        show_image(ax, one, f"{branch} {channel}", cmap="cividis", vmin=0)
        frame(ax, branch)
    channels, height, width = maps.shape
    fig.suptitle(f"{title}; {stage}: {channels} maps of {height}×{width}")
    credit(fig)
    dead = int((maps.flatten(1).amax(1) <= 0).sum())
    numbers = ", ".join(f"{branch} {channel}" for branch, channel, _ in shown)
    return Drawing(
        fig,
        f"{title}, and eight of the {channels} maps of {height}×{width} places that "
        f"{stage} makes of it: {numbers}. {dead} of the maps are zero everywhere.",
    )


def browse_features(
    images: Tensor, maps: dict[str, Tensor], titles: Sequence[str]
) -> VBox:
    """Walk through the stages: ``maps`` by stage, N×C×H×W, of N×C×S×S images (uint8).

    Raises ValueError without images or if the lengths differ.
    """
    check_lengths(images, titles, *maps.values())
    stages = list(maps)

    def draw(image: str, stage: int) -> Drawing:
        i, name = titles.index(image), stages[stage - 1]
        return draw_features(images[i], maps[name][i], name, image)

    unit = f"of {len(stages)}, {stages[0]} first"
    return explorer(
        draw,
        image=Choice("image", titles),
        stage=Slider("stage", 1, 1, len(stages), unit),
    )


def draw_receptive_fields(
    image: Tensor,
    fields: dict[str, ReceptiveField],
    first: float,
    stage: str,
    place: str,
) -> Drawing:
    """What a place of a stage sees, a square per branch, and the squares' sides.

    ``image`` is C×S×S (uint8), at the size that the network reads; ``first`` the pixel
    in the middle of the first place's square; ``place`` one of "corner", "off centre",
    "middle".
    """
    side = image.shape[-1]
    jump = next(iter(fields.values())).jump
    count = max(1, int((side - 1 - first) // jump) + 1)
    row, column = (int(part * count) for part in PLACES[place])
    y, x = first + row * jump, first + column * jump
    widest = max(field.largest for field in fields.values())
    fig, (left, right) = figure(3.2, columns=2, width_ratios=[2, 3])
    fixed_layout(fig, left=0.02, right=0.97, bottom=0.17, top=0.9, wspace=0.35)
    show_image(left, image)
    for branch, field in fields.items():
        same = [b for b, other in fields.items() if other.largest == field.largest]
        turn = same.index(branch) if len(same) == 2 else None
        left.add_patch(square(field, x, y, branch, turn))
    left.plot([x], [y], "+", color=COLOURS["auxiliary"], ms=10, mew=2)
    # So far out that the whole image is in it and all the squares are.
    edge = 0.05 * max(side, widest)
    left.set_xlim(min(0, x - widest / 2) - edge, max(side, x + widest / 2) + edge)
    left.set_ylim(max(side, y + widest / 2) + edge, min(0, y - widest / 2) - edge)
    where = f"row {row + 1}, column {column + 1} of {count}"
    left.set_title(f"{stage}, {where}")
    told = []
    for i, (branch, field) in enumerate(fields.items()):
        low, high = field.smallest, field.largest
        right.barh(i, max(high - low, side / 100), 0.5, low, color=COLOURS[branch])
        sides = f"{low} to {high}" if low < high else f"{high}"
        right.text(high, i, f"  {sides}", va="center")
        told.append(f"{branch} {sides}")
    right.axvline(side, color=COLOURS["trunk"], ls="--")
    right.text(side, -0.75, f" image {side}")
    right.set_yticks(range(len(fields)), list(fields))
    right.set_ylim(3.6, -1)
    right.set_xlim(0, 1.35 * max(side, widest))
    right.set_xlabel("side of the square (pixels), smallest to largest path")
    right.set_title(f"a step of one place is {jump} pixels")
    return Drawing(
        fig,
        f"What the {place} place of {stage} ({where}) sees in an image of {side} "
        f"pixels, side of the square in pixels: {', '.join(told)}. Places are {jump} "
        "pixels apart.",
    )


def browse_receptive_fields(
    image: Tensor,
    fields: dict[str, dict[str, ReceptiveField]],
    firsts: dict[str, float],
) -> VBox:
    """Walk through the stages of ``analysis.receptive_field.receptive_fields``."""
    stages = list(fields)

    def draw(stage: int, place: str) -> Drawing:
        name = stages[stage - 1]
        return draw_receptive_fields(image, fields[name], firsts[name], name, place)

    return explorer(
        draw,
        stage=Slider("stage", min(4, len(stages)), 1, len(stages), f"of {len(stages)}"),
        place=Choice("place", PLACES, value="middle"),
    )


def draw_attribution(
    image: Tensor, heat: Tensor, curves: dict[str, Tensor], title: str, method: str
) -> Drawing:
    """An image (C×S×S uint8), a heat map (h×w) over it, and the check beside it.

    ``curves`` are the trained network's scores while the image is taken away, by the
    order in which it is: some of ``ORDERS``, the one of the map that is shown first.
    The lower it lies, the truer the map.
    """
    fig, (left, middle, right) = figure(2.9, columns=3, width_ratios=[3, 3, 4])
    fixed_layout(fig, left=0.01, right=0.98, bottom=0.17, top=0.85, wspace=0.16)
    show_image(left, image, **full_contrast(image))
    heatmap.overlay(middle, image, heat)
    heatmap.legend(middle, bool(heat.min() < 0))
    middle.set_title(f"{method}, {heat.shape[0]}×{heat.shape[1]}", fontsize=9)
    told: list[str] = []
    for order, scores in curves.items():
        away = torch.linspace(0, 100, len(scores))
        label, width = (order, 1.5) if told else (f"{order} (shown)", 3)
        right.plot(away, scores, label=label, lw=width, **series(ORDERS.index(order)))
        told.append(f"{order} {scores.mean():.1f}")
    right.set_xlabel("taken away (% of the image)")
    right.set_title("trained network's score while it is taken away", fontsize=9)
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.45 * (high - low))  # room for the legend
    right.legend(fontsize=8, loc="upper right")
    fig.suptitle(title)
    credit(fig)
    return Drawing(
        fig,
        f"{title}; {method}, highest at {heatmap.highest_place(heat)}. Mean score of "
        "the trained network while the image is taken away, the lower the better the "
        f"order, that of the shown map first: {', '.join(told)}.",
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
    methods = list(next(iter(maps.values()), {}))
    check_lengths(images, titles, *(own[m] for own in maps.values() for m in methods))

    def draw(method: str, network: str, cell: int) -> Drawing:
        i = cell - 1
        own = f"{network} network's map"
        orders = [own, *(name for name in ORDERS if name != own)]
        scores = {name: curves[method][name][i] for name in orders}
        title = f"{titles[i]} ({network} network)"
        return draw_attribution(
            images[i], maps[network][method][i], scores, title, method
        )

    return explorer(
        draw,
        method=Choice("method", methods),
        network=Choice("network", maps),
        cell=Slider("cell", 1, 1, len(images), f"of {len(images)}"),
    )


def draw_filters(sets: dict[str, Tensor]) -> Drawing:
    """Mosaics of first-layer filters, N×3×k×k each, the colours added up.

    On grey images only that sum counts. Every filter has a grey scale of its own.
    """
    from torchvision.utils import make_grid  # takes a second or two

    fig, axes = figure(4.2, columns=len(sets), squeeze=False)
    cast(ConstrainedLayoutEngine, fig.get_layout_engine()).set(wspace=0.06)
    told = []
    for ax, (name, weights) in zip(axes[0], sets.items(), strict=True):
        grey = weights.detach().sum(1)
        grey = grey / grey.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
        n, k, _ = grey.shape
        mosaic = make_grid(grey[:, None], round(n**0.5), padding=1, pad_value=1)
        show_image(ax, mosaic[0, 1:-1, 1:-1], name, vmin=-1, vmax=1)
        told.append(f"{name}, {n} of {k}×{k}")
    return Drawing(fig, f"Mosaics of the first layer's filters: {'; '.join(told)}.")


def smoothness(weights: Tensor) -> Tensor:
    """Correlation of each filter (N×3×k×k, colours added up) with itself a pixel
    further: N numbers. Noise has about 0 or less, a smooth pattern nearly 1.
    """
    grey = weights.detach().sum(1)
    found = []
    for one, next in ((grey[:, :, 1:], grey[:, :, :-1]), (grey[:, 1:], grey[:, :-1])):
        pairs = torch.stack([one.flatten(1), next.flatten(1)], dim=1)
        found.append(torch.stack([pair.corrcoef()[0, 1] for pair in pairs]))
    return torch.stack(found).mean(0)


def draw_reach(
    reaches: dict[str, Tensor], fields: dict[str, ReceptiveField], centre: float
) -> Drawing:
    """For each branch how much each pixel moves a place in the middle (S×S), in the
    square that the closed form allows.
    """
    fig, axes = figure(2.5, columns=len(reaches), squeeze=False)
    told = []
    for ax, (branch, moved) in zip(axes[0], reaches.items(), strict=True):
        field, side = fields[branch], len(moved)
        inside = share_inside(moved, centre, field.largest / 2)
        fact = f"{branch}: {field.largest} pixels, {inside:.0%} within half of that"
        show_image(ax, moved.sqrt(), fact.replace(", ", ",\n"), cmap="cividis")
        ax.add_patch(square(field, centre, centre, branch))
        # A square may begin before the image or end after it.
        ends = [(centre + part * field.largest / 2) for part in (-1, 1)]
        ends = [min(0, ends[0]) - side / 20, max(side, ends[1]) + side / 20]
        ax.set(xlim=ends, ylim=ends[::-1])
        told.append(fact)
    return Drawing(
        fig,
        "What can move a place in the middle, branch by branch: a bright spot, fading "
        f"towards the edges of its square. Side of the square: {'; '.join(told)}.",
    )


def share_inside(moved: Tensor, centre: float, side: float) -> float:
    """The part of an S×S map that lies within the square of this side."""
    at = (torch.arange(moved.shape[-1]) - centre).abs() <= side / 2
    total = moved.sum().clamp_min(1e-30)
    return (moved[at][:, at].sum() / total).item()


def grid(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row per module, a column per branch."""
    return table.pivot(index="module", columns="branch", values=column)[[*BRANCHES]]


def draw_ablations(tables: dict[str, pd.DataFrame]) -> Drawing:
    """Heat maps, modules × branches, of how much the loss rises without each branch.

    One panel per table of ``analysis.ablation.ablation``. A star marks what is more
    than two standard errors from zero.
    """
    fig, axes = figure(4.4, columns=len(tables), squeeze=False, sharey=True)
    highest = max(table["loss"].max() for table in tables.values())
    told = []
    for ax, (name, table) in zip(axes[0], tables.items(), strict=True):
        star = table["loss"].abs() > 2 * table["error"]
        text = table["loss"].map("{:.3f}".format) + star.map({True: "*", False: ""})
        look = {"cmap": "Blues", "vmin": 0, "vmax": max(highest, 1e-6), "cbar": False}
        labels = grid(table.assign(text=text), "text")
        seaborn.heatmap(grid(table, "loss"), ax=ax, annot=labels, fmt="", **look)
        ax.set(title=name, xlabel="branch", ylabel="")
        ax.tick_params(length=0)
        worst = table.loc[table["loss"].idxmax()]
        told.append(
            f"{name}: most is lost without {worst.branch} of {worst.module}, "
            f"{worst.loss:+.3f}, and {int((~star).sum())} of {len(table)} branches "
            "are within two standard errors of nothing"
        )
    axes[0, 0].set_ylabel("module")
    fig.suptitle(
        "rise of the loss (nats) without a branch; * beyond two standard errors"
    )
    return Drawing(fig, f"Heat maps of modules by branches: {'; '.join(told)}.")


def draw_shares(table: pd.DataFrame, lost: pd.DataFrame) -> Drawing:
    """Per module, the four branches' shares of channels, energy, gradient and loss.

    ``table`` is ``analysis.ablation.branch_shares``'s, ``lost`` ``ablation``'s; a
    negative rise of the loss counts as nothing.
    """
    loss = lost.assign(loss=lost["loss"].clip(lower=0))
    whole = loss.groupby("module")["loss"].transform("sum")
    both = table.merge(loss[["module", "branch", "loss"]], on=["module", "branch"])
    both["loss"] /= whole.where(whole > 0, 1).values
    fig, axes = figure(4.2, columns=4, sharey=True)
    told = []
    for ax, share in zip(axes, ("channels", "energy", "gradient", "loss"), strict=True):
        shares = grid(both, share)
        shares.plot.barh(stacked=True, ax=ax, width=0.8, color=COLOURS, legend=False)
        for bars, hatch in zip(ax.containers, HATCHES, strict=True):
            setp(bars, hatch=hatch)
        what = {"loss": "loss without it"}.get(share, share)
        ax.set_title(f"share of the\n{what}")
        ax.set(xlim=(0, 1), xticks=[0, 0.5, 1], ylabel="module")
        last = shares.iloc[-1]
        parts = ", ".join(f"{branch} {last[branch]:.0%}" for branch in BRANCHES)
        told.append(f"{share}: {parts}")
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    name = both["module"].iloc[-1]
    return Drawing(
        fig, f"Stacked bars, a row per module. In {name}: {'; '.join(told)}."
    )


def draw_heat_maps(image: Tensor, maps: dict[str, Tensor], title: str) -> Drawing:
    """An image (C×S×S uint8) alone, and under each of some heat maps (h×w)."""
    fig, (left, *axes) = figure(2.9, columns=1 + len(maps))
    show_image(left, image, title.replace(": ", ":\n"), **full_contrast(image))
    for ax, (method, heat) in zip(axes, maps.items(), strict=True):
        heatmap.overlay(ax, image, heat)
        ax.set_title(method, fontsize=9)
        heatmap.legend(ax, bool(heat.min() < 0))
    credit(fig)
    told = (
        f"{method}, highest at {heatmap.highest_place(h)}" for method, h in maps.items()
    )
    return Drawing(fig, f"{title}, and over it a heat map each: {'; '.join(told)}.")


def draw_networks(
    image: Tensor, maps: dict[str, dict[str, Tensor]], similar: dict[str, float]
) -> Drawing:
    """One image's heat maps: a row per network, a column per method.

    ``similar`` is for each method the mean rank correlation of the two networks' maps.
    """
    methods = list(next(iter(maps.values())))
    fig, axes = figure(4.0, rows=len(maps), columns=len(methods), squeeze=False)
    for row, (network, found) in zip(axes, maps.items(), strict=True):
        for ax, method in zip(row, methods, strict=True):
            heatmap.overlay(ax, image, found[method])
            if ax in axes[0]:
                ax.set_title(method.replace(", ", ",\n"), fontsize=9)
            else:
                ax.set_xlabel(f"correlation {similar[method]:+.2f}")
        row[0].set_ylabel(network)
    colours = ScalarMappable(Normalize(-1, 1), heatmap.EVIDENCE)
    bar = fig.colorbar(colours, ax=axes, ticks=[-1, 0, 1], aspect=40)
    bar.ax.set_yticklabels(["against", "0", "for"])
    bar.ax.tick_params(length=0)
    credit(fig)
    told = ", ".join(f"{method} {similar[method]:+.2f}" for method in methods)
    return Drawing(
        fig,
        f"A cell's heat maps by {len(methods)} methods, a row for each of "
        f"{' and '.join(maps)}. Rank correlation of the two rows, over all cells: "
        f"{told}.",
    )


def draw_deletions(curves: dict[str, dict[str, Tensor]]) -> Drawing:
    """A panel per method, a line per order in which squares were taken away.

    ``curves`` are {method: {order: N×(steps + 1) scores}}: means over the images.
    """
    fig, axes = figure(3.0, columns=len(curves), sharey=True, squeeze=False)
    told = []
    for ax, (method, orders) in zip(axes[0], curves.items(), strict=True):
        for i, (order, scores) in enumerate(orders.items()):
            away = torch.linspace(0, 100, scores.shape[1])
            ax.plot(away, scores.mean(0), label=order, **series(i))
        ax.set_title(method.replace(", ", ",\n"), fontsize=9)
        ax.set_xticks([0, 50, 100])
        first, *others = (scores.mean().item() for scores in orders.values())
        told.append(
            f"{method}: mean {first:.2f} against "
            + ", ".join(f"{value:.2f}" for value in others)
        )
    axes[0, 0].set_ylabel("score")
    fig.supxlabel("taken away, in percent of the image", fontsize=9)
    handles, names = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside upper center", ncols=4)
    return Drawing(
        fig,
        f"The score while squares are taken away, in the order of {names[0]} against "
        f"{', '.join(names[1:])}. {'; '.join(told)}.",
    )


def ahead(curves: dict[str, dict[str, Tensor]]) -> pd.DataFrame:
    """By how much the score is lower than with each opponent's order, a row per method.

    ``curves`` as in ``deletions``, the method's own order first. The mean over the
    curve, then over the images ± its standard error.
    """
    rows: dict[str, dict[str, str]] = {}
    for method, (own, *others) in ((m, list(c.items())) for m, c in curves.items()):
        rows[method] = {}
        for opponent, scores in others:
            gain = (scores - own[1]).mean(1)
            error = gain.std() / len(gain) ** 0.5
            rows[method][opponent] = f"{gain.mean():+.2f} ± {error:.2f}"
    return pd.DataFrame(rows).T


def draw_cascade(similar: pd.DataFrame) -> Drawing:
    """A line per column: how alike the maps remain as more stages are shuffled.

    A row per step, its name the stage that was shuffled last.
    """
    fig, ax = figure(3.2)
    told = []
    for i, (method, values) in enumerate(similar.items()):
        ax.plot(values, label=method, **series(i))
        told.append(f"{method} ends at {values.iloc[-1]:+.2f}")
    ax.axhline(0, color=COLOURS["light"], lw=1)
    ax.set_xlabel("shuffled from the top down to this stage")
    ax.set_ylabel("rank correlation with\nthe intact network's map")
    fig.legend(loc="outside upper center", ncols=4)
    return Drawing(
        fig,
        f"How alike heat maps stay while weights are shuffled: {', '.join(told)}.",
    )


def draw_heads(history: pd.DataFrame) -> Drawing:
    """Validation accuracy and ROC AUC of the three outputs, epoch by epoch.

    The columns are output, epoch, accuracy, roc_auc.
    """
    fig, axes = figure(3.2, columns=2)
    told = []
    for ax, score in zip(axes, ("accuracy", "roc_auc"), strict=True):
        for i, (name, colour) in enumerate(HEADS.items()):
            own = history[history["output"] == name].groupby("epoch")[score].mean()
            look = {"ls": DASHES[i], "marker": MARKERS[i], "color": COLOURS[colour]}
            ax.plot(own, label=name, **look)
            told.append(f"{name} {score} {own.iloc[-1]:.3f}")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title({"roc_auc": "ROC AUC"}.get(score, score))
    axes[0].legend(loc="lower right")
    return Drawing(
        fig, f"Validation scores over the epochs. At the end: {', '.join(told)}."
    )


def titles(
    names: Sequence[str], labels: Tensor, said: Tensor, classes: Sequence[str]
) -> list[str]:
    """By image, its name, what it is and what the network called it."""
    return [
        f"{name}: {classes[truth]}, called {classes[call]}"
        for name, truth, call in zip(names, labels.tolist(), said.tolist(), strict=True)
    ]
