"""The training loop, the same for notebooks and for the command line."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from ..model.device import pick_device, pick_precision
from . import distributed, finetune, metrics
from .augment import Augment, PaperCrops
from .checkpoint import (
    Checkpoint,
    Keeper,
    Progress,
    Saved,
    State,
    fingerprint,
    hold,
    read_checkpoint,
    restore,
)
from .config import TrainingConfig, image_sizes
from .data import Images, prepare
from .forward import ForwardPass, Number, can_record, near, number, record
from .interrupts import Terminated, held_back
from .log import ProgressBar, Writer, tell
from .optim import RunningAverage, make_optimizer, make_schedule
from .run import Run, build_model

# How far "light" and "strong" go: fractions of the side, degrees, fraction of the
# contrast.
AUGMENTATION: dict[str, dict[str, float]] = {
    "light": {"shift": 0.04},
    "strong": {"shift": 0.08, "scale": 0.1, "rotate": 3.0, "contrast": 0.3},
}
# The columns of the history, and those that need validation images.
COLUMNS = ["epoch", "image_size", "lr", "loss", "train_accuracy"]
MEASURED = ["validation_loss", "accuracy", "balanced_accuracy", "f1", "roc_auc"]
MEASURED += ["confusion_matrix"]


class Stage(NamedTuple):
    """What epochs with images of one size have in common."""

    size: int
    train: Images
    validation: Images | None
    augment: Augment | PaperCrops
    forward: ForwardPass


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
    steps, sizes = len(train) // config.batch_size, image_sizes(config)
    columns = COLUMNS + (MEASURED if validation else [])
    first = distributed.rank() == 0

    with hold(checkpoint, resume) as held:
        images = fingerprint(train)
        saved = read_checkpoint(held, config, images)
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


def remaining_batches(
    stage: Stage, config: TrainingConfig, state: State, steps: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """This process's share of the batches that the epoch still has, augmented: images,
    targets and labels.

    Their order is drawn at the epoch's beginning, and so is what a stream draws. After
    a resume within the epoch both are drawn a second time, from the same numbers.
    """
    now = torch.get_rng_state()
    if state.epoch.step and state.beginning is not None:
        torch.set_rng_state(state.beginning)
    state.beginning = torch.get_rng_state()
    order = torch.randperm(len(stage.train))[: steps * config.batch_size]
    batches = order.split(config.batch_size)[state.epoch.step :]
    share = slice(distributed.rank(), None, distributed.count())
    found = stage.train.batches(batches, stage.augment, share)
    if state.epoch.step:
        torch.set_rng_state(now)
    return found


def train_step(
    forward: ForwardPass,
    batch: tuple[Tensor, Tensor, Tensor],
    run: Run,
    state: State,
    wishes: tuple[bool, ...] = (),
) -> tuple[Number, ...]:
    """One step of the optimizer, unless the loss isn't finite: the loss, and how many
    were right, of the whole batch; then, of each wish, whether a process has it.

    On a GPU the first two are tensors, and nobody waits for them; a loss that isn't
    finite is found out later.
    """
    state.optimizer.zero_grad()
    mine = gradients(forward, batch, run, state)
    loss, hits, *agreed = distributed.mean(*mine, *wishes)
    if isinstance(loss, Tensor) or math.isfinite(loss):
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.schedule.step()
        state.average.update_parameters(state.model)
    return loss, hits * distributed.count(), *agreed


def gradients(
    forward: ForwardPass,
    batch: tuple[Tensor, Tensor, Tensor],
    run: Run,
    state: State,
) -> tuple[Number, Number]:
    """Forward and backward pass of this process's share of a batch: its images, targets
    and labels. Adds to the gradients; returns the loss and how many were right.

    The share is cut into ``config.accumulate`` equal parts, one in memory at a time;
    the gradients of their mean losses add up to that of the whole.
    """
    device = state.device
    n = run.config.accumulate
    step = state.schedule.last_epoch * n  # which counts steps, not epochs
    parts = zip(*(tensor.chunk(n) for tensor in batch), strict=True)
    value: Number = 0.0
    hits: Number = 0
    for part, tensors in enumerate(parts, 1):
        images, targets, labels = (t.to(device, non_blocking=True) for t in tensors)
        x = prepare(images, run.pixel_std)
        x = x.contiguous(memory_format=torch.channels_last)
        with distributed.exchange(forward.network, now=part == n):
            with distributed.own_random_numbers(run.config.seed, step + part):
                loss, right = forward(x, targets, labels)
            loss = loss / n
            state.scaler.scale(loss).backward()
        value += number(loss.detach())
        hits += number(right)
    return value, hits


def make_augment(config: TrainingConfig, size: int) -> Augment | PaperCrops:
    """What changes the training images, for a network that sees size×size pixels."""
    if config.augmentation == "paper":
        return PaperCrops(size, config.flip_dims)
    return Augment(config.flip_dims, **AUGMENTATION[config.augmentation])


def prepare_state(
    config: TrainingConfig,
    classes: tuple[str, ...],
    model: nn.Module | None,
    steps: int,
    saved: Saved | None,
    report: Callable[[str], None] | None,
) -> State:
    """Network, average, optimizer and schedule: new, or as they were saved."""
    device = pick_device()
    if saved and config.precision == "auto":  # another measurement could differ
        precision, reason = saved.info["precision"], "as before"
    else:
        precision, reason = pick_precision(config.precision, device)
        precision = distributed.agreed(precision)
    if report:
        threads, n = torch.get_num_threads(), distributed.count()
        each = f"{n} processes, each: " if n > 1 else ""
        report(f"{each}{device.type}, {threads} threads, {precision} ({reason})")

    torch.manual_seed(config.seed)
    frozen: list[nn.Module] = []
    if model is None:
        model = new = build_model(config, len(classes))
        if config.weights and not saved:
            finetune.load_weights(new, config.weights, classes)
        frozen = finetune.freeze(new, config.freeze)
    elif config.weights or config.freeze != "none":
        raise ValueError("weights and freeze need the GoogLeNet that config describes")
    model = model.to(device).to(memory_format=torch.channels_last)
    average = RunningAverage(model)
    network = distributed.parallel(model, precision)
    optimizer = make_optimizer(model, config, precision)
    schedule = make_schedule(optimizer, config, steps)
    state = State(
        model, network, frozen, average, optimizer, schedule, device, precision
    )
    if saved:
        restore(saved, state)
    return state


def prepare_stage(
    size: int,
    train: Images,
    validation: Images | None,
    config: TrainingConfig,
    state: State,
) -> Stage:
    if hasattr(state.model, "image_size"):
        state.model.image_size = size  # type: ignore[assignment]
    # The paper's patches are cut from the images as they are.
    images = train if config.augmentation == "paper" else train.resized(size)
    forward = ForwardPass(state.network, state.precision)
    state.train_mode()
    if can_record(state.device, config):
        record(forward, size, config, len(train.classes))
    return Stage(
        size,
        near(images, state.device),
        validation.resized(size) if validation else None,
        make_augment(config, size),
        forward,
    )


def channels_of(images: Images) -> int:
    """1 for grey images, 3 for colour."""
    (first,) = images.pictures(torch.tensor([0]))
    return first.shape[1]


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
            f"{steps}, at a learning rate of {state.lr:.2g}: try a smaller lr; {kept}"
        )


def measure(run: Run, validation: Images, size: int, precision: str) -> dict:
    """Loss, scores and confusion matrix of the run's network as it is now, on images as
    they are, without flips.
    """
    probabilities = run.predict(validation, views="one", size=size, precision=precision)
    matrix = metrics.confusion_matrix(probabilities, validation.labels)
    return {
        "validation_loss": validation.cross_entropy(probabilities),
        **metrics.scores(probabilities, validation.labels),
        "confusion_matrix": json.dumps(matrix.tolist()),
    }


def fitting(
    config: TrainingConfig, images: int, report: Callable[[str], None]
) -> TrainingConfig:
    """The configuration with a batch that ``images`` fill: if they are too few for the
    one it has, a quarter of them, so that an epoch has four steps.
    """
    if images >= config.batch_size:
        return config
    parts = distributed.count() * config.accumulate
    size = max(images // 4, min(images, 4)) // parts * parts
    if size == 0:
        raise ValueError(
            f"{images} training images are too few for {distributed.count()} processes "
            f"× {config.accumulate} parts of a batch: train on more images"
        )
    if distributed.rank() == 0:
        advice = "; so few are learned better from another run (--weights, --freeze 4)"
        report(
            f"{images} training images don't fill a batch of {config.batch_size}: "
            f"batches of {size}{'' if config.weights else advice}"
        )
    return replace(config, batch_size=size)


def check_sets(
    train: Images, validation: Images | None, config: TrainingConfig
) -> None:
    """Raise a ValueError if these sets can't be trained on with this configuration."""
    config.check_batch(distributed.count())
    if validation is not None and validation.classes != train.classes:
        raise ValueError(
            f"the validation classes {validation.classes} are not the training classes "
            f"{train.classes}"
        )
