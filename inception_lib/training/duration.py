"""How long a training will take here, told before it begins."""

import time
from collections import Counter
from copy import deepcopy
from itertools import islice, pairwise
from statistics import median

import torch
from torch import nn

from .config import TrainingConfig, image_sizes
from .data import Images
from .loop import (
    channels_of,
    fitting,
    measure,
    prepare_stage,
    prepare_state,
    remaining_batches,
    train_step,
)
from .run import Run

WARM_UP, TIMED = 2, 4  # steps at each image size
MEASURED = 256  # validation images


def seconds_ahead(
    train: Images,
    validation: Images | None = None,
    config: TrainingConfig | None = None,
    model: nn.Module | None = None,
) -> float:
    """The seconds that ``fit`` would take with these arguments, now and here.

    A few steps are done with images of each size that the epochs will have, and a part
    of the validation images is measured, all with a network that is then thrown away;
    ``model`` and the random numbers stay as they are. It takes a few percent of what it
    foretells. Raises what ``fit`` raises.
    """
    config = fitting(config or TrainingConfig(), len(train), lambda said: None)
    steps = len(train) // config.batch_size
    total = 0.0
    with torch.random.fork_rng(devices=[]):
        state = prepare_state(config, train.classes, deepcopy(model), steps, None, None)
        run = Run(state.average.module, config, train.classes, pixel_std=0.2)
        run.channels = channels_of(train)
        for size, epochs in Counter(image_sizes(config)).items():
            start = time.perf_counter()
            some = validation and validation.subset(slice(MEASURED))
            stage = prepare_stage(size, train, some, config, state)
            total += time.perf_counter() - start  # all are resized, once
            batches = remaining_batches(stage, config, state, steps)
            times = [time.perf_counter()]
            for batch in islice(batches, WARM_UP + TIMED):
                loss, *_ = train_step(stage.forward, batch, run, state)
                float(loss)  # a GPU has done it only when its number is there
                times.append(time.perf_counter())
            each = [after - before for before, after in pairwise(times)]
            seconds = steps * median(each[WARM_UP:] or each)
            if validation and stage.validation:
                start = time.perf_counter()
                measure(run, stage.validation, size, state.precision)
                share = len(stage.validation) / len(validation)
                seconds += (time.perf_counter() - start) / share
            total += epochs * seconds
    return total


def in_words(seconds: float) -> str:
    """About as exactly as it is known: "40 seconds", "6.5 minutes", "2 hours"."""
    if seconds < 100:
        return f"{max(10 * round(seconds / 10), 10)} seconds"
    minutes = seconds / 60
    if minutes < 100:
        return f"{minutes:.0f} minutes" if minutes > 10 else f"{minutes:.1f} minutes"
    return f"{minutes / 60:.1f} hours"
