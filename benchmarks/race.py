"""Does Inception earn its place? Its rivals at equal cost, on the same images.

    python benchmarks/race.py --jobs 2    # what is missing of ten seeds, in order
    python benchmarks/race.py --table     # race.csv from what is there

A job is a form (see inception_lib.analysis.forms), a number of epochs and a seed,
which also draws the split (see race_split in notebook 10's lesson). All forms have ten
epochs; Inception also has as many as it can do in the minutes of the rivals that are
quicker at the same multiply-adds (race_time.csv, which --time measures). What each
network answers is kept in runs/race. race.csv has, for both test sets, accuracy, AUC,
and in how many images only this network is right, or only Inception with ten epochs and
the same seed. Nothing is chosen by what comes out.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from common import machine
from torch import Tensor

from inception_lib.analysis.forms import FORMS, Racer
from inception_lib.analysis.speed import interleaved, training_step
from inception_lib.model.device import pick_precision
from inception_lib.teaching.lessons.nb10 import RECIPE, race_split, train_racer
from inception_lib.training import metrics, solar_cells
from inception_lib.training.checkpoint import read_tensors, write_tensors

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "inception_lib" / "teaching" / "data"
SEEDS = range(10)
FEWER = (7, 9)  # epochs of Inception that take as long as 10 of its quicker rivals
SETS = ("same_panels", "new_panels")


class Job(NamedTuple):
    seed: int
    form: str
    epochs: int
    precision: str = "float32"

    @property
    def file(self) -> Path:
        name = self.form.replace(" ", "_").replace("×", "x")
        return ROOT / "runs" / "race" / f"{self.seed}_{name}_{self.epochs}.safetensors"


def all_jobs() -> list[Job]:
    """Every prefix of the list is a race: first all forms with a seed, then the next;
    then Inception again, with as many epochs as its quicker rivals leave time for.
    """
    forms = [(form, RECIPE.epochs) for form in FORMS]
    forms += [("Inception", epochs) for epochs in FEWER]
    return [Job(seed, *form) for seed in SEEDS for form in forms]


def run(job: Job) -> str:
    """Train, keep the probabilities of a defect on both test sets, and tell."""
    torch.set_num_threads(1)
    sets = race_split(solar_cells(), job.seed)
    config = replace(
        RECIPE,
        seed=job.seed,
        epochs=job.epochs,
        precision=job.precision,  # type: ignore[arg-type]  # one of its choices
    )
    trained = train_racer(job.form, sets.train, config, progress=None)
    answers = {name: trained.predict(getattr(sets, name)) for name in SETS}
    job.file.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(job.file, answers, {"machine": machine()})
    right = [metrics.scores(answers[s], getattr(sets, s).labels) for s in SETS]
    accuracies = " ".join(f"{r['accuracy']:.3f} {r['roc_auc']:.3f}" for r in right)
    return f"{job.seed} {job.form}, {job.epochs} epochs: {accuracies}"


def rows() -> Iterator[dict]:
    """The lines of race.csv, from what is kept."""
    for job in all_jobs():
        first = Job(job.seed, "Inception", RECIPE.epochs)
        if not (job.file.exists() and first.file.exists()):
            continue
        labels_of = labels(job.seed)
        kept, info = read_tensors(job.file)
        rival, _ = read_tensors(first.file)
        row: dict = {"seed": job.seed, "form": job.form, "epochs": job.epochs}
        for name in SETS:
            truth = labels_of[name]
            found = metrics.scores(kept[name], truth)
            right, theirs = (
                metrics.predict_classes(each[name]) == truth for each in (kept, rival)
            )
            row |= {
                f"{name}_accuracy": round(found["accuracy"], 4),
                f"{name}_auc": round(found["roc_auc"], 4),
                f"{name}_images": len(truth),
                f"{name}_only_it": int((right & ~theirs).sum()),
                f"{name}_only_inception": int((theirs & ~right).sum()),
            }
        yield row | {"machine": info["machine"]}


@cache
def labels(seed: int) -> dict[str, Tensor]:
    sets = race_split(solar_cells(), seed)
    return {name: getattr(sets, name).labels for name in SETS}


def step_times() -> pd.DataFrame:
    """A training step of each form, turn by turn, as a fraction of Inception's: the
    median of 9 turns, with one thread, as the jobs have.
    """
    torch.set_num_threads(1)
    size, batch = RECIPE.image_size, RECIPE.batch_size
    steps = {form: training_step(Racer(form), size, batch) for form in FORMS}
    seconds = interleaved(steps, rounds=9)
    ratio = seconds.div(seconds["Inception"], axis=0).median().round(2)
    return ratio.rename_axis("form").rename("time").reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--table", action="store_true", help="only write race.csv")
    parser.add_argument("--time", action="store_true", help="only write race_time.csv")
    options = parser.parse_args()
    if options.time:
        step_times().to_csv(DATA / "race_time.csv", index=False)
        return
    precision, _ = pick_precision("auto", torch.device("cpu"))
    left = [j._replace(precision=precision) for j in all_jobs() if not j.file.exists()]
    if not options.table:
        spawn = get_context("spawn")
        with ProcessPoolExecutor(options.jobs, mp_context=spawn) as pool:
            for number, done in enumerate(
                as_completed([pool.submit(run, job) for job in left]), 1
            ):
                print(f"{number} of {len(left)}: {done.result()}", flush=True)
    pd.DataFrame(rows()).to_csv(DATA / "race.csv", index=False)


if __name__ == "__main__":
    main()
