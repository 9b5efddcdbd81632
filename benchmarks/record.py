"""What each recipe reaches on the solar cells: five random splits, five by panel.

    python benchmarks/record.py                  # what is missing, in order
    python benchmarks/record.py --only default   # of these jobs only
    python benchmarks/record.py --only ensemble  # from saved answers, no training
    python benchmarks/record.py --status         # what is done, what is left

A job is a recipe, a split and a seed. Each leaves a line in record.csv, and in
record.npz the probability of a defect that it gives each cell, from which ensembles are
made and recipes compared in pairs. A second call does what is missing; on a processor a
training that was interrupted continues from its last epoch.

The splits are in splits.csv, by the names of the cells: of each random one 1,476 cells
to learn from, 492 to choose by and 656 to be judged by, and as nearly as whole panels
allow in the others. The recipes were chosen on the validation cells of the first split.
Nobody but this program opens the test sets; trials have no test scores.
"""

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from common import machine
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from inception_lib.model.device import pick_device, pick_precision
from inception_lib.training import (
    ImageSet,
    Run,
    TrainingConfig,
    baseline,
    fit,
    metrics,
    solar_cells,
    split,
)
from inception_lib.training.data import file_numbers

FOLDER = Path(__file__).parent
SETS = ("train", "validation", "test")
PROTOCOLS = ("class", "panel")
SPLITS, SEEDS = range(5), range(5)
ZOOM = 1.08  # of the second four of an ensemble's eight views
ENSEMBLE = "ensemble of "
GPU_MEMORY = 4e9  # bytes for each training: 3.2 to 3.7 GB were seen on an H100

LONG = TrainingConfig(optimizer="adamw", batch_size=32, epochs=150, image_size=160)
RECIPES = {"default": TrainingConfig(), "long": LONG}
# The default in half, twice and four times its time, on the first split.
BUDGETS = {f"{n} epochs": TrainingConfig(epochs=n) for n in (12, 48, 96)}
# What may pay for "long", on the validation cells of the first split.
TRIALS = {
    "long, 224 px": replace(LONG, image_size=224),
    "long, 192 px": replace(LONG, image_size=192),
    "long, Muon": replace(LONG, optimizer="muon", batch_size=64),
    "long, hard labels": LONG,
    "long, 300 epochs": replace(LONG, epochs=300),
    "long, never smaller": replace(LONG, grow=False),
    "long, weight decay 0.2": replace(LONG, weight_decay=0.2),
    "long, light augmentation": replace(LONG, augmentation="light"),
    "long, no heads": replace(LONG, aux=False),
}
Answers = dict[str, np.ndarray]  # "validation" and "test", with "8 views" behind or not


@dataclass(frozen=True)
class Job:
    """A recipe on a split (of a protocol: "class" or "panel"), with a seed."""

    recipe: str
    protocol: str
    split: int
    seed: int = 0

    @property
    def key(self) -> str:
        return f"{self.recipe}/{self.protocol}-{self.split}/{self.seed}"


def all_jobs() -> list[Job]:
    """In an order of which every beginning is a result worth having."""
    places = [(p, s) for s in SPLITS for p in PROTOCOLS]
    jobs = [Job(name, *place) for name in BASELINES for place in places]
    for recipe in RECIPES:
        jobs += [Job(recipe, *place, seed) for seed in SEEDS for place in places]
        jobs += [Job(ENSEMBLE + recipe, *place) for place in places]
        if recipe == "default":
            jobs += [Job(name, "class", 0, seed) for name in BUDGETS for seed in SEEDS]
    return jobs + [Job(name, "class", 0, seed) for seed in range(3) for name in TRIALS]


def table_of_splits(cells: ImageSet) -> pd.DataFrame:
    """For each cell (rows) the set that it is in, for each split (columns)."""
    table = pd.DataFrame(index=pd.Index(cells.names, name="cell"))
    for protocol in PROTOCOLS:
        for seed in SPLITS:
            column = pd.Series("", index=table.index)
            for name, part in zip(SETS, split(cells, seed, protocol), strict=True):
                column[list(part.names)] = name
            table[f"{protocol}-{seed}"] = column
    return table


def read_split(cells: ImageSet, job: Job) -> dict[str, ImageSet]:
    """The job's three sets, as splits.csv has them."""
    table = pd.read_csv(FOLDER / "splits.csv", index_col="cell")
    column = table.loc[list(cells.names), f"{job.protocol}-{job.split}"].to_numpy()
    return {name: cells.subset(np.flatnonzero(column == name)) for name in SETS}


# --- the jobs -------------------------------------------------------------------------


