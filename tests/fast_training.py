"""Cuts every training and measurement short, for tests of everything around it.

A notebook's kernel runs this file before the first cell if PYTHONSTARTUP names it: then
``fit`` trains for one epoch of at most 4 batches at 64 pixels or less and validates on
about 64 images, what is timed takes one turn instead of several, and the networks of 07
to 09 lie in folders of their own, where nobody takes them for trained ones. The solar
cells are decoded, and their HOG features computed, by the first kernel, and read in a
tenth of the time by the others.
``fit.__wrapped__`` is the whole training.
"""

import hashlib
import inspect
import os
import pickle
from dataclasses import replace
from functools import cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inception_lib import training
from inception_lib.analysis import speed
from inception_lib.teaching import trained
from inception_lib.training import TrainingConfig, baseline, data, duration, loop

BATCHES, VALIDATION, SIDE = 4, 64, 64
KEPT = Path(__file__).parents[1] / "build"
whole_cells = data._solar_cells
whole_interleaved = speed.interleaved
whole_features = baseline.hog_features
whole_fit, whole_trained_run, whole_keep = loop.fit, trained.trained_run, trained.keep
places: tuple[Any, ...] = (loop, training, trained)


@wraps(loop.fit)
def short_fit(train, validation=None, config=None, *arguments, **options):
    config = config or TrainingConfig()
    side = min(config.image_size, SIDE)
    config = replace(config, epochs=1, minutes=None, image_size=side, grow=False)
    few = train.subset(slice(BATCHES * config.batch_size))
    if validation is not None:
        step = max(1, len(validation) // VALIDATION)
        validation = validation.subset(slice(None, None, step))
    return whole_fit(few, validation, config, *arguments, **options)


@cache
def decoded_cells():
    return kept(f"solar-cells-{version('elpv-dataset')}", whole_cells)


@wraps(baseline.hog_features)
def features_once(images):
    found = hashlib.sha256(inspect.getsource(baseline).encode())
    found.update(images.numpy().tobytes())
    return kept(f"hog-{found.hexdigest()[:16]}", lambda: whole_features(images))


def kept(name, make):
    path = KEPT / f"{name}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())
    made = make()
    KEPT.mkdir(exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(made))
    part.replace(path)
    return made


@wraps(speed.interleaved)
def one_turn(tasks, rounds):
    return whole_interleaved(tasks, min(rounds, 1))


def elsewhere(folder):
    folder = Path(folder)
    return folder.with_name(f"{folder.name}-fast")


@wraps(trained.trained_run)
def trained_elsewhere(folder, quick="../runs/quick"):
    return whole_trained_run(elsewhere(quick), elsewhere(quick))


@wraps(trained.keep)
def keep_elsewhere(run, folder):
    return whole_keep(run, elsewhere(folder))


for module in places:
    module.fit = short_fit
speed.interleaved, data._solar_cells = one_turn, decoded_cells
baseline.hog_features = features_once
duration.WARM_UP, duration.TIMED, duration.MEASURED = 0, 1, 8
trained.trained_run, trained.keep = trained_elsewhere, keep_elsewhere
