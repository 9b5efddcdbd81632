"""Is a probability of 0.8 right in 8 of 10 cases? Measure it, and mend it."""

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from ..checks import check_positive, is_number
from .metrics import check


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 10) -> pd.DataFrame:
    """A row per tenth of confidence that occurs: mean confidence, accuracy, count.

    N×K probabilities; the confidence is the largest of the K. DeGroot and Fienberg
    1983. Raises ValueError if ``bins`` is no positive integer, or as ``metrics.scores``
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
    return multiclass_calibration_error(
        probabilities, labels, probabilities.shape[1], n_bins=bins, norm="l1"
    ).item()


def with_temperature(probabilities: Tensor, temperature: float) -> Tensor:
    """The softmax of the logits divided by ``temperature``: N×K -> N×K.

    Above 1 it is less sure, below 1 surer; the order of the classes stays. Raises
    ValueError if it isn't positive.
    """
    if not is_number(temperature) or not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    return (_log(probabilities) / temperature).softmax(1)


def fit_temperature(probabilities: Tensor, targets: Tensor) -> float:
    """The temperature with the smallest cross-entropy, on images that were not trained
    on and are not the test set (Guo et al. 2017, section 4.2).

    ``targets``: N class indices or N×K probabilities. Found by L-BFGS in one
    number, by its logarithm; between 1/20 and 20. Raises ValueError if they don't fit
    together.
    """
    both = isinstance(probabilities, Tensor) and isinstance(targets, Tensor)
    soft = both and targets.shape == probabilities.shape
    check(probabilities, targets.argmax(1) if soft else targets)
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
    return scale.detach().neg().exp().clamp(0.05, 20).item()


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(1e-12).log()
