"""Measure the tables of notebooks 08, 09 and 11 that take too long for a notebook.

python benchmarks/lesson_tables.py heads                # heads_over_training.csv
python benchmarks/lesson_tables.py finetuning 0 1 2     # finetuning.csv, seed by seed
python benchmarks/lesson_tables.py views RUN [RUN ...]  # views.csv
python benchmarks/lesson_tables.py cracks RUN 0 1       # cracks.csv
python benchmarks/lesson_tables.py dreams RUN           # dreams.csv

The runs differ in the seed. The tables are in inception_lib/teaching/data and are
written over. On one busy core without bfloat16, a seed of finetuning takes about 19
minutes, views of three runs at 96 pixels about 25, a seed of cracks about 30.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch

from inception_lib import GoogLeNet
from inception_lib.analysis.attribution import randomised
from inception_lib.analysis.cracks import draw_crack
from inception_lib.analysis.dreams import driven
from inception_lib.analysis.parts import answers
from inception_lib.training import (
    ImageSet,
    Run,
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
from inception_lib.training.augment import Augment
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


def cracks(folder: str, seeds: list[int]) -> Iterator[dict]:
    """How sure of a defect a run is when a crack is drawn into healthy cells, by the
    crack's angle: as it is, and after four more epochs, on the same cells, on cells
    turned by any angle, and with cracks drawn into a quarter of the healthy ones.
    """
    run = load_run(folder)
    train, judge, _ = split(solar_cells(run.config.image_size), run.config.split_seed)
    said = run.predict(judge, views="one")[:, 1]
    healthy = judge.subset((judge.targets[:, 1] == 0) & (said < 0.5))
    healthy = healthy.subset(slice(None, None, max(1, len(healthy) // 24)))

    def row(way: str, run: Run, seed: int) -> dict:
        found = {"way": way, "seed": seed} | scores(run.predict(judge), judge.labels)
        pictures = {"none": healthy.images}
        pictures |= {str(a): draw_crack(healthy.images, a) for a in range(0, 180, 15)}
        for name, images in pictures.items():
            sure = run.predict(images, views="one")[:, 1]
            found[name] = round(sure.mean().item(), 3)
        return found

    yield row("as it was", run, run.config.seed)
    for seed in seeds:
        torch.manual_seed(seed)
        turned = replace(train, images=Augment((), shift=0, rotate=180)(train.images))
        ways = {"cracks": with_cracks(train, seed), "more": train, "turned": turned}
        for way, data in ways.items():
            options: dict[str, Any] = {"weights": folder, "lr": 1e-3, "epochs": 4}
            options |= {"optimizer": "adamw", "grow": False, "seed": seed}
            config = replace(run.config, **options)
            yield row(way, fit(data, None, config, progress=None), seed)


def with_cracks(data: ImageSet, seed: int) -> ImageSet:
    """Each fourth healthy cell gets a crack, of any angle, and is called defective."""
    random = torch.Generator().manual_seed(seed)
    images, labels, targets = (
        t.clone() for t in (data.images, data.labels, data.targets)
    )
    for i in (labels == 0).nonzero().flatten().tolist()[::4]:
        angle, length, width, dark, row, column = torch.rand(
            6, generator=random
        ).tolist()
        images[i] = draw_crack(
            images[[i]],
            180 * angle,
            0.3 + 0.6 * length,
            1 + 2 * width,
            0.2 + 0.5 * dark,
            (0.2 + 0.6 * row, 0.2 + 0.6 * column),
        )[0]
        labels[i], targets[i] = 1, torch.tensor([0.0, 1.0])
    return replace(data, images=images, labels=labels, targets=targets)


def dreamt(folder: str) -> Iterator[dict]:
    """How far a run's dreams of 72 channels drive them, and a shuffled network's."""
    run = load_run(folder)
    model = cast(GoogLeNet, run.model)
    _, judge, _ = split(solar_cells(run.config.image_size), run.config.split_seed)
    x, ready = prepare(judge.images, run.pixel_std), partial(prepare, std=run.pixel_std)
    shuffled = randomised(model, x)
    for dreamer, network in {"trained": model, "shuffled": shuffled}.items():
        table = driven(model, network, x, ready, 8).round({"reached": 3})
        yield from table.assign(dreamer=dreamer).to_dict("records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = parser.add_subparsers(dest="table", required=True)
    tables.add_parser("heads")
    tables.add_parser("finetuning").add_argument("seeds", type=int, nargs="+")
    tables.add_parser("views").add_argument("runs", nargs="+")
    cracked = tables.add_parser("cracks")
    cracked.add_argument("run")
    cracked.add_argument("seeds", type=int, nargs="+")
    tables.add_parser("dreams").add_argument("run")
    options = parser.parse_args()
    if options.table == "heads":
        name, measured = "heads_over_training", heads()
    elif options.table == "finetuning":
        name, measured = "finetuning", finetuning(options.seeds)
    elif options.table == "cracks":
        name, measured = "cracks", cracks(options.run, options.seeds)
    elif options.table == "dreams":
        name, measured = "dreams", dreamt(options.run)
    else:
        name, measured = "views", many_views(options.runs)
    rows = []
    for row in measured:
        rows.append(row)
        print(row, flush=True)
    pd.DataFrame(rows).to_csv(DATA / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
