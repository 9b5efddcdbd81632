"""10 · The race: defects of a known size, rivals of Inception, paired results."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from ipywidgets import VBox
from scipy.stats import binomtest
from torch import Tensor

from ...analysis.forms import Form, Racer
from ...training import ImageSet, Run, TrainingConfig, fit, split
from ..drawing import COLOURS, Drawing, figure, fixed_layout, show_image
from ..explorer import Slider, explorer

SIDE = 24  # pixels, of the pictures of noise
STRENGTH = 6.0  # a defect's length as a vector; the noise of a pixel is 1
WINDOWS = {1: "1x1", 3: "3x3", 5: "5x5", 7: "trunk"}  # and their colours
RECIPE = TrainingConfig(image_size=96, epochs=10, aux=False)
SETS = {"same_panels": "other cells of these panels", "new_panels": "new panels"}


# --- a task whose answer is known -----------------------------------------------------


class Defect(NamedTuple):
    """A dark mark, in pixels: 9 × 1 is a hairline, 7 × 7 a blotch."""

    length: int
    width: int


def draw_bars(defects: list[Defect], random: torch.Generator, n: int) -> Tensor:
    """N×24×24: one of the defects in each, somewhere near the middle, at any angle.

    All are equally strong (the squares of their pixels add up to ``STRENGTH``²), so
    that only their shape makes one harder to find than another.
    """
    x, y, turn = torch.rand(3, n, 1, 1, generator=random)
    kind = torch.randint(len(defects), (n,), generator=random)
    length, width = torch.tensor(defects, dtype=torch.float)[kind].T[..., None, None]
    angle = math.pi * turn
    across = torch.arange(SIDE) - 8 - 8 * x
    down = torch.arange(SIDE)[:, None] - 8 - 8 * y
    along = across * angle.cos() + down * angle.sin()
    beside = down * angle.cos() - across * angle.sin()
    inside = [  # soft edges, half a pixel on both sides
        (size / 2 + 0.5 - distance.abs()).clamp(0, 1)
        for size, distance in ((length, along), (width, beside))
    ]
    bars = inside[0] * inside[1]
    return bars * STRENGTH / bars.flatten(1).norm(dim=1)[:, None, None]


def noisy_pictures(
    n: int, defects: list[Defect], seed: int = 0
) -> tuple[Tensor, Tensor]:
    """N×1×24×24 pictures of noise and N labels: 1 where a defect is hidden, in half of
    them.
    """
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    bars = draw_bars(defects, random, n) * labels[:, None, None]
    noise = torch.randn(n, SIDE, SIDE, generator=random)
    return (noise - bars)[:, None], labels


def seen(defect: Defect, window: int) -> float:
    """The share of the defect's strength, squared, that lies in a window×window square
    put where it catches most: the mean over 16 places and angles.
    """
    bars = draw_bars([defect], torch.Generator().manual_seed(0), 16)[:, None] ** 2
    sums = F.avg_pool2d(bars, window, 1) * window**2
    return float(sums.amax((1, 2, 3)).mean() / STRENGTH**2)


def draw_defect(length: int, width: int) -> Drawing:
    """Four noisy pictures, all with the defect; and how much of it a window sees."""
    defect = Defect(length, width)
    pictures, _ = noisy_pictures(8, [defect], seed=1)
    bars = draw_bars([defect], torch.Generator().manual_seed(1), 8)
    fig, axes = figure(3, 1, 2, width_ratios=[5, 3])
    fixed_layout(fig, left=0.01, right=0.98, top=0.88, bottom=0.1, wspace=0.15)
    alone, hidden = (  # the second of each pair has the defect
        torch.cat(list(F.pad(x[1::2], (1, 1, 1, 1), value=9)), dim=1)
        for x in (-2 * bars, pictures[:, 0])
    )
    both = torch.cat([alone, hidden]).numpy()
    show_image(axes[0], both, "four defects, and the same in noise", vmin=-4, vmax=4)
    shares = [seen(defect, window) for window in WINDOWS]
    names = [f"{k}×{k}" for k in WINDOWS]
    bar = axes[1].bar(names, shares, color=[COLOURS[c] for c in WINDOWS.values()])
    axes[1].bar_label(bar, [f"{share:.0%}" for share in shares])
    axes[1].set(ylim=(0, 1.15), yticks=[])
    axes[1].set_title(f"of a defect of {length}×{width} a window sees", fontsize=9)
    told = ", ".join(f"{n} {s:.0%}" for n, s in zip(names, shares, strict=True))
    return Drawing(
        fig,
        f"Dark marks of {length}×{width} pixels, then in noise. A window sees: {told}.",
    )


def explore_defect() -> VBox:
    """Length and width of the defect: what it looks like, what a window sees of it."""
    return explorer(
        draw_defect,
        {
            "dot": {"length": 1, "width": 1},
            "hairline": {"length": 9, "width": 1},
            "blotch": {"length": 7, "width": 7},
        },
        length=Slider("length", 9, 1, 12, "pixels"),
        width=Slider("width", 1, 1, 12, "pixels"),
    )


def draw_known_answer(accuracy: pd.DataFrame, pictures: int) -> Drawing:
    """Bars of accuracy for each defect (rows) and network (columns), 0…1, with their
    standard errors on so many pictures.
    """
    error = (accuracy * (1 - accuracy) / pictures) ** 0.5
    fig, ax = figure(2.9)
    colours = [COLOURS[k] for k in ("3x3", "5x5", "trunk", "pool")]
    accuracy.plot.bar(ax=ax, rot=0, width=0.8, color=colours, yerr=error, legend=False)
    for bars, hatch in zip(ax.containers[1::2], ("", "//", "..", "xx"), strict=False):
        for bar in bars:
            bar.set_hatch(hatch)
    ax.set(ylim=(0.8, 1), ylabel="accuracy on new pictures")
    fig.legend(ncols=4, loc="outside upper center")
    best = accuracy.idxmax(axis=1)
    told = "; ".join(f"{defect}: best with {name}" for defect, name in best.items())
    return Drawing(fig, f"Accuracy of each network on each kind of defect. {told}.")


# --- the race -------------------------------------------------------------------------


class RaceSplit(NamedTuple):
    """Cells to learn from; others of the same panels; panels that are never seen."""

    train: ImageSet
    same_panels: ImageSet
    new_panels: ImageSet


def race_split(cells: ImageSet, seed: int = 0) -> RaceSplit:
    """A quarter of the panels is kept apart, then a quarter of the other cells."""
    by_panel = split(cells, seed, by="panel")
    rest = split(by_panel.train.joined(by_panel.validation), seed)
    return RaceSplit(rest.train.joined(rest.validation), rest.test, by_panel.test)


def train_racer(
    form: str | tuple[Form, float],
    train: ImageSet,
    config: TrainingConfig = RECIPE,
    **options,
) -> Run:
    """A ``Racer`` with modules of this form, trained; ``options`` are ``fit``'s."""
    torch.manual_seed(config.seed)
    return fit(train, None, config, model=Racer(form, len(train.classes)), **options)


