"""Results of runs that are too long for a notebook, with the command that made each."""

from importlib.resources import files

import pandas as pd


def table(name: str) -> pd.DataFrame:
    """A committed table: "recipe" (experiments), "time_to_accuracy" (more of them, with
    their time), "seeds" (repeated runs), "heads" (with heads or without),
    "heads_over_training" (each output's scores, epoch by epoch), "views" (more looks at
    a picture), "finetuning" (another task, few images), "record" (ten splits, five of
    them by whole panels), "race" and "race_time" (other modules in Inception's place),
    "dreams" (how far they drive their channels), "cracks" (drawn ones, by angle).
    """
    with (files(__package__) / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def summary(name: str = "seeds") -> pd.DataFrame:
    """Mean and standard deviation over the seeds of each kind of run."""
    scores = ["test_accuracy", "test_roc_auc"]
    groups = table(name).groupby("run", sort=False)[scores]
    return groups.agg(["count", "mean", "std"]).round(3)
