"""The training loop, the same for notebooks and for the command line."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGTERM

import pandas as pd
from torch import Tensor, nn

from . import distributed
from .checkpoint import (
    Checkpoint,
    Keeper,
    Progress,
    State,
    fingerprint,
    hold,
    read_checkpoint,
)
from .config import TrainingConfig, image_sizes
from .data import Images
from .duration import in_time
from .interrupts import Terminated, held_back
from .log import ProgressBar, Writer, tell
from .run import Run
from .step import (
    Stage,
    channels_of,
    check_sets,
    fitting,
    measure,
    prepare_stage,
    prepare_state,
    remaining_batches,
    train_step,
)

# The columns of the history, and those that need validation images.
COLUMNS = ["epoch", "image_size", "lr", "loss", "train_accuracy"]
MEASURED = ["validation_loss", "accuracy", "balanced_accuracy", "f1", "roc_auc"]
MEASURED += ["confusion_matrix"]


def fit(
    train: Images,
    validation: Images | None = None,
    config: TrainingConfig | None = None,
    model: nn.Module | None = None,
    *,
    progress: Writer | None = sys.stderr,
    on_epoch: Callable[[pd.DataFrame], None] | None = None,
    checkpoint: str | Path | Checkpoint | None = None,
    resume: bool = False,
    report: Callable[[str], None] | None = None,
) -> Run:
    """Train on ``train`` and measure on ``validation`` after every epoch.

    The network is a new GoogLeNet as ``config`` describes it, or your own ``model``: a
    module from N×3×S×S float32 images to N×K logits or ``GoogLeNetOutputs``, whose
    weights move. (``config.grow`` changes S during the training.)

    Returns a ``Run``. Its model is the running average of the weights (the paper's
    section 6 uses Polyak averaging too); its history has a row per epoch with the
    columns ``COLUMNS`` and, on validation, ``MEASURED``. ``lr`` is that of the last
    step, in the stage that learns fastest, ``loss`` the three losses together,
    ``train_accuracy`` that on augmented images with dropout.

    ``progress`` is where the progress goes (None: nowhere); ``on_epoch`` is called with
    the history so far, ``report`` with a line about device and precision. An interrupt
    (Kernel → Interrupt, Ctrl-C) ends the training after the current step and keeps what
    was learned. ``checkpoint`` names a file that is written after every epoch, every
    ``config.checkpoint_minutes`` and after an interrupt; ``resume`` continues from it
    if it is there, and without ``resume`` there must be none. The same seed on the same
    machine with the same number of threads gives the same weights, interrupted or not.

    In several processes (see ``distributed``) every one calls ``fit`` with the same
    arguments and gets the same Run; the first one writes and shows the progress. A
    batch is ``config.batch_size`` images of all of them together.

    Raises ValueError if the sets disagree or are too small, or a checkpoint doesn't fit
    or is in use, OSError if it can't be written or a process that reads pictures has
    died, and FloatingPointError if the loss or a weight is no longer a number.
    """
    config = fitting(config or TrainingConfig(), len(train), report or tell)
    check_sets(train, validation, config)
    steps = len(train) // config.batch_size
    columns = COLUMNS + (MEASURED if validation else [])
    first = distributed.rank() == 0

    with hold(checkpoint, resume) as held:
        images = fingerprint(train)
        saved = read_checkpoint(held, config, images)
        config = in_time(train, validation, config, model, saved, report or tell)
        sizes = image_sizes(config)
        state = prepare_state(config, train.classes, model, steps, saved, report)
        run = Run(state.average.module, config, train.classes, images["pixel_std"])
        run.channels, run.full_scale = channels_of(train), train.full_scale
        keeper = Keeper(held.path, config, images, state.place)
        bar = ProgressBar(progress if first else None, sizes, steps, len(state.rows))
        stage = None
        try:
            for epoch, size in enumerate(sizes[len(state.rows) :], len(state.rows) + 1):
                if not stage or stage.size != size:
                    stage = prepare_stage(size, train, validation, config, state)
                row = {"epoch": epoch, "image_size": size}
                row |= train_epoch(stage, run, state, steps, bar, keeper)
                if stage.validation:
                    row |= measure(run, stage.validation, size, state.precision)
                bar.end_epoch(**{"validation": row["accuracy"]} if validation else {})
                # In one go, between whose parts no interrupt comes.
                state.rows, state.epoch = [*state.rows, row], Progress()
                run.history = pd.DataFrame(state.rows, columns=columns)
                keeper.save(state)
                if on_epoch and first:
                    on_epoch(run.history)
        except KeyboardInterrupt as interrupt:
            run.interrupted = True
            if state.whole:
                keeper.save(state)
            # The others may be anywhere: nothing more can be done together.
            if distributed.count() > 1 or isinstance(interrupt, Terminated):
                raise
        finally:
            bar.close()
    run.history = pd.DataFrame(state.rows, columns=columns)
    run.seconds = state.seconds
    run.model.eval().requires_grad_(True)  # what was frozen is free again
    return run


def train_epoch(
    stage: Stage,
    run: Run,
    state: State,
    steps: int,
    bar: ProgressBar,
    keeper: Keeper,
) -> dict:
    """One pass over the training images in random order, or what is left of it: the
    epoch's learning rate, loss and training accuracy.
    """
    batch_size, epoch = run.config.batch_size, state.epoch
    state.train_mode()
    bar.update(epoch.step * stage.size**2)  # before a resume
    with held_back() as came:  # a step is whole or not at all
        state.whole = False
        for batch in remaining_batches(stage, run.config, state, steps):
            epoch.lr = state.lr
            wishes = (keeper.due(), SIGINT in came, SIGTERM in came)
            loss, hits, *agreed = train_step(stage.forward, batch, run, state, wishes)
            due, interrupt, terminate = map(bool, agreed)
            epoch.loss += loss
            epoch.correct += hits
            epoch.step += 1
            bar.update(stage.size**2)
            keep = due or interrupt or terminate
            read = keep or epoch.step % 50 == 0 or epoch.step == steps
            if isinstance(loss, Tensor) and not read:
                continue  # to read a number is to wait for the GPU
            epoch.loss, epoch.correct = float(epoch.loss), float(epoch.correct)
            check_numbers(state, steps, keeper, weights=keep or epoch.step == steps)
            bar.tell(
                loss=epoch.loss / epoch.step,
                train=epoch.correct / epoch.step / batch_size,
            )
            if keep:
                keeper.save(state, together=True)
            if interrupt or terminate:
                raise Terminated if terminate else KeyboardInterrupt
        distributed.average_buffers(state.model, state.average)
        state.whole = True
    return {
        "lr": epoch.lr,
        "loss": epoch.loss / steps,
        "train_accuracy": epoch.correct / steps / batch_size,
    }


def check_numbers(state: State, steps: int, keeper: Keeper, *, weights: bool) -> None:
    """Raise a FloatingPointError that says what happened, where, and what is left, if
    the loss or (where asked) a weight is no longer a number.
    """
    what = ""
    if not math.isfinite(state.epoch.loss):
        what = f"the loss became {state.epoch.loss}"
    elif weights and not all(p.isfinite().all() for p in state.average.parameters()):
        what = "a weight became infinite"
    if what:
        kept = f"the last good checkpoint is {keeper.path}, of {keeper.place}"
        if not (keeper.path and keeper.place):
            kept = "there is no checkpoint before it"
        raise FloatingPointError(
            f"{what} in epoch {len(state.rows) + 1}, batch {state.epoch.step} of "
            f"{steps}, at a learning rate of {state.epoch.lr:.2g}: try a smaller lr; "
            f"{kept}"
        )
