"""Hardly any polycrystalline cells: from scratch, or from weights learned on mono ones.

python tools/measure_finetuning.py [SEED ...] appends to
inception_lib/teaching/data/finetuning.csv: the scores on the poly cells of the
validation set, after the same number of steps for every way and every number of images.
About 19 minutes for a seed, on one busy core without bfloat16.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from inception_lib.training import (
    TrainingConfig,
    fit,
    metrics,
    save_run,
    solar_cells,
    split,
)

TABLE = Path(__file__).parents[1] / "inception_lib/teaching/data/finetuning.csv"
STEPS = 160
SIZES = (32, 128, 512)
# The optimizer and the batch size of the table so far.
MONO = TrainingConfig(
    image_size=64, epochs=24, grow=False, optimizer="adamw", batch_size=32
)


def of_type(data, cell_type: str):
    return data.subset([i for i, g in enumerate(data.groups) if g == cell_type])


def main(seeds: list[int]) -> None:
    train, validation, _ = split(solar_cells(), seed=MONO.split_seed)
    poly, judge = of_type(train, "poly"), of_type(validation, "poly")
    rows = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            mono = replace(MONO, seed=seed)
            save_run(fit(of_type(train, "mono"), None, mono, progress=None), folder)
            weights = {"weights": folder, "lr": 1e-3}
            ways: dict[str, dict[str, Any]] = {
                "from scratch": {},
                "fine-tuned": weights,
                "early stages slower": weights | {"stage_lr": 0.5},
                "frozen up to 4": weights | {"freeze": "4"},
            }
            generator = torch.Generator().manual_seed(seed)
            order = torch.randperm(len(poly), generator=generator)
            for size in SIZES:
                epochs = STEPS // (size // 16)
                here = replace(mono, batch_size=16, epochs=epochs)
                for way, options in ways.items():
                    config = replace(here, **options)
                    run = fit(poly.subset(order[:size]), None, config, progress=None)
                    scores = metrics.scores(run.predict(judge), judge.labels)
                    row = {"way": way, "images": size, "seed": seed}
                    row |= {k: round(scores[k], 4) for k in ("accuracy", "roc_auc")}
                    rows.append(row)
                    print(row, flush=True)
    table = pd.DataFrame(rows)
    if TABLE.exists():
        table = pd.concat([pd.read_csv(TABLE), table])
    table.to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0])
