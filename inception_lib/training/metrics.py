"""How good the predictions are, and whether a probability of 0.8 is right in 8 of 10
cases (calibration). torchmetrics does the counting.
"""

import math

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_positive, is_number, shape_of
from .later import tm
from .log import tell


def scores(
    probabilities: Tensor, labels: Tensor, threshold: float = 0.5
) -> dict[str, float]:
    """Accuracy, balanced accuracy, F1 and ROC AUC, each in 0…1, of N×K probabilities.

    ``labels`` are N class indices. With two classes the second is the positive one: it
    is predicted at ``threshold`` or above, and F1 is its F1. With more, the likeliest
    class counts, and F1 and AUC are means over the classes. Balanced accuracy is the
    mean of the recalls. Raises ValueError if the lengths differ, nothing is given or a
    probability is not a number.
    """
    check(probabilities, labels)
    classes = probabilities.shape[1]
    predicted = predict_classes(probabilities, threshold)
    f1 = tm.multiclass_f1_score(predicted, labels, classes, average="none")
    # A ranking needs both kinds of label; without them there is no AUC to speak of.
    ranked = len(labels.unique()) == classes
    auc = tm.multiclass_auroc(probabilities, labels, classes) if ranked else math.nan
    return {
        "accuracy": float((predicted == labels).double().mean()),
        "balanced_accuracy": float(
            tm.multiclass_accuracy(predicted, labels, classes, average="macro")
        ),
        "f1": float(f1[1] if classes == 2 else f1.mean()),
        "roc_auc": float(auc),
    }


def predict_classes(probabilities: Tensor, threshold: float = 0.5) -> Tensor:
    """N×K probabilities -> N class indices; ``threshold`` is used with two classes
    only.
    """
    if not is_number(threshold) or math.isnan(threshold):
        raise ValueError(f"threshold must be a number, got {threshold!r}")
    if probabilities.shape[1] == 2:
        return (probabilities[:, 1] >= threshold).long()
    return probabilities.argmax(1)


def confusion_matrix(
    probabilities: Tensor, labels: Tensor, threshold: float = 0.5
) -> Tensor:
    """K×K counts: row = true class, column = predicted class."""
    check(probabilities, labels)
    return tm.multiclass_confusion_matrix(
        predict_classes(probabilities, threshold),
        labels,
        num_classes=probabilities.shape[1],
    )


def threshold_for_recall(probabilities: Tensor, labels: Tensor, recall: float) -> float:
    """The highest threshold that still finds this share (0…1) of the second class.

    Choose it on validation, never on the test set. Raises ValueError on a recall
    outside 0…1 or if there is no image of the second class.
    """
    check(probabilities, labels)
    if not is_number(recall) or not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
    positive = probabilities[labels == 1, 1].sort(descending=True).values
    if not len(positive):
        raise ValueError("there is no image of the second class to find")
    return positive[math.ceil(recall * len(positive)) - 1].item()


def standard_error(accuracy: float, n: int) -> float:
    """How far chance alone moves an accuracy measured on ``n`` images: sqrt(p (1 − p) /
    n). Raises ValueError on an accuracy outside 0…1 or no images.
    """
    check_positive(n=n)
    if not is_number(accuracy) or not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be 0 to 1, got {accuracy!r}")
    return math.sqrt(accuracy * (1 - accuracy) / n)