def trained(job: Job, sets: dict[str, ImageSet]) -> tuple[Answers, dict[str, object]]:
    """Train the recipe; on a trial's test set it is never asked."""
    config = replace((RECIPES | BUDGETS | TRIALS)[job.recipe], seed=job.seed)
    config = replace(
        config,
        split_seed=job.split,
        split_by=job.protocol,  # type: ignore[arg-type]  # one of its choices
    )
    train = sets["train"]
    if job.recipe == "long, hard labels":
        hard = torch.nn.functional.one_hot(train.labels, len(train.classes))
        train = replace(train, targets=hard.float())
    device = pick_device()
    checkpoint = None
    if device.type == "cpu":  # elsewhere a training takes a minute
        name = job.key.replace("/", "_").replace(" ", "_")
        checkpoint = FOLDER.parent / "runs" / "record" / f"{name}.safetensors"
    run = fit(
        train,
        None,  # nothing is chosen while it trains
        config,
        progress=None,
        checkpoint=checkpoint,
        resume=bool(checkpoint and checkpoint.exists()),
    )
    if run.interrupted:
        raise KeyboardInterrupt
    asked = ["validation"] if job.recipe in TRIALS else ["validation", "test"]
    answers = {}
    for name in asked:
        answers[name] = run.predict(sets[name])[:, 1].numpy()
        larger = zoomed(run, sets[name])[:, 1].numpy()
        answers[f"{name}, 8 views"] = (answers[name] + larger) / 2
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    precision, _ = pick_precision(config.precision, device)
    return answers, {"precision": precision, "minutes": round(run.seconds / 60, 2)}


def zoomed(run: Run, data: ImageSet) -> Tensor:
    """N×2 probabilities from the centre of the images, four flips each."""
    size = run.config.image_size
    images = TF.center_crop(data.resized(round(ZOOM * size)).images, [size, size])
    return run.predict(images)


def majority(train: ImageSet, data: ImageSet) -> np.ndarray:
    return np.full(len(data), float(baseline.majority_class(train.labels)))


def hog_and_svm(train: ImageSet, data: ImageSet) -> np.ndarray:
    svm = baseline.hog_svm().fit(hog_features(train), train.labels)
    decisions = svm.decision_function(hog_features(data))
    return baseline.as_probabilities(decisions)[:, 1].numpy()


def hog_features(data: ImageSet) -> np.ndarray:
    known = all_hog_features()
    return np.stack([known[name] for name in data.names])


@cache
def all_hog_features() -> dict[str, np.ndarray]:
    cells = solar_cells()
    features = baseline.hog_features(cells.images)
    return dict(zip(cells.names, features, strict=True))


def file_number(train: ImageSet, data: ImageSet) -> np.ndarray:
    """Of the nine training cells with the nearest numbers, how many are defective."""
    numbers, others = (file_numbers(part)[:, None] for part in (train, data))
    neighbours = baseline.file_number_knn().fit(numbers, train.labels)
    return neighbours.predict_proba(others)[:, 1]


BASELINES: dict[str, Callable[[ImageSet, ImageSet], np.ndarray]] = {
    "majority": majority,
    "HOG + SVM": hog_and_svm,
    "file number": file_number,
}


def done_by(job: Job, cells: Callable[[], ImageSet]) -> tuple[Answers, dict]:
    """The probabilities that the job ends with, and its line of the table."""
    sets = read_split(cells(), job)
    info: dict[str, object] = {"precision": "", "minutes": np.nan}
    if job.recipe in BASELINES:
        start, answers = time.perf_counter(), {}
        for name in ("validation", "test"):
            answers[name] = BASELINES[job.recipe](sets["train"], sets[name])
        info["minutes"] = round((time.perf_counter() - start) / 60, 2)
    else:
        answers, info = trained(job, sets)
    return answers, info | score(sets, answers)


def ensemble(job: Job, known: dict[str, Answers]) -> Answers | None:
    """The mean of a recipe's five seeds, eight views each, once they are there."""
    recipe = job.recipe.removeprefix(ENSEMBLE)
    members = [known.get(replace(job, recipe=recipe, seed=seed).key) for seed in SEEDS]
    if not all(members):
        return None
    return {
        name: np.mean([m[f"{name}, 8 views"] for m in members if m], axis=0)
        for name in ("validation", "test")
    }


def score(sets: dict[str, ImageSet], answers: Answers) -> dict[str, float]:
    """Scores on validation and, if it was asked, on test: all cells, mono, poly."""
    row = {}
    for name in ("validation", "test"):
        if name not in answers:
            continue
        data, chance = sets[name], torch.from_numpy(answers[name]).float()
        both = torch.stack([1 - chance, chance], dim=1)
        for kind in ("", "mono ", "poly ") if name == "test" else ("",):
            here = torch.tensor([kind.strip() in group for group in data.groups])
            found = metrics.scores(both[here], data.labels[here])
            for short in ("accuracy", "balanced_accuracy", "roc_auc"):
                column = f"{name} {kind}{short}".replace(" ", "_")
                row[column] = round(found[short], 4)
    return row


# --- the table ------------------------------------------------------------------------