def gains(race: pd.DataFrame, form: str, judged_by: str, epochs: int = 10) -> pd.Series:
    """Points of accuracy by which the form, after ten epochs, is ahead of Inception
    after so many, for each seed.
    """
    scores = race.set_index(["form", "epochs", "seed"]).sort_index()
    scores = scores[f"{judged_by}_accuracy"]
    return 100 * (scores[form, RECIPE.epochs] - scores["Inception", epochs])


def compared(race: pd.DataFrame, judged_by: str) -> pd.DataFrame:
    """Each form against Inception after as many epochs, on the same images: by how many
    points of accuracy it is ahead (the mean over the seeds and its standard error), in
    how many images only one of the two is right, and how probable so uneven a count is
    if both are equally good (McNemar's test, exact).
    """
    rows = {}
    same = race[(race.epochs == RECIPE.epochs) & (race.form != "Inception")]
    for form, own in same.groupby("form", sort=False):
        gain = gains(race, form, judged_by)
        only = [
            int(own[f"{judged_by}_only_{who}"].sum()) for who in ("it", "inception")
        ]
        rows[form] = {
            "points": gain.mean(),
            "error": gain.std() / len(gain) ** 0.5,
            "only it": only[0],
            "only Inception": only[1],
            "p": binomtest(only[0], sum(only)).pvalue,
        }
    return pd.DataFrame(rows).T.astype({"only it": int, "only Inception": int})


def draw_race(race: pd.DataFrame) -> Drawing:
    """Each form's points of accuracy ahead of Inception, seed by seed, and their mean
    with two standard errors.
    """
    fig, axes = figure(3.9, 1, 2, sharey=True, sharex=True)
    told = []
    for ax, (name, title) in zip(axes, SETS.items(), strict=True):
        table = compared(race, name)
        for place, form in enumerate(table.index):
            gain = gains(race, form, name)
            height = place + np.linspace(-0.25, 0.25, len(gain))
            ax.plot(gain, height, ".", color=COLOURS["light"], mec="#777", mew=0.5)
        look = {"fmt": "D", "color": COLOURS["3x3"], "ecolor": COLOURS["trunk"]}
        places = range(len(table))
        ax.errorbar(table.points, places, xerr=2 * table.error, **look)
        ax.axvline(0, color=COLOURS["trunk"], ls="--")
        ax.set_yticks(places, table.index)
        ax.set_title(title, fontsize=9)
        told += [
            f"{row.Index}, {title}: {row.points:+.1f} ± {2 * row.error:.1f}"
            for row in table.itertuples()
        ]
    axes[0].invert_yaxis()
    fig.supxlabel("points of accuracy ahead of Inception (dots: seeds)", fontsize=9)
    return Drawing(fig, f"Points of accuracy ahead of Inception. {'; '.join(told)}.")
