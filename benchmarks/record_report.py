"""record.csv as the tables of docs/record.md: scores, and differences in pairs.

python benchmarks/record_report.py

It also writes the scores over the table that notebook 07 shows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from lesson_tables import DATA
from record import ENSEMBLE, FOLDER, PROTOCOLS, SEEDS, SPLITS, Job, Record, read_split

from inception_lib.training import ImageSet, solar_cells
from inception_lib.training.data import panels

NAMES = {"class": "random", "panel": "whole panels"}
RECIPES = ["majority", "file number", "HOG + SVM", "default", f"{ENSEMBLE}default"]
RIVALS = ("HOG + SVM", "file number")
SCORES = {
    "test_accuracy": "accuracy",
    "test_balanced_accuracy": "balanced",
    "test_roc_auc": "AUC",
    "test_mono_accuracy": "mono",
    "test_poly_accuracy": "poly",
}


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over splits and seeds, a row per protocol and recipe.

    "over splits" is the standard deviation of the splits' accuracies (each the mean of
    its seeds); "over seeds" that of the seeds of one split, in the mean over splits.
    """
    rows = []
    for protocol in PROTOCOLS:
        for recipe in RECIPES:
            here = table[(table.protocol == protocol) & (table.recipe == recipe)]
            groups = here.groupby("split")
            row = {"split": NAMES[protocol], "recipe": recipe}
            row |= {
                name: groups[column].mean().mean() for column, name in SCORES.items()
            }
            row["over splits"] = groups.test_accuracy.mean().std()
            row["over seeds"] = groups.test_accuracy.std().mean()
            rows.append(row)
    return pd.DataFrame(rows)


def standard_error(
    differences: Sequence[np.ndarray], groups: Sequence[np.ndarray]
) -> float:
    """The standard error of the mean over splits of the splits' mean differences.

    ``differences``: for each split, those of its cells; ``groups``: for each split, to
    which group each cell belongs. Cells of one group, in whichever splits they are,
    count as one draw; groups are independent.
    """
    parts = [
        pd.Series((d - d.mean()) / len(d) / len(differences), index=g)
        for d, g in zip(differences, groups, strict=True)
    ]
    sums = pd.concat(parts).groupby(level=0).sum()
    return float((sums**2).sum() ** 0.5)


def right(record: Record, job: Job, test: ImageSet) -> np.ndarray:
    """1 for each test cell if the job's answer is right, else 0."""
    said = record.answers[job.key]["test"] >= 0.5
    return (said == test.labels.numpy()).astype(float)


def paired(record: Record, cells: ImageSet) -> pd.DataFrame:
    """By how much *default* (mean of its seeds) is ahead on the same test cells.

    The accuracy with its range over the splits and four standard errors (see
    docs/record.md); the AUC with that over the splits.
    """
    table, rows = pd.DataFrame(record.rows.values()), []
    aucs = table.groupby(["protocol", "recipe", "split"]).test_roc_auc.mean()
    for protocol in PROTOCOLS:
        tests = [read_split(cells, Job("", protocol, s))["test"] for s in SPLITS]
        ours = [
            np.mean(
                [right(record, Job("default", protocol, s, k), test) for k in SEEDS],
                axis=0,
            )
            for s, test in zip(SPLITS, tests, strict=True)
        ]
        for rival in RIVALS:
            theirs = [
                right(record, Job(rival, protocol, s), test)
                for s, test in zip(SPLITS, tests, strict=True)
            ]
            apart = [a - b for a, b in zip(ours, theirs, strict=True)]
            means = np.array([d.mean() for d in apart])
            auc = aucs[protocol, "default"] - aucs[protocol, rival]
            names = [np.array(test.names) for test in tests]
            one = [standard_error([d], [n]) for d, n in zip(apart, names, strict=True)]
            rows.append(
                {
                    "split": NAMES[protocol],
                    "default minus": rival,
                    "difference": means.mean(),
                    "least": means.min(),
                    "most": means.max(),
                    "one split": np.mean(one),
                    "by cell": standard_error(apart, names),
                    "by block": standard_error(apart, [panels(t) for t in tests]),
                    "by split": means.std(ddof=1) / len(means) ** 0.5,
                    "AUC": auc.mean(),
                    "AUC by split": auc.std() / len(auc) ** 0.5,
                }
            )
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append([v if isinstance(v, str) else f"{v:.3f}" for v in row])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text.replace("nan", "")


def main() -> None:
    record = Record(FOLDER)
    table = scores(pd.DataFrame(record.rows.values()))
    table.round(3).to_csv(DATA / "record.csv", index=False)
    print(markdown(table))
    print()
    print(markdown(paired(record, solar_cells(8))))


if __name__ == "__main__":
    main()