class Record:
    """record.csv and record.npz in a folder; each job is kept as it ends."""

    def __init__(self, folder: Path):
        self.table, self.arrays = folder / "record.csv", folder / "record.npz"
        self.rows: dict[str, dict] = {}
        self.answers: dict[str, Answers] = {}
        if self.table.exists():
            for row in pd.read_csv(self.table).to_dict("records"):
                names = [str(name) for name in row]
                values = dict(zip(names, row.values(), strict=True))
                job = Job(*(values[name] for name in list(Job.__dataclass_fields__)))
                self.rows[job.key] = values
        if self.arrays.exists():
            with np.load(self.arrays) as arrays:
                for name, numbers in arrays.items():
                    key, part = name.rsplit("/", 1)
                    self.answers.setdefault(key, {})[part] = numbers / np.float32(65535)

    def add(self, job: Job, answers: Answers, info: dict) -> None:
        """Both files are written whole, then renamed."""
        self.rows[job.key] = job.__dict__ | info
        self.answers[job.key] = answers
        order = [job.key for job in all_jobs() if job.key in self.rows]
        table = pd.DataFrame([self.rows[key] for key in order])
        arrays: dict[str, Any] = {  # 16 bits are as many digits as matter
            f"{key}/{part}": np.round(chance * 65535).astype(np.uint16)
            for key, parts in self.answers.items()
            for part, chance in parts.items()
        }
        temporary = self.table.with_suffix(".part")
        table.to_csv(temporary, index=False)
        os.replace(temporary, self.table)
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, self.arrays)


def here() -> dict[str, str]:
    """The version of this project, and the machine."""
    command = ["git", "-C", str(FOLDER), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"commit": found.stdout.strip(), "machine": machine()}


def status(jobs: Iterable[Job], record: Record) -> str:
    """A line per recipe and protocol: how many are done; and the next one."""
    table = pd.DataFrame(
        [(j.recipe, j.protocol, j.key in record.rows) for j in jobs],
        columns=["recipe", "protocol", "done"],
    )
    groups = table.groupby(["recipe", "protocol"], sort=False).done
    lines = [
        f"{recipe:<24} {protocol:<5} {int(done.sum()):>3} of {len(done)}"
        for (recipe, protocol), done in groups
    ]
    left = [job.key for job in jobs if job.key not in record.rows]
    return "\n".join([*lines, f"next: {left[0]}" if left else "nothing is left"])


def fitting(jobs: int, free: float) -> int:
    """How many of the processes fit into a GPU's ``free`` bytes; one always starts."""
    fit_in = max(1, int(free // GPU_MEMORY))
    if fit_in < jobs:
        print(
            f"--jobs {fit_in} instead of {jobs}: a training needs up to "
            f"{GPU_MEMORY / 1e9:.0f} GB, and the GPU has {free / 1e9:.0f} GB free"
        )
    return min(jobs, fit_in)


def prepare_worker(threads: int) -> None:
    torch.set_num_threads(threads)


def main(
    arguments: list[str] | None = None, cells: Callable[[], ImageSet] = solar_cells
) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", default="", help="jobs with this in their name, as in long/class-0/3"
    )
    parser.add_argument("--status", action="store_true", help="what is done, and left")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument(
        "--minutes", type=float, default=np.inf, help="after these, none is begun"
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the table")
    options = parser.parse_args(arguments)
    record = Record(options.out)
    jobs = [job for job in all_jobs() if options.only in job.key]
    if options.status:
        print(status(jobs, record))
        return
    if not (FOLDER / "splits.csv").exists():
        table_of_splits(cells()).to_csv(FOLDER / "splits.csv")
    about, end = here(), time.monotonic() + 60 * options.minutes

    def keep(job: Job, answers: Answers, info: dict) -> None:
        record.add(job, answers, about | info)
        scores = [f"{name} {info[name]:.3f}" for name in info if "_" in name]
        print(f"{job.key:<32} {info['minutes']:6.2f} minutes ", *scores[:6], flush=True)

    ensembles = [job for job in jobs if job.recipe.startswith(ENSEMBLE)]
    left = [j for j in jobs if j.key not in record.rows and j not in ensembles]
    side_by_side = options.jobs
    if torch.cuda.is_available():
        side_by_side = fitting(side_by_side, torch.cuda.mem_get_info()[0])
    threads = max(1, (os.cpu_count() or 1) // side_by_side)
    pool = ProcessPoolExecutor(
        side_by_side,
        mp_context=get_context("spawn"),
        initializer=prepare_worker,
        initargs=(threads,),
    )
    with pool:
        running: dict[Future, Job] = {}
        while left or running:
            while left and len(running) < side_by_side and time.monotonic() < end:
                job = left.pop(0)
                running[pool.submit(done_by, job, cells)] = job
            if not running:
                break
            finished = next(as_completed(running))
            job = running.pop(finished)
            try:
                keep(job, *finished.result())
            except (RuntimeError, FloatingPointError, OSError) as error:
                print(f"{job.key}: {error}", flush=True)  # the others continue
    for job in ensembles:
        if job.key not in record.rows:
            answers = ensemble(job, record.answers)
            if answers:
                scored = score(read_split(cells(), job), answers)
                keep(job, answers, {"precision": "", "minutes": np.nan} | scored)


if __name__ == "__main__":
    main()
