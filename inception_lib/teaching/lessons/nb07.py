"""07 · Training: the speed of a step, and how good the predictions are."""

from collections.abc import Sequence
from functools import partial
from itertools import product

import pandas as pd
import torch
from ipywidgets import VBox
from torch import Tensor

from ...analysis.speed import interleaved, network_flops, peak_flops, training_step
from ...model import GoogLeNet
from ...model.device import pick_precision
from ...training import ImageSet, metrics
from ...training.later import tm
from ..drawing import COLOURS, Drawing, figure, gallery, series, show_counts, show_image
from ..explorer import Choice, Slider, check_lengths, explorer

LAYOUTS = {"channels first": False, "channels last": True}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def measure_speed(image_size: int = 96, rounds: int = 3) -> pd.DataFrame:
    """A training step in every layout and precision, measured here and now; bfloat16
    only where the processor has it, since emulated it takes minutes.

    A row per combination: layout, precision, ratio (how many times as fast as channels
    first in float32, median of ``rounds`` in turn, batch 32) and fraction_of_peak: of
    the operations per second that one large convolution reaches here.
    """
    native = pick_precision("auto", torch.device("cpu"))[0]
    precisions = [name for name in PRECISIONS if name in ("float32", native)]
    model = GoogLeNet(2, image_size=image_size, batch_norm=True)
    flops = network_flops(model, image_size, 32, train=True)
    steps = {
        (layout, precision): training_step(
            GoogLeNet(2, image_size=image_size, batch_norm=True),
            image_size,
            channels_last=LAYOUTS[layout],
            precision=precision,
        )
        for layout, precision in product(LAYOUTS, precisions)
    }
    seconds = interleaved(steps, rounds)
    peak = max(peak_flops(PRECISIONS[name]) for name in precisions)
    table = pd.DataFrame(list(steps), columns=["layout", "precision"])
    table["ratio"] = seconds.rdiv(seconds.iloc[:, 0], axis=0).median().to_numpy()
    table["fraction_of_peak"] = (flops / seconds.median() / peak).to_numpy()
    return table


def draw_speed(measured: pd.DataFrame, layout: str, precision: str) -> Drawing:
    """The step of this layout and precision among the others that were measured."""
    chosen = (measured.layout == layout) & (measured.precision == precision)
    row = measured[chosen].iloc[0]
    fig, (left, right) = figure(2.4, 1, 2, sharey=True)
    names = measured.layout + ", " + measured.precision
    colours = [COLOURS["1x1" if on else "light"] for on in chosen]
    hatches = ["//" if on else "" for on in chosen]
    left.barh(names, measured.ratio, color=colours, hatch=hatches)
    right.barh(names, 100 * measured.fraction_of_peak, color=colours, hatch=hatches)
    left.bar_label(left.containers[0], fmt="%.2f", padding=3)
    right.bar_label(right.containers[0], fmt="%.0f", padding=3)
    left.set_xlim(0, 1.15 * measured.ratio.max())
    left.set_title(f"{row.ratio:.2f} times as fast")
    left.set_xlabel("steps in the time of one at the top")
    right.set_title(f"{row.fraction_of_peak:.0%} of the peak")
    right.set_xlabel("% of a large convolution's speed")
    right.set_xlim(0, 100)
    left.invert_yaxis()
    return Drawing(
        fig,
        f"A training step with {layout} in {precision} is {row.ratio:.2f} times as "
        f"fast as with channels first in float32, and reaches "
        f"{row.fraction_of_peak:.0%} of the processor's peak.",
    )


def explore_speed(measured: pd.DataFrame) -> VBox:
    """Toggle layout and precision; what ``measure_speed`` found is shown."""
    return explorer(
        partial(draw_speed, measured),
        layout=Choice("layout", LAYOUTS),
        precision=Choice("precision", measured.precision.unique()),
    )


def draw_prediction(
    image: Tensor, probabilities: Tensor, label: int, classes: Sequence[str], name: str
) -> Drawing:
    """One image (C×S×S uint8), its K predicted probabilities as bars, and the truth."""
    fig, (left, right) = figure(2.8, columns=2)
    show_image(left, image)
    values = probabilities.tolist()
    said = int(metrics.predict_classes(probabilities[None]))
    verdict = "right" if said == label else "wrong"
    colours = [COLOURS["light"]] * len(classes)
    colours[said] = COLOURS["1x1" if said == label else "3x3"]
    bars = right.barh(range(len(classes)), values, 0.5, color=colours)
    right.bar_label(bars, fmt="%.2f", padding=4)
    ticks = [c + " (truth)" * (i == label) for i, c in enumerate(classes)]
    right.set_yticks(range(len(classes)), ticks)
    right.set_ylim(len(classes) - 0.5, -0.5)
    right.set_xlim(0, 1.15)
    right.set_xticks([0, 0.5, 1])
    right.set_xlabel("predicted probability")
    right.set_title(f"{name}: {verdict}")
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

    choice = Choice("show", shown)
    unit = f"of the {len(images)}, or of the wrong ones"
    position = Slider("position", 1, 1, len(images), unit)

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

    return explorer(draw, choice=choice, position=position)


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
        false_alarms, found, _ = tm.binary_roc(p[:, 1], labels)
        auc = metrics.scores(p, labels)["roc_auc"]
        look = series(i) | {"marker": ""}
        ax.plot(false_alarms, found, label=f"{name}: AUC {auc:.3f}", **look)
        told.append(f"{name} has an area of {auc:.3f}")
    ax.plot([0, 1], [0, 1], ":", color=COLOURS["trunk"], label="guessing: 0.5")
    ax.set_xlabel("functional cells called defective (share)")
    ax.set_ylabel("defective cells found (share)")
    ax.set_title("ROC curve")
    ax.set_aspect("equal")
    ax.legend(loc="lower right")
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
        show_counts(ax, matrix, classes, "predicted", "true")
        ax.set_title(f"{name} ({threshold:.2f})")
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
        ax.bar(i, accuracy, 0.6, yerr=error, color=colour)
        told.append(f"{accuracy:.2f} at {level}")
        levels[i] = f"{level}\n{n} cells"
    ax.set_xticks(range(4), levels)
    ax.set_ylim(0, 1)
    ax.set_xlabel("the experts' probability of a defect (from ⅔ on labelled defective)")
    ax.set_ylabel("share right")
    ax.set_title("where the network is right, with standard error")
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
    names = [data.names[i] for i in worst]
    titles = [
        f"{data.names[i]} ({data.groups[i]})\n"
        f"network {probabilities[i, 1]:.2f}, experts {data.targets[i, 1]:.2f}"
        for i in worst
    ]
    return gallery(
        data.images[worst],
        titles,
        "The most confident mistakes, each with both probabilities: "
        f"{', '.join(names)}.",
    )
