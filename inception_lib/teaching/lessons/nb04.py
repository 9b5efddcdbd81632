"""04 · Auxiliary heads: gradients along the trunk, experiments with and without."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from math import log10, nan
from typing import Any

import pandas as pd
from ipywidgets import VBox
from matplotlib.axes import Axes

from ...analysis.gradients import LossGradients
from ..drawing import COLOURS, Drawing, figure, fixed_layout, series
from ..explorer import Choice, Slider, explorer
from ..motion import Motion, film

# (initialisation, convolutions, moment) -> what was measured there
Measured = dict[tuple[str, str, str], LossGradients]
LOWEST, HIGHEST = -8, 2  # powers of ten on the vertical axis, the same for all pictures
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")  # quicker to draw than TeX
TAPS = {"head 1": "4a", "head 2": "4d"}
HEADS = {"output": "trunk", "head 1": "3x3", "head 2": "auxiliary"}  # as in 08
FORMS = {True: "batch norm", False: "plain"}
LABELS: dict[Any, str] = {True: "with heads", False: "without heads"}
LOOKS: dict[Any, dict[str, Any]] = {
    True: {"ls": "-", "marker": "o", "color": COLOURS["auxiliary"]},
    False: {"ls": "--", "marker": "s", "color": COLOURS["trunk"]},
}
NAMES = {"accuracy": "accuracy", "roc_auc": "ROC AUC"}


def draw_heads(
    measured: Measured,
    initialisation: str,
    convolutions: str,
    moment: str,
    head1: int,
    head2: int,
) -> Drawing:
    """Gradient norm over weight norm in each stage, without the heads and with them.

    ``head1`` and ``head2`` are the weights of their losses in percent of the output's.
    It is added up from the stored inner products: nothing is trained or run backward.
    Raises ValueError where nothing was measured.
    """
    key = (initialisation, convolutions, moment)
    if key not in measured:
        raise ValueError(f"nothing was measured for {', '.join(key)}")
    stored = measured[key]
    alone = stored.relative(0, 0).tolist()
    both = stored.relative(head1 / 100, head2 / 100).tolist()

    fig, ax = figure(3.4)
    fixed_layout(fig, left=0.1, bottom=0.17, right=0.98, top=0.9)
    with_heads = f"with {head1 / 100:.2f} and {head2 / 100:.2f}"
    for heads, values in {False: alone, True: both}.items():
        heights = [max(LOWEST, log10(max(value, 1e-30))) for value in values]
        label = with_heads if heads else "output's loss alone"
        ax.plot(stored.stages, heights, label=label, **LOOKS[heads])
    for name, stage in TAPS.items():
        ax.axvline(stage, color=COLOURS["auxiliary"], lw=0.8, ls=":")
        ax.text(stage, LOWEST + 0.2, f" {name}")
    _powers_of_ten(ax)
    ax.legend(loc="upper left")
    change = f"{alone[0]:.0e} → {both[0]:.0e}"
    ax.set_title(f"{', '.join(key)}; first layer: {change}")
    return Drawing(
        fig,
        f"Gradient norm over weight norm along the trunk, {', '.join(key)}. "
        f"Output's loss alone: {alone[0]:.0e} in the first layer, {alone[-1]:.0e} in "
        f"the last. With weights {head1 / 100:.2f} (head 1) and {head2 / 100:.2f} "
        f"(head 2): {both[0]:.0e} in the first, {both[-1]:.0e} in the last. "
        "What comes after a head doesn't change.",
    )


def _powers_of_ten(ax: Axes) -> None:
    """The axes for logarithms of ratios along the trunk."""
    powers = range(LOWEST, HIGHEST + 1, 2)
    ax.set_yticks(powers, [f"10{str(n).translate(RAISED)}" for n in powers])
    ax.set_ylim(LOWEST, HIGHEST)
    ax.set_xlabel("stage of the trunk (image on the left, output on the right)")
    ax.set_ylabel("gradient norm / weight norm")


def watch_gradients(stored: LossGradients) -> Motion:
    """The gradients of the three losses on their way back, a stage at a time: the norm
    of each over that of the weights, none of them weighted.
    """
    stages = list(stored.stages)
    norms = (
        stored.products.diagonal(dim1=1, dim2=2).sqrt() / stored.weight_norms[:, None]
    )
    fig, ax = figure(3.4)
    fixed_layout(fig, left=0.1, bottom=0.17, right=0.98, top=0.9)
    lines, told = [], []
    for i, (name, start) in enumerate({"output": "fc", **TAPS}.items()):
        look = {**series(i), "color": COLOURS[HEADS[name]]}
        lines += ax.plot(stages, [nan] * len(stages), label=f"{name}'s loss", **look)
        (first, *_), last = norms[:, i].tolist(), norms[stages.index(start), i]
        told.append(f"{name}'s from {last:.0e} at {start} to {first:.0e}")
    for name, stage in TAPS.items():
        ax.axvline(stage, color=COLOURS["auxiliary"], lw=0.8, ls=":")
        ax.text(stage, LOWEST + 0.2, f" {name}")
    here = ax.axvspan(0, 0, color=COLOURS["light"], alpha=0.6, lw=0)
    _powers_of_ten(ax)
    ax.set_xlim(-0.6, len(stages) - 0.4)
    ax.legend(loc="upper left")

    def steps() -> Iterator[None]:
        for at in reversed(range(len(stages))):
            for line, column in zip(lines, norms.T.tolist(), strict=True):
                arrived = [
                    log10(norm) if i >= at and norm else nan
                    for i, norm in enumerate(column)
                ]
                line.set_ydata(arrived)
            here.set(x=at - 0.4, width=0.8)
            ax.set_title(f"the gradients have come to {stages[at]}")
            yield

    return film(
        fig,
        steps(),
        "The gradients of the three losses on their way back, from the output to the "
        f"image; gradient norm over weight norm: {'; '.join(told)} at {stages[0]}.",
        600,
    )


def explore_heads(measured: Measured) -> VBox:
    """Explore ``draw_heads``: three switches, and the weight of each head."""
    initialisations, convolutions, moments = map(
        dict.fromkeys, zip(*measured, strict=True)
    )
    unit = "% of the weight of the output's loss"
    return explorer(
        partial(draw_heads, measured),
        initialisation=Choice("initialisation", initialisations),
        convolutions=Choice("convolutions", convolutions),
        moment=Choice("moment", moments),
        head1=Slider("head 1", 30, 0, 100, unit),
        head2=Slider("head 2", 30, 0, 100, unit),
    )


def draw_along_trunk(
    curves: dict[str, dict[str, float]], title: str, unit: str
) -> Drawing:
    """A line per entry of ``curves`` (at most 4), each {stage: value}, on a log scale.

    The values must be positive.
    """
    fig, ax = figure(3.4)
    told = []
    for i, (label, values) in enumerate(curves.items()):
        ax.plot(list(values), list(values.values()), label=label, **series(i))
        first, *_, last = values.items()
        ends = f"{first[1]:.0e} at {first[0]} and {last[1]:.0e} at {last[0]}"
        told.append(f"{label} has {ends}")
    ax.set_yscale("log")
    ax.set_xlabel("stage of the trunk (image on the left, output on the right)")
    ax.set_ylabel(unit)
    ax.set_title(title)
    ax.legend()
    return Drawing(fig, f"{title}, stage by stage, on a log scale. {'; '.join(told)}.")


def last_epochs(runs: pd.DataFrame) -> pd.DataFrame:
    """The last row of each run."""
    order = runs.sort_values("epoch")
    last = order.groupby(["batch_norm", "heads", "seed"]).tail(1)
    return last.sort_values(["batch_norm", "heads", "seed"], ignore_index=True)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Per form, with heads and without: seeds, epochs, mean and standard deviation."""
    last = last_epochs(runs)
    last["form"] = last["batch_norm"].map(FORMS)
    grouped = last.groupby(["form", "heads"])
    table = grouped.agg(
        seeds=("seed", "count"),
        epochs=("epoch", "max"),
        accuracy=("accuracy", "mean"),
        accuracy_std=("accuracy", "std"),
        roc_auc=("roc_auc", "mean"),
        roc_auc_std=("roc_auc", "std"),
    )
    return table.round(3)