def difference(first: Tensor, second: Tensor, labels: Tensor) -> tuple[float, float]:
    """How far the accuracy of ``first`` is above that of ``second``, and the standard
    error of this difference: both are N×K probabilities of the same images.

    It counts image by image, for what both get right, or both wrong, can't tell them
    apart (McNemar 1947). Raises ValueError as ``scores`` does.
    """
    check(first, labels)
    check(second, labels)
    right = [(predict_classes(p) == labels).double() for p in (first, second)]
    gain = right[0] - right[1]
    return gain.mean().item(), gain.std(correction=0).item() / len(gain) ** 0.5


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 10) -> pd.DataFrame:
    """A row per tenth of confidence that occurs: mean confidence, accuracy, count.

    N×K probabilities; the confidence is the largest of the K. DeGroot and Fienberg
    1983. Raises ValueError if ``bins`` is not a positive integer, or as ``scores``
    does.
    """
    check_positive(bins=bins)
    check(probabilities, labels)
    confidence, answer = probabilities.max(1)
    table = pd.DataFrame(
        {"confidence": confidence.double(), "accuracy": (answer == labels).double()}
    )
    edges = (table["confidence"] * bins).clip(upper=bins - 1).astype(int) / bins
    groups = table.groupby(edges.rename("from"))
    return groups.mean().assign(count=groups.size()).reset_index()


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 10) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy,
    over the images (Guo et al. 2017, arXiv:1706.04599, equation 3). Raises ValueError
    as ``reliability`` does.
    """
    check_positive(bins=bins)
    check(probabilities, labels)
    return tm.multiclass_calibration_error(
        probabilities, labels, probabilities.shape[1], n_bins=bins, norm="l1"
    ).item()


def with_temperature(probabilities: Tensor, temperature: float) -> Tensor:
    """The softmax of the logits divided by ``temperature``: N×K -> N×K.

    Above 1 the answers are less sure, below 1 surer; their order stays. Raises
    ValueError if it isn't positive.
    """
    if not is_number(temperature) or not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    return (_log(probabilities) / temperature).softmax(1)


def fit_temperature(probabilities: Tensor, targets: Tensor) -> float:
    """The temperature with the smallest cross-entropy, on images that were not trained
    on and are not the test set (Guo et al. 2017, section 4.2).

    ``targets``: N class indices or N×K probabilities. L-BFGS finds its logarithm. Where
    no temperature is the best, as when every answer is right, or the best is below 1/20
    or above 20, the data can't tell: it is 1, and a line says so. Raises ValueError if
    the shapes don't match.
    """
    both = isinstance(probabilities, Tensor) and isinstance(targets, Tensor)
    soft = both and targets.shape == probabilities.shape
    labels = targets.argmax(1) if soft else targets
    check(probabilities, labels)
    logits = _log(probabilities).double()
    if targets.is_floating_point():
        targets = targets.double()
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)  # log(1/T)
    optimizer = torch.optim.LBFGS([scale], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(logits * scale.exp(), targets)
        value.backward()
        return value

    optimizer.step(loss)
    temperature = scale.detach().neg().exp().item()
    certain = not soft or bool((targets.max(1).values == 1).all())
    all_right = certain and bool((probabilities.argmax(1) == labels).all())
    if 0.05 < temperature < 20 and not all_right:
        return temperature
    why = "every answer is right" if all_right else "there is no best one in 0.05…20"
    tell(
        f"the temperature stays 1: {why} on these {len(targets)} images, so they can't "
        "tell how sure to be; measure it on more"
    )
    return 1.0


def check(probabilities: Tensor, labels: Tensor) -> None:
    """Raise a ValueError unless given N×K finite probabilities and N labels, K > 1."""
    got = f"{shape_of(probabilities)} and {shape_of(labels)}"
    tensors = isinstance(probabilities, Tensor) and isinstance(labels, Tensor)
    if not tensors or (probabilities.dim(), labels.dim()) != (2, 1):
        raise ValueError(f"expected N×K probabilities and N labels, got {got}")
    n, k = probabilities.shape
    if n != len(labels) or not n or k < 2:
        raise ValueError(
            f"expected N×K probabilities and N labels with N > 0 and K > 1, got {got}"
        )
    if not torch.isfinite(probabilities).all():
        raise ValueError("some probabilities are not numbers: the network has diverged")
    if labels.dtype != torch.int64 or not ((0 <= labels) & (labels < k)).all():
        raise ValueError(f"labels must be indices (int64) of the {k} classes")


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(1e-12).log()
