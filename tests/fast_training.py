"""Cuts every training short, for tests of everything around it.

A notebook's kernel runs this file before the first cell if PYTHONSTARTUP names it: then
``fit`` trains for one epoch of at most 8 batches at 64 pixels or less, and the networks
of 07 to 09 lie in folders of their own, where nobody takes them for trained ones.
``fit.__wrapped__`` is the whole training.
"""

from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from inception_lib import training
from inception_lib.teaching import trained
from inception_lib.training import TrainingConfig, loop

BATCHES, SIDE = 8, 64
whole_fit, whole_trained_run, whole_keep = loop.fit, trained.trained_run, trained.keep
places: tuple[Any, ...] = (loop, training, trained)


@wraps(loop.fit)
def short_fit(train, validation=None, config=None, *arguments, **options):
    config = config or TrainingConfig()
    side = min(config.image_size, SIDE)
    config = replace(config, epochs=1, image_size=side, grow=False)
    few = train.subset(slice(BATCHES * config.batch_size))
    return whole_fit(few, validation, config, *arguments, **options)


def elsewhere(folder):
    folder = Path(folder)
    return folder.with_name(f"{folder.name}-fast")


@wraps(trained.trained_run)
def trained_elsewhere(folder, quick="../runs/quick"):
    return whole_trained_run(elsewhere(quick), elsewhere(quick))


@wraps(trained.keep)
def keep_elsewhere(run, folder):
    whole_keep(run, elsewhere(folder))


for module in places:
    module.fit = short_fit
trained.trained_run, trained.keep = trained_elsewhere, keep_elsewhere
