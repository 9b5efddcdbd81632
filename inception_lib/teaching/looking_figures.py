"""Figures of 08 · Looking inside. Each returns the figure and its alt text."""

from collections.abc import Sequence
from typing import cast

import pandas as pd
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from seaborn import heatmap
from torch import Tensor

from ..analysis.receptive_field import BRANCHES, View
from . import style
from .sliders.looking import evidence_bar, overlay, pixels, square
from .sliders.pooling import highest_place

SERIES = ["1x1", "3x3", "5x5", "pool"]  # colours told apart by everybody
HATCHES = ["", "//", "..", "xx"]
HEADS = {"output": "trunk", "head 2": "auxiliary", "head 1": "3x3"}


def filters(sets: dict[str, Tensor]) -> tuple[Figure, str]:
    """Mosaics of first-layer filters, N×3×k×k each, the colours added up.

    On grey images only that sum counts. Every filter has a grey scale of its own.
    """
    fig, axes = style.figure(4.2, columns=len(sets), squeeze=False)
    cast(ConstrainedLayoutEngine, fig.get_layout_engine()).set(wspace=0.06)
    told = []
    for ax, (name, weights) in zip(axes[0], sets.items(), strict=True):
        grey = weights.detach().sum(1)
        grey = grey / grey.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
        n, k, _ = grey.shape
        columns = max(1, round(n**0.5))
        rows = -(-n // columns)
        mosaic = torch.ones(rows * (k + 1), columns * (k + 1))
        for i, one in enumerate(grey):
            top, left = i // columns * (k + 1), i % columns * (k + 1)
            mosaic[top : top + k, left : left + k] = one
        style.picture(ax, mosaic[:-1, :-1].numpy(), name, vmin=-1, vmax=1)
        told.append(f"{name}, {n} of {k}×{k}")
    return fig, f"Mosaics of the first layer's filters: {'; '.join(told)}."


def smoothness(weights: Tensor) -> Tensor:
    """Correlation of each filter (N×3×k×k, colours added up) with itself a pixel
    further: N numbers. Noise has about 0 or less, a smooth pattern nearly 1.
    """
    grey = weights.detach().sum(1)
    pairs = [(grey[:, :, 1:], grey[:, :, :-1]), (grey[:, 1:], grey[:, :-1])]
    found = []
    for one, next in pairs:
        stacked = torch.stack([one.flatten(1), next.flatten(1)], dim=1)
        found.append(torch.stack([pair.corrcoef()[0, 1] for pair in stacked]))
    return torch.stack(found).mean(0)


def reach(
    reaches: dict[str, Tensor], views: dict[str, View], centre: float
) -> tuple[Figure, str]:
    """For each branch how much each pixel moves a place in the middle (S×S), in the
    square that the closed form allows.
    """
    fig, axes = style.figure(2.5, columns=len(reaches), squeeze=False)
    told = []
    for ax, (branch, moved) in zip(axes[0], reaches.items(), strict=True):
        view, side = views[branch], len(moved)
        inside = share_inside(moved, centre, view.largest / 2)
        title = f"{branch}: {view.largest} pixels,\n{inside:.0%} within half of that"
        style.picture(ax, moved.sqrt().numpy(), title, cmap="cividis")
        ax.add_patch(square(view, centre, centre, branch))
        # A square may begin before the image or end behind it.
        ends = [(centre + part * view.largest / 2) for part in (-1, 1)]
        ends = [min(0, ends[0]) - side / 20, max(side, ends[1]) + side / 20]
        ax.set(xlim=ends, ylim=ends[::-1])
        told.append(
            f"{branch}: {view.largest} pixels, {inside:.0%} within half of that"
        )
    return fig, (
        "What can move a place in the middle, branch by branch: a bright spot, fading "
        f"towards the edges of its square. Side of the square: {'; '.join(told)}."
    )


def share_inside(moved: Tensor, centre: float, side: float) -> float:
    """The part of an S×S map that lies within the square of this side."""
    at = (torch.arange(moved.shape[-1]) - centre).abs() <= side / 2
    total = moved.sum().clamp_min(1e-30)
    return (moved[at][:, at].sum() / total).item()


def ablations(tables: dict[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Heat maps, modules × branches, of how much the loss rises without each branch.

    One panel per table of ``analysis.ablation.ablation``. A star marks what is more
    than two standard errors from zero.
    """
    fig, axes = style.figure(4.4, columns=len(tables), squeeze=False, sharey=True)
    highest = max(table["loss"].max() for table in tables.values())
    told = []
    for ax, (name, table) in zip(axes[0], tables.items(), strict=True):
        grid = table.pivot(index="module", columns="branch", values="loss")[[*BRANCHES]]
        star = table["loss"].abs() > 2 * table["error"]
        text = table["loss"].map("{:.3f}".format) + star.map({True: "*", False: ""})
        labels = table.assign(text=text).pivot(
            index="module", columns="branch", values="text"
        )[[*BRANCHES]]
        heatmap(
            grid,
            ax=ax,
            annot=labels,
            fmt="",
            cmap="Blues",
            vmin=0,
            vmax=max(highest, 1e-6),
            cbar=False,
            linewidths=1,
            annot_kws={"size": 9},
        )
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("branch")
        ax.set_ylabel("")
        ax.tick_params(length=0)
        worst = table.loc[table["loss"].idxmax()]
        told.append(
            f"{name}: most is lost without {worst.branch} of {worst.module}, "
            f"{worst.loss:+.3f}, and {int((~star).sum())} of {len(table)} branches "
            "are within two standard errors of nothing"
        )
    axes[0, 0].set_ylabel("module")
    fig.suptitle(
        "rise of the loss (nats) without a branch; * beyond two standard errors",
        fontsize=10,
    )
    return fig, f"Heat maps of modules by branches: {'; '.join(told)}."


def shares(table: pd.DataFrame, lost: pd.DataFrame) -> tuple[Figure, str]:
    """Per module, the four branches' shares of channels, energy, gradient and loss.

    ``table`` is ``analysis.ablation.branch_shares``'s, ``lost`` ``ablation``'s; a
    negative rise of the loss counts as nothing.
    """
    loss = lost.assign(loss=lost["loss"].clip(lower=0))
    whole = loss.groupby("module")["loss"].transform("sum")
    both = table.merge(loss[["module", "branch", "loss"]], on=["module", "branch"])
    both["loss"] /= whole.where(whole > 0, 1).values
    fig, axes = style.figure(4.2, columns=4, sharey=True)
    told = []
    for ax, share in zip(axes, ("channels", "energy", "gradient", "loss"), strict=True):
        grid = both.pivot(index="module", columns="branch", values=share)[[*BRANCHES]]
        ends = pd.Series(0.0, index=grid.index)
        for branch, hatch in zip(BRANCHES, HATCHES, strict=True):
            look = {"color": style.COLOURS[branch], "hatch": hatch, "ec": "white"}
            ax.barh(grid.index, grid[branch], 0.8, ends, **look)
            ends += grid[branch]
        what = {"loss": "loss without it"}.get(share, share)
        ax.set_title(f"share of the\n{what}", fontsize=10)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.5, 1])
        last = grid.iloc[-1]
        parts = ", ".join(f"{branch} {last[branch]:.0%}" for branch in BRANCHES)
        told.append(f"{share}: {parts}")
    axes[0].invert_yaxis()
    axes[0].set_ylabel("module")
    handles = [
        Patch(fc=style.COLOURS[b], hatch=h, ec="white", label=b)
        for b, h in zip(BRANCHES, HATCHES, strict=True)
    ]
    fig.legend(
        handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False
    )
    name = both["module"].iloc[-1]
    return fig, f"Stacked bars, a row per module. In {name}: {'; '.join(told)}."


def heat_maps(image: Tensor, maps: dict[str, Tensor], title: str) -> tuple[Figure, str]:
    """An image (C×S×S uint8) as it is, and under each of some heat maps (h×w)."""
    fig, axes = style.figure(2.9, columns=1 + len(maps))
    style.picture(axes[0], pixels(image), title.replace(": ", ":\n"), vmin=0, vmax=255)
    for ax, (method, heat) in zip(axes[1:], maps.items(), strict=True):
        overlay(ax, image, heat)
        ax.set_title(method, fontsize=9)
        evidence_bar(ax.inset_axes((0.15, -0.1, 0.7, 0.05)), bool(heat.min() < 0))
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    told = (f"{method}, highest at {highest_place(h)}" for method, h in maps.items())
    return fig, f"{title}, and over it a heat map each: {'; '.join(told)}."


def networks(
    image: Tensor, maps: dict[str, dict[str, Tensor]], similar: dict[str, float]
) -> tuple[Figure, str]:
    """One image's heat maps: a row per network, a column per method.

    ``similar`` is for each method the mean rank correlation of the two networks' maps.
    """
    methods = list(next(iter(maps.values())))
    fig, axes = style.figure(4.0, rows=len(maps), columns=len(methods), squeeze=False)
    for row, (network, found) in zip(axes, maps.items(), strict=True):
        for ax, method in zip(row, methods, strict=True):
            overlay(ax, image, found[method])
            if ax in axes[0]:
                ax.set_title(method.replace(", ", ",\n"), fontsize=9)
            else:
                ax.set_xlabel(f"correlation {similar[method]:+.2f}", fontsize=9)
        row[0].set_ylabel(network, fontsize=9)
    colours = ScalarMappable(Normalize(-1, 1), style.EVIDENCE)
    bar = fig.colorbar(colours, ax=axes, ticks=[-1, 0, 1], aspect=40)
    bar.ax.set_yticklabels(["against", "0", "for"], fontsize=9)
    bar.ax.tick_params(length=0)
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    told = ", ".join(f"{method} {similar[method]:+.2f}" for method in methods)
    return fig, (
        f"A cell's heat maps by {len(methods)} methods, a row for each of "
        f"{' and '.join(maps)}. Rank correlation of the two rows, over all cells: "
        f"{told}."
    )


def deletions(curves: dict[str, dict[str, Tensor]]) -> tuple[Figure, str]:
    """A panel per method, a line per order in which squares were taken away.

    ``curves`` are {method: {order: N×(steps + 1) scores}}: means over the images.
    """
    fig, axes = style.figure(3.0, columns=len(curves), sharey=True, squeeze=False)
    told = []
    for ax, (method, orders) in zip(axes[0], curves.items(), strict=True):
        for i, (order, scores) in enumerate(orders.items()):
            away = torch.linspace(0, 100, scores.shape[1])
            look = {"ls": style.DASHES[i], "marker": style.MARKERS[i], "ms": 3}
            ax.plot(
                away,
                scores.mean(0),
                color=style.COLOURS[SERIES[i]],
                label=order,
                **look,
            )
        ax.set_title(method.replace(", ", ",\n"), fontsize=9)
        ax.set_xticks([0, 50, 100])
        first, *others = (scores.mean().item() for scores in orders.values())
        told.append(
            f"{method}: mean {first:.2f} against "
            + ", ".join(f"{value:.2f}" for value in others)
        )
    axes[0, 0].set_ylabel("score")
    names = list(next(iter(curves.values())))
    fig.supxlabel("taken away, in percent of the image", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside upper center", ncols=4, fontsize=9, frameon=False
    )
    return fig, (
        f"The score while squares are taken away, in the order of {names[0]} against "
        f"{', '.join(names[1:])}. {'; '.join(told)}."
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


def cascade(similar: pd.DataFrame) -> tuple[Figure, str]:
    """A line per column: how alike the maps remain as more stages are shuffled.

    A row per step, its name the stage that was shuffled last.
    """
    fig, ax = style.figure(3.2)
    told = []
    for i, (method, values) in enumerate(similar.items()):
        look = {"ls": style.DASHES[i], "marker": style.MARKERS[i], "ms": 5}
        colour = style.COLOURS[SERIES[i]]
        ax.plot(range(len(values)), values, color=colour, label=method, **look)
        told.append(f"{method} ends at {values.iloc[-1]:+.2f}")
    ax.axhline(0, color=style.COLOURS["light"], lw=1)
    ax.set_xticks(range(len(similar)), similar.index, fontsize=9)
    ax.set_xlabel("shuffled from the top down to this stage")
    ax.set_ylabel("rank correlation with\nthe intact network's map", fontsize=9)
    fig.legend(loc="outside upper center", ncols=4, fontsize=9, frameon=False)
    return (
        fig,
        f"How alike heat maps stay while weights are shuffled: {', '.join(told)}.",
    )


def heads(history: pd.DataFrame) -> tuple[Figure, str]:
    """Validation accuracy and ROC AUC of the three outputs, epoch by epoch.

    The columns are output, epoch, accuracy, roc_auc.
    """
    fig, axes = style.figure(3.2, columns=2)
    told = []
    for ax, score in zip(axes, ("accuracy", "roc_auc"), strict=True):
        for i, (name, colour) in enumerate(HEADS.items()):
            own = history[history["output"] == name].groupby("epoch")[score].mean()
            look = {"ls": style.DASHES[i], "marker": style.MARKERS[i], "ms": 4}
            ax.plot(own.index, own, color=style.COLOURS[colour], label=name, **look)
            told.append(f"{name} {score} {own.iloc[-1]:.3f}")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title({"roc_auc": "ROC AUC"}.get(score, score), fontsize=10)
    axes[0].legend(fontsize=9, frameon=False, loc="lower right")
    return fig, f"Validation scores over the epochs. At the end: {', '.join(told)}."


def titles(
    names: Sequence[str], labels: Tensor, said: Tensor, classes: Sequence[str]
) -> list[str]:
    """For each image its name, what it is and what the network called it."""
    return [
        f"{name}: {classes[truth]}, called {classes[call]}"
        for name, truth, call in zip(names, labels.tolist(), said.tolist(), strict=True)
    ]
