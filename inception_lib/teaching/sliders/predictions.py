"""What a network says to each image, from its clearest mistake on."""

from collections.abc import Sequence

from ipywidgets import IntSlider, ToggleButtons, VBox
from torch import Tensor

from ...training import metrics
from .. import style
from .explorer import Drawing, explorer


def draw_prediction(
    image: Tensor, probabilities: Tensor, label: int, classes: Sequence[str], name: str
) -> Drawing:
    """One image (C×S×S uint8), its K predicted probabilities as bars, and the truth."""
    fig, (left, right) = style.figure(2.8, columns=2)
    pixels = image[0] if image.shape[0] == 1 else image.permute(1, 2, 0)
    style.picture(left, pixels.numpy(), vmin=0, vmax=255)
    values = probabilities.tolist()
    said = int(metrics.predict_classes(probabilities[None]))
    verdict = "right" if said == label else "wrong"
    marks = [" (truth)" if i == label else "" for i in range(len(classes))]
    colours = [style.COLOURS["light"]] * len(classes)
    colours[said] = style.COLOURS["1x1" if said == label else "3x3"]
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
    return fig, (
        f"{name}, in truth {classes[label]}: predicted {classes[said]} with "
        f"probability {values[said]:.2f}, which is {verdict}."
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
    counts = {len(images), len(probabilities), len(labels), len(names)}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            f"got {len(images)} images, {len(probabilities)} predictions, "
            f"{len(labels)} labels and {len(names)} names: "
            "as many of each, at least one"
        )
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
