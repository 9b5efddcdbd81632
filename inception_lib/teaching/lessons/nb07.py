"""07 · Training: the speed of a step, and how good the predictions are."""

import math
from collections.abc import Sequence
from itertools import product

import pandas as pd
import torch
from ipywidgets import IntSlider, ToggleButtons, VBox
from torch import Tensor
from torchmetrics.functional.classification import binary_roc

from ...analysis.speed import interleaved, network_flops, peak_flops, training_step
from ...model import GoogLeNet
from ...training import ImageSet, metrics
from ..drawing import (
    COLOURS,
    Drawing,
    credit,
    figure,
    series,
    show_counts,
    show_image,
)
from ..explorer import check_lengths, explorer

LAYOUTS = {"channels first": False, "channels last": True}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def measure_speed(image_size: int = 96, rounds: int = 3) -> pd.DataFrame:
    """A training step in every layout and precision, measured here and now.

    A row per combination: layout, precision, ratio (how many times as fast as channels
    first in float32, median of ``rounds`` in turn, batch 32) and fraction_of_peak: of
    the operations per second that one large convolution in bfloat16 reaches here.
    """
    model = GoogLeNet(2, image_size=image_size, batch_norm=True)
    flops = network_flops(model, image_size, 32, train=True)
    steps = {
        (layout, precision): training_step(
            GoogLeNet(2, image_size=image_size, batch_norm=True),
            image_size,
            channels_last=LAYOUTS[layout],
            precision=precision,
        )
        for layout, precision in product(LAYOUTS, PRECISIONS)
    }
    seconds = interleaved(steps, rounds)
    peak = max(peak_flops(dtype) for dtype in PRECISIONS.values())
    first = seconds.iloc[:, 0]
    rows = []
    for layout, precision in steps:
        taken = seconds[(layout, precision)]
        ratio, fraction = (first / taken).median(), flops / taken.median() / peak
        rows.append((layout, precision, ratio, fraction))
    return pd.DataFrame(
        rows, columns=["layout", "precision", "ratio", "fraction_of_peak"]
    )


def draw_speed(measured: pd.DataFrame, layout: str, precision: str) -> Drawing:
    """The step of this layout and precision among the others that were measured."""
    chosen = (measured.layout == layout) & (measured.precision == precision)
    row = measured[chosen].iloc[0]
    fig, (left, right) = figure(2.4, 1, 2, sharey=True)
    names = [f"{r.layout}, {r.precision}" for r in measured.itertuples()]
    colours = [COLOURS["1x1" if on else "light"] for on in chosen]
    left.barh(names, measured.ratio, color=colours)
    left.set_title(f"{row.ratio:.2f} times as fast", fontsize=11)
    left.set_xlabel("steps in the time of one at the top")
    right.barh(names, 100 * measured.fraction_of_peak, color=colours)
    right.set_title(f"{row.fraction_of_peak:.0%} of the peak", fontsize=11)
    right.set_xlabel("% of a large convolution's speed")
    right.set_xlim(0, 100)
    left.invert_yaxis()
    for ax in (left, right):
        ax.get_children()[list(chosen).index(True)].set_hatch("//")
    return Drawing(
        fig,
        f"A training step with {layout} in {precision} is {row.ratio:.2f} times as "
        f"fast as with channels first in float32, and reaches "
        f"{row.fraction_of_peak:.0%} of the processor's peak.",
    )


def explore_speed(measured: pd.DataFrame) -> VBox:
    """Toggle layout and precision; what ``measure_speed`` found is shown."""

    def draw(layout: str, precision: str) -> Drawing:
        return draw_speed(measured, layout, precision)

    controls = {
        "layout": ToggleButtons(options=list(LAYOUTS), description="layout"),
        "precision": ToggleButtons(options=list(PRECISIONS), description="precision"),
    }
    return explorer(draw, controls, {})


def draw_prediction(
    image: Tensor, probabilities: Tensor, label: int, classes: Sequence[str], name: str
) -> Drawing:
    """One image (C×S×S uint8), its K predicted probabilities as bars, and the truth."""
    fig, (left, right) = figure(2.8, columns=2)
    show_image(left, image, vmin=0, vmax=255)
    values = probabilities.tolist()
    said = int(metrics.predict_classes(probabilities[None]))
    verdict = "right" if said == label else "wrong"
    marks = [" (truth)" if i == label else "" for i in range(len(classes))]
    colours = [COLOURS["light"]] * len(classes)
    colours[said] = COLOURS["1x1" if said == label else "3x3"]
    right.barh(range(len(classes)), values, color=colours, height=0.5)
    for i, value in enumerate(values):
        right.text(value + 0.02, i, f"{value:.2f}", va="center", fontsize=10)
    ticks = [c + mark for c, mark in zip(classes, marks, strict=True)]
    right.set_yticks(range(len(classes)), ticks)
    right.set_ylim(len(classes) - 0.5, -0.5)
    right.set_xlim(0, 1.15)
    right.set_xticks([0, 0.5, 1])
    right.set_xlabel("predicted probability")
    right.set_title(f"{name}: {verdict}", fontsize=10)
    return Drawing(
        fig,
        f"{name}, in truth {classes[label]}: predicted {classes[said]} with "
        f"probability {values[said]:.2f}, which is {verdict}.",
    )


