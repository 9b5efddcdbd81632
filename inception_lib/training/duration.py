"""How long a training will take here, told before it begins; and how many epochs fit
into some minutes.
"""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

import torch
from torch import nn

from .checkpoint import Saved, as_far_as
from .config import TrainingConfig, image_sizes
from .data import Images
from .run import Run
from .step import (
    channels_of,
    check_sets,
    fitting,
    measure,
    prepare_stage,
    prepare_state,
    remaining_batches,
    train_step,
)

WARM_UP, TIMED = 2, 4  # steps at each image size
MEASURED = 256  # validation images
EVERY_SIZE = 15  # epochs that see images of every size
# What five default trainings of so many epochs reached on the test set of the solar
# cells: accuracy and ROC AUC, mean and standard deviation (benchmarks/record.csv).
REACHED = {24: (0.849, 0.010, 0.883, 0.006)}


class Pace(NamedTuple):
    """Seconds, with images of one size."""

    once: float  # all are resized
    epoch: float


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
    predicts. With ``config.minutes`` it is just these. Raises what ``fit`` raises.
    """
    config = config or TrainingConfig()
    if config.minutes:
        return 60 * config.minutes
    return seconds(config, paces(train, validation, config, model))


def in_time(
    train: Images,
    validation: Images | None,
    config: TrainingConfig,
    model: nn.Module | None,
    saved: Saved | None,
    report: Callable[[str], None],
) -> TrainingConfig:
    """The same configuration; but if it has ``minutes``, its epochs are as many as fit
    into them here, or as fitted when the ``saved`` run began. Raises what
    ``epochs_within`` raises.
    """
    minutes = config.minutes
    if not minutes:
        return config
    if saved:
        return as_far_as(saved.info["config"], config)
    epochs = epochs_within(train, validation, config, model)
    config = replace(config, epochs=epochs)
    report(f"epochs: {epochs}, for {in_words(60 * minutes)} here{reached(config)}")
    return config


def reached(config: TrainingConfig) -> str:
    """What such a training reached on the solar cells, if that was measured: by the
    default recipe, with as many epochs within a factor of 1.5.
    """
    same = {n: getattr(config, n) for n in ("epochs", "minutes", "seed", "split_seed")}
    nearest = min(REACHED, key=lambda n: abs(math.log(n / config.epochs)))
    far = max(nearest / config.epochs, config.epochs / nearest) > 1.5
    if far or config != TrainingConfig(**same):
        return ""
    accuracy, spread, auc, auc_spread = REACHED[nearest]
    return (
        f"; on the test set five trainings of {nearest} epochs reached an accuracy of "
        f"{accuracy:.3f} ± {spread:.3f} and a ROC AUC of {auc:.3f} ± {auc_spread:.3f}"
    )


def epochs_within(
    train: Images,
    validation: Images | None,
    config: TrainingConfig,
    model: nn.Module | None = None,
) -> int:
    """How many epochs fit into ``config.minutes`` here: as many as ``seconds_ahead``
    finds time for. Raises ValueError if not even one does, and what ``fit`` raises.
    """
    assert config.minutes
    known = paces(train, validation, replace(config, epochs=EVERY_SIZE), model)

    def minutes(epochs: int) -> float:
        return seconds(replace(config, epochs=epochs), known) / 60

    fastest = min(pace.epoch for pace in known.values()) / 60
    most = range(1, int(config.minutes / fastest) + 1)
    epochs = bisect_right(most, config.minutes, key=minutes)
    if epochs == 0:
        raise ValueError(
            f"an epoch takes {in_words(60 * minutes(1))} here: minutes must be more "
            f"than {config.minutes:g}, or image_size smaller"
        )
    return epochs


def seconds(config: TrainingConfig, known: dict[int, Pace]) -> float:
    """Of all epochs together, at these paces."""
    sizes = Counter(image_sizes(config))
    return sum(known[size].once + n * known[size].epoch for size, n in sizes.items())


def paces(
    train: Images,
    validation: Images | None,
    config: TrainingConfig,
    model: nn.Module | None,
) -> dict[int, Pace]:
    """Measured here, for each size that the images will have."""
    config = fitting(config, len(train), lambda said: None)
    check_sets(train, validation, config)
    steps = len(train) // config.batch_size
    found = {}
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        state = prepare_state(config, train.classes, deepcopy(model), steps, None, None)
        run = Run(state.average.module, config, train.classes, pixel_std=0.2)
        run.channels = channels_of(train)
        for size in dict.fromkeys(image_sizes(config)):
            start = time.perf_counter()
            some = validation and validation.subset(slice(MEASURED))
            stage = prepare_stage(size, train, some, config, state)
            once = time.perf_counter() - start
            batches = remaining_batches(stage, config, state, steps)
            times = [time.perf_counter()]
            for batch in islice(batches, WARM_UP + TIMED):
                loss, *_ = train_step(stage.forward, batch, run, state)
                float(loss)  # a GPU has done it only when its number is there
                times.append(time.perf_counter())
            each = [after - before for before, after in pairwise(times)]
            epoch = steps * median(each[WARM_UP:] or each)
            if validation and stage.validation:
                start = time.perf_counter()
                measure(run, stage.validation, size, state.precision)
                share = len(stage.validation) / len(validation)
                epoch += (time.perf_counter() - start) / share
            found[size] = Pace(once, epoch)
    return found


def in_words(seconds: float) -> str:
    """About as exactly as it is known: "40 seconds", "6.5 minutes", "2 hours"."""
    if seconds < 100:
        return f"{max(10 * round(seconds / 10), 10)} seconds"
    minutes = seconds / 60
    if 10 < minutes < 100:
        return f"{minutes:.0f} minutes"
    number = f"{minutes if minutes < 100 else minutes / 60:.1f}".removesuffix(".0")
    return f"{number} {'minutes' if minutes < 100 else 'hours'}"