def compare(runs: pd.DataFrame, score: str = "roc_auc", looks: int = 1) -> list[str]:
    """A sentence per form: what the heads change in ``score`` at the end of the runs.

    The difference of the means with its standard error, and the permutation test: in
    how many of all ways to deal the runs out to the two groups is the difference at
    least as large? A share below 0.05 / ``looks`` is hardly chance (Bonferroni).
    """
    last = last_epochs(runs)
    sentences = []
    for batch_norm, form in FORMS.items():
        here = last[last["batch_norm"] == batch_norm]
        with_heads = here.loc[here["heads"], score]
        without = here.loc[~here["heads"], score]
        if min(len(with_heads), len(without)) < 2:
            sentences.append(f"{form}: too few runs to compare")
            continue
        difference = with_heads.mean() - without.mean()
        error = (with_heads.sem() ** 2 + without.sem() ** 2) ** 0.5
        as_large, ways = permutations(with_heads.tolist(), without.tolist())
        verdict = "hardly chance" if as_large / ways < 0.05 / looks else "may be chance"
        sentences.append(
            f"{form}: heads change the {NAMES[score]} by "
            f"{100 * difference:+.1f} ± {100 * error:.1f} points; at least that much "
            f"in {as_large} of {ways} deals: {verdict}"
        )
    return sentences