def browse_predictions(
    images: Tensor,
    probabilities: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    names: Sequence[str],
) -> VBox:
    """Walk through predictions, from the clearest mistake to the clearest success.

    ``images`` N×1×S×S or N×3×S×S (uint8), ``probabilities`` N×K, ``labels`` N. Raises
    ValueError without images, or if the lengths differ.
    """
    check_lengths(images, probabilities, labels, names)
    truth = probabilities.gather(1, labels[:, None]).squeeze(1)
    others = probabilities.scatter(1, labels[:, None], -1).amax(1)
    order = (truth - others).argsort(stable=True)
    wrong = metrics.predict_classes(probabilities) != labels
    shown = {"all": order.tolist(), "only wrong": order[wrong[order]].tolist()}

    choice = ToggleButtons(options=list(shown), description="show")
    position = IntSlider(1, 1, len(images), description="position")

    def fit_range(change) -> None:
        position.max = len(shown[change["new"]]) or position.max

    choice.observe(fit_range, "value")

    def draw(choice: str, position: int) -> Drawing:
        if not shown[choice]:
            raise ValueError("none of them is wrong")
        i = shown[choice][position - 1]
        return draw_prediction(
            images[i], probabilities[i], int(labels[i]), classes, names[i]
        )

    units = {"position": f"of the {len(images)}, or of the wrong ones"}
    return explorer(draw, {"choice": choice, "position": position}, units)


def compare(probabilities: dict[str, Tensor], labels: Tensor) -> pd.DataFrame:
    """The scores of several N×2 predictions of the same images, a row each, three
    digits.
    """
    rows = {name: metrics.scores(p, labels) for name, p in probabilities.items()}
    return pd.DataFrame(rows).T.round(3)


def draw_roc(probabilities: dict[str, Tensor], labels: Tensor) -> Drawing:
    """Share of defects found against share of false alarms, over all thresholds."""
    fig, ax = figure(3.8)
    told = []
    for i, (name, p) in enumerate(probabilities.items()):
        false_alarms, found, _ = binary_roc(p[:, 1], labels)
        auc = metrics.scores(p, labels)["roc_auc"]
        look = series(i) | {"marker": ""}
        ax.plot(false_alarms, found, label=f"{name}: AUC {auc:.3f}", **look)
        told.append(f"{name} has an area of {auc:.3f}")
    ax.plot([0, 1], [0, 1], ":", color=COLOURS["trunk"], label="guessing: 0.5")
    ax.set_xlabel("functional cells called defective (share)")
    ax.set_ylabel("defective cells found (share)")
    ax.set_title("ROC curve", fontsize=10)
    ax.set_aspect("equal")
    ax.legend(loc="lower right", fontsize=9, frameon=False)
    return Drawing(fig, "ROC curves; " + ", ".join(told) + ", guessing 0.5.")


def draw_confusion(
    probabilities: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    thresholds: dict[str, float],
) -> Drawing:
    """A confusion matrix per threshold: rows are the truth, columns predictions."""
    fig, axes = figure(3.4, columns=len(thresholds), squeeze=False)
    told = []
    for ax, (name, threshold) in zip(axes[0], thresholds.items(), strict=True):
        matrix = metrics.confusion_matrix(probabilities, labels, threshold)
        show_counts(ax, matrix.numpy(), classes)
        ax.set_title(f"{name} ({threshold:.2f})", fontsize=10)
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        (tn, fp), (fn, tp) = matrix.tolist()
        told.append(
            f"{name}: {tn} functional cells right and {fp} wrong, "
            f"{tp} defective cells right and {fn} wrong"
        )
    return Drawing(fig, "Confusion matrices; " + "; ".join(told) + ".")


def draw_by_certainty(probabilities: Tensor, data: ImageSet) -> Drawing:
    """Accuracy with its standard error, for each probability that the experts gave."""
    fig, ax = figure(3.0)
    right = metrics.predict_classes(probabilities) == data.labels
    levels = ["0", "⅓", "⅔", "1"]
    told = []
    for i, level in enumerate(levels):
        chosen = (data.targets[:, 1] * 3).round() == i
        n = int(chosen.sum())
        if not n:
            continue
        accuracy = right[chosen].double().mean().item()
        error = metrics.standard_error(accuracy, n)
        colour = COLOURS["1x1" if i < 2 else "3x3"]
        ax.bar(i, accuracy, yerr=error, color=colour, capsize=4, width=0.6)
        told.append(f"{accuracy:.2f} at {level}")
        levels[i] = f"{level}\n{n} cells"
    ax.set_xticks(range(4), levels)
    ax.set_ylim(0, 1)
    ax.set_xlabel("the experts' probability of a defect (from ⅔ on labelled defective)")
    ax.set_ylabel("share right")
    ax.set_title("where the network is right, with standard error", fontsize=10)
    return Drawing(
        fig, "Share of right answers by the experts' probability: " + ", ".join(told)
    )


def draw_confident_mistakes(
    probabilities: Tensor, data: ImageSet, count: int = 8
) -> Drawing:
    """The ``count`` wrongly classified images whose wrong class got the most
    probability.
    """
    wrong = metrics.predict_classes(probabilities) != data.labels
    sure = probabilities.max(1).values * wrong
    worst = sure.argsort(descending=True)[: min(count, int(wrong.sum()))].tolist()
    rows = max(1, math.ceil(len(worst) / 4))
    fig, axes = figure(2.5 * rows, rows=rows, columns=4, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, i in zip(axes.flat, worst, strict=False):
        said = f"network {probabilities[i, 1]:.2f}, experts {data.targets[i, 1]:.2f}"
        show_image(
            ax, data.images[i, 0].numpy(), f"{data.names[i]} ({data.groups[i]})\n{said}"
        )
    credit(fig)
    names = ", ".join(data.names[i] for i in worst)
    return Drawing(
        fig, f"The most confident mistakes, each with both probabilities: {names}."
    )
