"""Accuracy against the number of looks, on the validation images of solar cells.

python tools/measure_views.py RUN [RUN ...], folders of runs that differ in the seed;
writes inception_lib/teaching/data/views.csv: each run, and the average of all, with
each kind of views. About 25 minutes for three runs at 96 pixels, on one busy core
without bfloat16.
"""

import sys
from pathlib import Path

import pandas as pd
import torch

from inception_lib.training import load_run, metrics, solar_cells, split, views

TABLE = Path(__file__).parents[1] / "inception_lib/teaching/data/views.csv"
KINDS = ["one", "mirrored", "rectangle", "dihedral", "ten_crops", "paper"]


def main(folders: list[str]) -> None:
    runs = [load_run(folder) for folder in folders]
    _, validation, _ = split(solar_cells(), runs[0].config.split_seed)
    rows = []
    for kind in KINDS:
        look, size = getattr(views, kind), runs[0].config.image_size
        count = len(list(look(validation.images[:1], size)))
        each = [
            views.predict_views(run.model, validation.images, run.pixel_std, look, size)
            for run in runs
        ]
        answers = dict(zip((str(run.config.seed) for run in runs), each, strict=True))
        answers["all"] = torch.stack(each).mean(0)
        for seed, probabilities in answers.items():
            passes = count * (len(runs) if seed == "all" else 1)
            scores = metrics.scores(probabilities, validation.labels)
            row = {"views": kind, "seed": seed, "passes": passes}
            rows.append(row | {k: round(scores[k], 4) for k in ("accuracy", "roc_auc")})
            print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