def permutations(first: list[float], second: list[float]) -> tuple[int, int]:
    """In how many of all splits the means differ at least as much as in this one."""
    everything = first + second
    n, total = len(first), sum(everything)

    def difference(chosen: tuple[float, ...]) -> float:
        rest = (total - sum(chosen)) / (len(everything) - n)
        return abs(sum(chosen) / n - rest)

    limit = difference(tuple(first)) - 1e-12
    splits = [difference(chosen) >= limit for chosen in combinations(everything, n)]
    return sum(splits), len(splits)


def draw_curves(runs: pd.DataFrame) -> Drawing:
    """Epoch by epoch, a column per form: above, the mean of the seeds ± the deviation;
    below, in points, what the heads add to it ± the standard error.
    """
    fig, axes = figure(4.8, 2, 2, sharex=True, sharey="row", height_ratios=[3, 2])
    panels = zip(_panels(axes[0], runs), axes[1], strict=True)
    for (ax, here), below in panels:
        means, errors = {}, {}
        for heads, found in here.groupby("heads", sort=False):
            per_epoch = found.groupby("epoch")["roc_auc"].agg(["mean", "std", "sem"])
            per_epoch = per_epoch.fillna(0)
            means[heads], errors[heads] = per_epoch["mean"], per_epoch["sem"]
            label = f"{LABELS[heads]}, {_seeds(found['seed'].nunique())}"
            ax.plot(means[heads], label=label, markevery=5, **LOOKS[heads])
            _band(ax, means[heads], per_epoch["std"], LOOKS[heads]["color"])
            ax.legend(loc="lower right")
        below.axhline(0, color=COLOURS["trunk"], lw=1)
        if len(means) == 2:
            gain = 100 * (means[True] - means[False])
            error = 100 * (errors[True] ** 2 + errors[False] ** 2) ** 0.5
            below.plot(gain, color=COLOURS["auxiliary"])
            _band(below, gain, error, COLOURS["auxiliary"])
        below.set(xlabel="epoch", ylim=(-3, 3))
    axes[1, 0].set_ylabel("heads add (points)")
    fig.suptitle("above: mean over the seeds ± deviation; below: what the heads add")
    return Drawing(
        fig,
        "Curves over the epochs, a column per form, and below them the difference that "
        f"the heads make. At the end: {_told(runs)}",
    )


def _band(ax: Axes, middle: pd.Series, half: pd.Series, colour: str) -> None:
    edges = (middle - half, middle + half)
    ax.fill_between(middle.index, *edges, color=colour, alpha=0.15, lw=0)


def draw_dots(runs: pd.DataFrame) -> Drawing:
    """A panel per form: each run's last score, and the mean with its standard error."""
    fig, axes = figure(3.0, columns=2, sharey=True)
    for ax, here in _panels(axes, last_epochs(runs)):
        for heads, found in here.groupby("heads"):
            place, values, look = int(not heads), found["roc_auc"], LOOKS[heads]
            ax.plot([place] * len(values), values, **look | {"ls": ""}, mfc="none")
            error = values.sem() if len(values) > 1 else 0
            ax.errorbar(place + 0.2, values.mean(), error, ms=8, **look)
        ax.set_xticks([0.1, 1.1], LABELS.values())
        ax.set_xlim(-0.4, 1.6)
    fig.suptitle("hollow: a run; filled: the mean ± its standard error")
    return Drawing(
        fig, f"A dot per run and the mean of each group, per form: {_told(runs)}"
    )


def _panels(axes: Sequence[Axes], runs: pd.DataFrame) -> list:
    """For each form its axes and its runs."""
    axes[0].set_ylabel("validation ROC AUC")
    panels = []
    for ax, (batch_norm, form) in zip(axes, FORMS.items(), strict=True):
        here = runs[runs["batch_norm"] == batch_norm]
        ax.set_title(form)
        if here.empty:
            ax.text(0.5, 0.5, "no runs", transform=ax.transAxes, ha="center")
        panels.append((ax, here))
    return panels


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def _told(runs: pd.DataFrame) -> str:
    rows = [
        f"{form}, {LABELS[heads]}: ROC AUC {row.roc_auc:.3f}, "
        f"accuracy {row.accuracy:.3f} over {_seeds(int(row.seeds))}"
        for (form, heads), row in summary(runs).iterrows()
    ]
    return "; ".join(rows) + "."
