"""Measure the tables of notebooks 08 and 09 that take too long for a notebook.

python benchmarks/lesson_tables.py heads                # heads_over_training.csv
python benchmarks/lesson_tables.py finetuning 0 1 2     # finetuning.csv, seed by seed
python benchmarks/lesson_tables.py views RUN [RUN ...]  # views.csv

The runs differ in the seed. The tables are in inception_lib/teaching/data and are
written over. On one busy core without bfloat16, a seed of finetuning takes about 19
minutes, views of three runs at 96 pixels about 25.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from inception_lib.analysis.parts import answers
from inception_lib.training import (
    TrainingConfig,
    fit,
    load_run,
    metrics,
    pixel_std,
    prepare,
    save_run,
    solar_cells,
    split,
)
from inception_lib.training.checkpoint import read_tensors
from inception_lib.training.run import build_model
from inception_lib.training.views import VIEWS

DATA = Path(__file__).resolve().parents[1] / "inception_lib" / "teaching" / "data"
# The recipe of all three tables but for the size and the number of epochs.
RECIPE = TrainingConfig(image_size=96, epochs=20, optimizer="adamw", batch_size=32)
STEPS = 160  # of fine-tuning, whatever the number of images
SIZES = (32, 128, 512)


def scores(probabilities, labels) -> dict[str, float]:
    found = metrics.scores(probabilities, labels)
    return {name: round(found[name], 4) for name in ("accuracy", "roc_auc")}


def heads() -> Iterator[dict]:
    """The running average on the validation set after every epoch, by output."""
    train, validation, _ = split(solar_cells(), seed=RECIPE.split_seed)
    std, rows = pixel_std(train), []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"

        def look(history: pd.DataFrame) -> None:
            epoch, size = history.iloc[-1][["epoch", "image_size"]].astype(int)
            model = build_model(RECIPE, len(validation.classes))
            prefix = "average.module."
            tensors, _ = read_tensors(checkpoint)
            average = {k: v for k, v in tensors.items() if k.startswith(prefix)}
            model.load_state_dict(
                {k.removeprefix(prefix): v for k, v in average.items()}
            )
            model.image_size = int(size)
            model.eval()
            images = validation.resized(int(size)).images
            with torch.no_grad():
                parts = [answers(model, prepare(x, std)) for x in images.split(64)]
            for name in parts[0]:
                logits = torch.cat([part[name][1] for part in parts])
                row: dict = {"image_size": RECIPE.image_size, "seed": RECIPE.seed}
                row |= {"epoch": epoch, "output": name}
                rows.append(row | scores(logits.softmax(1), validation.labels))

        run = fit(train, validation, RECIPE, checkpoint=checkpoint, on_epoch=look)
    if run.interrupted:
        raise SystemExit("interrupted: the table stays as it was")
    yield from rows


def finetuning(seeds: list[int]) -> Iterator[dict]:
    """Scores on the poly cells of the validation set: from scratch, or from weights
    learned on mono cells, after the same number of steps.
    """
    train, validation, _ = split(solar_cells(), seed=RECIPE.split_seed)
    poly, judge = of_type(train, "poly"), of_type(validation, "poly")
    for seed in seeds:
        mono = replace(RECIPE, image_size=64, epochs=24, grow=False, seed=seed)
        order = torch.randperm(len(poly), generator=torch.Generator().manual_seed(seed))
        with tempfile.TemporaryDirectory() as folder:
            save_run(fit(of_type(train, "mono"), None, mono, progress=None), folder)
            weights: dict[str, Any] = {"weights": folder, "lr": 1e-3}
            ways: dict[str, dict[str, Any]] = {
                "from scratch": {},
                "fine-tuned": weights,
                "early stages slower": weights | {"stage_lr": 0.5},
                "frozen up to 4": weights | {"freeze": "4"},
            }
            for size in SIZES:
                epochs = STEPS // (size // 16)
                here = replace(mono, batch_size=16, epochs=epochs)
                for way, options in ways.items():
                    config = replace(here, **options)
                    run = fit(poly.subset(order[:size]), None, config, progress=None)
                    row = {"way": way, "images": size, "seed": seed}
                    yield row | scores(run.predict(judge), judge.labels)


def of_type(data, cell_type: str):
    return data.subset([i for i, g in enumerate(data.groups) if g == cell_type])


def many_views(folders: list[str]) -> Iterator[dict]:
    """The validation images: each run, and the average of all, with each kind of
    views.
    """
    runs = [load_run(folder) for folder in folders]
    _, validation, _ = split(solar_cells(), runs[0].config.split_seed)
    for kind, look in VIEWS.items():
        size = runs[0].config.image_size
        count = len(list(look(validation.images[:1], size)))
        each = [run.predict(validation, views=kind) for run in runs]
        for run, probabilities in zip(runs, each, strict=True):
            row = {"views": kind, "seed": str(run.config.seed), "passes": count}
            yield row | scores(probabilities, validation.labels)
        row = {"views": kind, "seed": "all", "passes": count * len(runs)}
        yield row | scores(torch.stack(each).mean(0), validation.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = parser.add_subparsers(dest="table", required=True)
    tables.add_parser("heads")
    tables.add_parser("finetuning").add_argument("seeds", type=int, nargs="+")
    tables.add_parser("views").add_argument("runs", nargs="+")
    options = parser.parse_args()
    if options.table == "heads":
        name, measured = "heads_over_training", heads()
    elif options.table == "finetuning":
        name, measured = "finetuning", finetuning(options.seeds)
    else:
        name, measured = "views", many_views(options.runs)
    rows = []
    for row in measured:
        rows.append(row)
        print(row, flush=True)
    pd.DataFrame(rows).to_csv(DATA / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
