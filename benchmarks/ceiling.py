"""How high can a classifier of these solar cells score if its labels are uncertain?

    python benchmarks/ceiling.py

The experts gave each cell one of four probabilities of a defect: 0, 1/3, 2/3 or 1. The
class is "defective" from 2/3 on. An oracle that knows the true probability q of every
cell can still not know how an uncertain cell was judged, so it makes mistakes. How many
depends on how the four values are read:

- *Probability*: the value is q itself, and the class is a draw with that chance.
- *Votes*: three experts voted, each "defective" with chance q, and the value is the
  share of the votes. q follows a beta distribution, fitted to the four counts by
  maximum likelihood. The class is the majority of the three.
- *Copy*: the value follows from the picture, and a perfect copy of these experts makes
  no mistakes. This ceiling is 1.

Ceilings are exact sums over the distribution of q; the standard error is that of a test
set of 656 cells, the usual size.
"""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from inception_lib.training import solar_cells

TEST_CELLS = 656
VOTES = 3


def accuracy(chance: np.ndarray, weight: np.ndarray) -> float:
    """The expected accuracy of always naming the likelier class.

    ``chance``: N chances that a cell is labelled defective; ``weight``: the share of
    the cells that each stands for.
    """
    return float((weight * np.maximum(chance, 1 - chance)).sum())


def auc(chance: np.ndarray, weight: np.ndarray) -> float:
    """The expected area under the ROC curve of an oracle that sorts by ``chance``.

    The share of the pairs (defective, functional) in the right order; ties count half.
    """
    _, group = np.unique(chance, return_inverse=True)
    defective = np.bincount(group, weight * chance)
    functional = np.bincount(group, weight * (1 - chance))
    below = functional.cumsum() - functional
    right = (defective * (below + functional / 2)).sum()
    return float(right / (defective.sum() * functional.sum()))


def fit_votes(counts: np.ndarray) -> tuple[float, float]:
    """The beta distribution (a, b) under which these counts of 0 … n votes are
    likeliest.
    """
    k, n = np.arange(len(counts)), len(counts) - 1

    def loss(log_shape: np.ndarray) -> float:
        return -(counts * stats.betabinom.logpmf(k, n, *np.exp(log_shape))).sum()

    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead")
    a, b = np.exp(best.x)
    return float(a), float(b)


def votes(a: float, b: float, cells: int = 100_000) -> np.ndarray:
    """The chance of a "defective" majority for ``cells`` equally likely values of q."""
    q = stats.beta.ppf((np.arange(cells) + 0.5) / cells, a, b)
    return stats.binom.sf(VOTES // 2, VOTES, q)


def ceilings(probabilities: np.ndarray) -> pd.DataFrame:
    """A row per reading for N recorded values in {0, 1/3, 2/3, 1}."""
    counts = np.bincount((probabilities * VOTES).round().astype(int), minlength=4)
    majority = votes(*fit_votes(counts))
    readings = {
        "probability": (np.arange(4) / VOTES, counts / counts.sum()),
        "votes": (majority, np.full(len(majority), 1 / len(majority))),
        "copy": (np.array([0.0, 1.0]), np.full(2, 0.5)),
    }
    rows = []
    for reading, (chance, weight) in readings.items():
        best = accuracy(chance, weight)
        error = (best * (1 - best) / TEST_CELLS) ** 0.5
        rows.append((reading, best, error, auc(chance, weight)))
    columns = ["reading", "accuracy", "standard_error", "roc_auc"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    cells = solar_cells()
    probabilities = cells.targets[:, 1].double().numpy()
    kinds = np.array(cells.groups)
    for kind in ("all", "mono", "poly"):
        chosen = probabilities[(kinds == kind) | (kind == "all")]
        print(f"{kind}: {len(chosen)} cells")
        print(ceilings(chosen).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
