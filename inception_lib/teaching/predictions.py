"""Pictures of how good predictions are. Each returns the figure and its alt text."""

import math

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import binary_roc

from ..training import ImageSet, metrics
from . import style

SERIES = ["1x1", "3x3", "5x5", "pool"]  # colours told apart by everybody


def compare(probabilities: dict[str, Tensor], labels: Tensor) -> pd.DataFrame:
    """The scores of several N×2 predictions of the same images, a row each, three
    digits.
    """
    rows = {name: metrics.scores(p, labels) for name, p in probabilities.items()}
    return pd.DataFrame(rows).T.round(3)


def roc(probabilities: dict[str, Tensor], labels: Tensor) -> tuple[Figure, str]:
    """Share of defects found against share of false alarms, over all thresholds."""
    fig, ax = style.figure(3.8)
    told = []
    for i, (name, p) in enumerate(probabilities.items()):
        false_alarms, found, _ = binary_roc(p[:, 1], labels)
        auc = metrics.scores(p, labels)["roc_auc"]
        colour, dash = style.COLOURS[SERIES[i]], style.DASHES[i]
        ax.plot(false_alarms, found, dash, color=colour, label=f"{name}: AUC {auc:.3f}")
        told.append(f"{name} has an area of {auc:.3f}")
    ax.plot([0, 1], [0, 1], ":", color=style.COLOURS["trunk"], label="guessing: 0.5")
    ax.set_xlabel("functional cells called defective (share)")
    ax.set_ylabel("defective cells found (share)")
    ax.set_title("ROC curve", fontsize=10)
    ax.set_aspect("equal")
    ax.legend(loc="lower right", fontsize=9, frameon=False)
    return fig, "ROC curves; " + ", ".join(told) + ", guessing 0.5."


def confusion(
    probabilities: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    thresholds: dict[str, float],
) -> tuple[Figure, str]:
    """A confusion matrix per threshold: rows are the truth, columns predictions."""
    fig, axes = style.figure(3.4, columns=len(thresholds), squeeze=False)
    told = []
    for ax, (name, threshold) in zip(axes[0], thresholds.items(), strict=True):
        matrix = metrics.confusion_matrix(probabilities, labels, threshold)
        style.counts(ax, matrix.numpy(), classes)
        ax.set_title(f"{name} ({threshold:.2f})", fontsize=10)
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        (tn, fp), (fn, tp) = matrix.tolist()
        told.append(
            f"{name}: {tn} functional cells right and {fp} wrong, "
            f"{tp} defective cells right and {fn} wrong"
        )
    return fig, "Confusion matrices; " + "; ".join(told) + "."


def by_certainty(probabilities: Tensor, data: ImageSet) -> tuple[Figure, str]:
    """Accuracy with its standard error, for each probability that the experts gave."""
    fig, ax = style.figure(3.0)
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
        colour = style.COLOURS["1x1" if i < 2 else "3x3"]
        ax.bar(i, accuracy, yerr=error, color=colour, capsize=4, width=0.6)
        told.append(f"{accuracy:.2f} at {level}")
        levels[i] = f"{level}\n{n} cells"
    ax.set_xticks(range(4), levels)
    ax.set_ylim(0, 1)
    ax.set_xlabel("the experts' probability of a defect (from ⅔ on labelled defective)")
    ax.set_ylabel("share right")
    ax.set_title("where the network is right, with standard error", fontsize=10)
    return fig, "Share of right answers by the experts' probability: " + ", ".join(told)


def confident_mistakes(
    probabilities: Tensor, data: ImageSet, count: int = 8
) -> tuple[Figure, str]:
    """The ``count`` wrongly classified images whose wrong class got the most
    probability.
    """
    wrong = metrics.predict_classes(probabilities) != data.labels
    sure = probabilities.max(1).values * wrong
    worst = sure.argsort(descending=True)[: min(count, int(wrong.sum()))].tolist()
    rows = max(1, math.ceil(len(worst) / 4))
    fig, axes = style.figure(2.5 * rows, rows=rows, columns=4, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, i in zip(axes.flat, worst, strict=False):
        said = f"network {probabilities[i, 1]:.2f}, experts {data.targets[i, 1]:.2f}"
        style.picture(
            ax, data.images[i, 0].numpy(), f"{data.names[i]} ({data.groups[i]})\n{said}"
        )
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    names = ", ".join(data.names[i] for i in worst)
    return fig, f"The most confident mistakes, each with both probabilities: {names}."
