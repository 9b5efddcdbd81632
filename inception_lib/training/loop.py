"""The training loop, one for notebooks and for the command line."""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from ..model import GoogLeNet, GoogLeNetOutputs, googlenet_loss
from ..model.device import pick_device, pick_precision
from ..model.googlenet import smallest_image_size
from . import distributed, finetune, metrics
from .augment import Augment
from .checkpoint import (
    Run,
    State,
    build_model,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from .config import TrainingConfig
from .crops import PaperCrops
from .data import Images, pixel_std, prepare
from .lock import only_run
from .muon import Muon
from .stream import worker_deaths

Tensors = tuple[Tensor, ...] | list[Tensor]
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


class Writer(Protocol):
    """Where a progress bar can go: an open text file, or what looks like one."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


def fit(
    train: Images,
    validation: Images | None = None,
    config: TrainingConfig | None = None,
    *,
    progress: Writer | None = sys.stderr,
    on_epoch: Callable[[pd.DataFrame], None] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> Run:
    """Train a GoogLeNet on ``train`` and measure it on ``validation`` after every
    epoch.

    Returns a ``Run``. Its model is the running average of the weights (the paper's
    section 6 uses Polyak averaging too); its history has a row per epoch: epoch,
    image_size, lr (of the last step, in the stage that learns fastest), loss (the three
    losses together), train_accuracy (on augmented images, dropout on), and on
    validation loss, accuracy, balanced_accuracy, f1, roc_auc and confusion_matrix.

    ``progress`` is where the progress bar goes (None: nowhere); ``on_epoch`` is called
    with the history so far. An interrupt (Kernel → Interrupt, Ctrl-C) ends the training
    early and keeps what was learned. ``checkpoint`` names a file that is written after
    every epoch; with ``resume`` the training goes on from it, without it nothing may be
    there yet. The same seed on the same machine with the same number of threads gives
    the same weights.

    INCEPTION_LIB_FAST_TRAINING=1 in the environment cuts the run to one epoch of at
    most 8 batches of at most 64 pixels: for tests of everything around it.

    In several processes (see ``distributed``) every one calls ``fit`` with the same
    arguments and gets the same Run; the first one writes and shows the progress. A
    batch is ``config.batch_size`` images of all of them together.

    Raises ValueError if the sets disagree or are too small, or a checkpoint doesn't fit
    or is in use, OSError if it can't be written or a process that reads pictures has
    died, and FloatingPointError if the loss or a weight is no longer a number.
    """
    config = config or TrainingConfig()
    check_sets(train, validation, config)
    checkpoint = Path(checkpoint) if checkpoint else None
    if resume and not checkpoint:
        raise ValueError("resume goes on from a checkpoint: name its file")
    epochs, steps = config.epochs, len(train) // config.batch_size
    if os.environ.get("INCEPTION_LIB_FAST_TRAINING") == "1":
        epochs, steps = 1, min(steps, 8)
        config = replace(config, image_size=min(config.image_size, 64))
    device = pick_device()
    precision, _ = pick_precision(config.precision, device)
    std = pixel_std(train)
    sizes = image_sizes(config, epochs)
    first = distributed.rank() == 0

    torch.manual_seed(config.seed)
    model = build_model(config, len(train.classes))
    if config.weights and not resume:
        finetune.load_weights(model, config.weights, train.classes)
    frozen = finetune.freeze(model, config.freeze)
    model = model.to(device).to(memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=running_average, use_buffers=True)
    precision = distributed.agreed(precision)
    network = distributed.parallel(model, precision)
    optimizer = make_optimizer(model, config, precision)
    schedule = LambdaLR(optimizer, make_rate(config, steps, epochs))
    state = State(model, average, optimizer, schedule, precision)
    run = Run(cast(GoogLeNet, average.module), config, train.classes, std)
    origin = fingerprint(train, std)
    images, held_out, size = train, validation, 0
    said: dict[str, str] = {}
    columns = COLUMNS + (MEASURED if validation else [])

    with only_run(checkpoint), worker_deaths():
        if resume and checkpoint:
            load_checkpoint(checkpoint, config, origin, state)
        elif checkpoint and checkpoint.exists():
            raise ValueError(
                f"{checkpoint} holds a run: go on with resume=True, or choose another "
                "file"
            )
        start = time.perf_counter() - state.seconds
        # Counted in pixels, which take the same time in small images and in large ones.
        bar = tqdm(
            total=steps * sum(size**2 for size in sizes),
            initial=steps * sum(size**2 for size in sizes[: len(state.rows)]),
            file=progress,
            disable=progress is None or not first,
            desc="training",
            bar_format="{l_bar}{bar}| {elapsed}, {remaining} left{postfix}",
            mininterval=0.5,
            ncols=88,
        )
        try:
            for epoch in range(len(state.rows) + 1, epochs + 1):
                if size != sizes[epoch - 1]:
                    model.image_size = size = sizes[epoch - 1]
                    augment = make_augment(config, size)
                    # The paper's patches are cut from the images as they are.
                    whole = config.augmentation == "paper"
                    images = train if whole else train.resized(size)
                    held_out = validation.resized(size) if validation else None
                model.train()
                for layer in frozen:
                    layer.eval()  # batch norm's running statistics stay, too
                order = torch.randperm(len(train))[: steps * config.batch_size]
                share = slice(distributed.rank(), None, distributed.count())
                batches = images.batches(order.split(config.batch_size), augment, share)
                total, correct, lr = 0.0, 0.0, 0.0
                for step, batch in enumerate(batches, 1):
                    lr = float(max(schedule.get_last_lr()))
                    value, hits = train_step(network, batch, run, state)
                    if not math.isfinite(value):
                        where = f"batch {step} of {steps}"
                        raise diverged(
                            f"the loss became {value}", where, state, checkpoint
                        )
                    total += value
                    correct += hits
                    said["loss"] = f"{total / step:.3f}"
                    said["train"] = f"{correct / step / config.batch_size:.3f}"
                    bar.set_postfix(said, refresh=False)
                    bar.update(size**2)
                if not all(p.isfinite().all() for p in average.parameters()):
                    where = f"batch {steps} of {steps}"
                    raise diverged("a weight became infinite", where, state, checkpoint)
                distributed.average_buffers(model, average)
                row = {
                    "epoch": epoch,
                    "image_size": size,
                    "lr": lr,
                    "loss": total / steps,
                    "train_accuracy": correct / len(order),
                }
                if held_out:
                    row |= measure(run, held_out, state.precision)
                    said["validation"] = f"{row['accuracy']:.3f}"
                    bar.set_postfix(said)
                state.rows.append(row)
                state.seconds = time.perf_counter() - start
                run.history = pd.DataFrame(state.rows, columns=columns)
                if checkpoint and first:
                    save_checkpoint(checkpoint, config, origin, state)
                if on_epoch and first:
                    on_epoch(run.history)
        except KeyboardInterrupt:
            if distributed.count() > 1:
                raise  # the others may be anywhere: nothing more can be done together
            run.interrupted = True
        finally:
            bar.close()
    run.history = pd.DataFrame(state.rows, columns=columns)
    run.seconds = state.seconds
    run.model.eval().requires_grad_(True)  # what was frozen is free again
    return run


def train_step(
    network: nn.Module,
    batch: tuple[Tensor, Tensor, Tensor],
    run: Run,
    state: State,
) -> tuple[float, float]:
    """One step of the optimizer, unless the loss isn't finite: the loss, and how many
    were right, of the whole batch.
    """
    state.optimizer.zero_grad()
    loss, hits = distributed.mean(*gradients(network, batch, run, state))
    if math.isfinite(loss):
        state.optimizer.step()
        state.schedule.step()
        state.average.update_parameters(state.model)
    return loss, hits * distributed.count()


def gradients(
    network: nn.Module,
    batch: tuple[Tensor, Tensor, Tensor],
    run: Run,
    state: State,
) -> tuple[float, int]:
    """Forward and backward pass of this process's share of a batch: its images, targets
    and labels. Adds to the gradients; returns the loss and how many were right.

    The share is cut into ``config.accumulate`` equal parts, one in memory at a time;
    the gradients of their mean losses add up to that of the whole.
    """
    device = next(network.parameters()).device
    n = run.config.accumulate
    step = state.schedule.last_epoch * n  # which counts steps, not epochs
    parts = zip(*(tensor.chunk(n) for tensor in batch), strict=True)
    value, hits = 0.0, 0
    for part, (images, targets, labels) in enumerate(parts, 1):
        x = prepare(images.to(device), run.pixel_std)
        x = x.contiguous(memory_format=torch.channels_last)
        with distributed.exchange(network, now=part == n):
            with (
                torch.autocast(
                    device.type, torch.bfloat16, enabled=state.precision == "bfloat16"
                ),
                distributed.own_random_numbers(run.config.seed, step + part),
            ):
                outputs = as_float(network(x))
            loss = googlenet_loss(outputs, targets.to(device)) / n
            loss.backward()
        value += loss.item()
        logits = outputs.logits if isinstance(outputs, GoogLeNetOutputs) else outputs
        hits += (logits.argmax(1).cpu() == labels).sum().item()
    return value, hits


def make_augment(config: TrainingConfig, size: int) -> Augment | PaperCrops:
    """What changes the training images, for a network that sees size×size pixels."""
    if config.augmentation == "paper":
        return PaperCrops(size, config.mirrored)
    return Augment(config.mirrored, **AUGMENTATION[config.augmentation])


def diverged(
    what: str, where: str, state: State, checkpoint: Path | None
) -> FloatingPointError:
    """The error that says what happened, where, and what is left."""
    done, lr = len(state.rows), max(state.schedule.get_last_lr())
    kept = f"the last good checkpoint is {checkpoint}, of epoch {done}"
    if not (checkpoint and done):
        kept = "there is no checkpoint before it"
    return FloatingPointError(
        f"{what} in epoch {done + 1}, {where}, at a learning rate of {lr:.2g}: try a "
        f"smaller lr; {kept}"
    )


def image_sizes(config: TrainingConfig, epochs: int) -> list[int]:
    """The side of the images in each epoch, in pixels.

    With ``config.grow`` the first 8 of 15 epochs see images of 5/8 of the size, the
    next 4 of 3/4, the last 3 the whole: in the same time there are nearly twice as many
    epochs. Never smaller than what the network can take.
    """
    if not config.grow:
        return [config.image_size] * epochs
    smallest = smallest_image_size(config.aux)
    sizes = []
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        part = 5 / 8 if done <= 8 / 15 else 3 / 4 if done <= 12 / 15 else 1
        size = max(smallest, round(config.image_size * part))
        sizes.append(min(size, config.image_size))
    return sizes


def measure(run: Run, data: Images, precision: str) -> dict:
    """Validation loss, scores and confusion matrix of the run's network on resized
    images.
    """
    probabilities = run.probabilities(data, precision=precision)
    matrix = metrics.confusion_matrix(probabilities, data.labels)
    return {
        "validation_loss": data.cross_entropy(probabilities),
        **metrics.scores(probabilities, data.labels),
        "confusion_matrix": json.dumps(matrix.tolist()),
    }


def check_sets(
    train: Images, validation: Images | None, config: TrainingConfig
) -> None:
    """Raise a ValueError if these sets can't be trained on with this configuration."""
    if len(train) < config.batch_size:
        raise ValueError(
            f"{len(train)} training images don't fill one batch of "
            f"{config.batch_size}: choose a smaller batch_size"
        )
    processes = distributed.count()
    if config.batch_size % (processes * config.accumulate):
        raise ValueError(
            f"a batch of {config.batch_size} doesn't divide into {processes} processes "
            f"× {config.accumulate} parts: choose another batch_size or accumulate"
        )
    if validation is not None and validation.classes != train.classes:
        raise ValueError(
            f"the validation classes {validation.classes} are not the training classes "
            f"{train.classes}"
        )


def as_float(outputs: GoogLeNetOutputs | Tensor) -> GoogLeNetOutputs | Tensor:
    """Outputs in float32: a softmax in bfloat16 would keep only three digits."""
    if isinstance(outputs, GoogLeNetOutputs):
        return GoogLeNetOutputs(*(logits.float() for logits in outputs))
    return outputs.float()


def make_rate(config: TrainingConfig, steps: int, epochs: int):
    """The function from a step's number to the fraction of the peak learning rate."""
    if config.schedule == "paper":
        return lambda step: 0.96 ** (step // steps // 8)
    return lambda step: warm_up_and_decay(step, steps * epochs)


def warm_up_and_decay(step: int, steps: int) -> float:
    """The learning rate as a fraction of its peak: a quarter of the run up, the rest
    down.

    Both ways along half a cosine, from 1/25 to 1 to 0.
    """
    warm_up = max(1, steps // 4)
    if step < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * step / warm_up)) / 2
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def running_average(averages: Tensors, currents: Tensors, n: Tensor | int) -> None:
    """Move the averages to those of about the last 100 steps; of fewer at the start,
    which is soon forgotten.
    """
    if averages[0].is_floating_point():
        step = 1 - min(0.99, (1 + int(n)) / (10 + int(n)))
        torch._foreach_lerp_(averages, currents, step)
    else:  # batch norm's count of batches
        torch._foreach_copy_(averages, currents)


def make_optimizer(
    model: nn.Module, config: TrainingConfig, precision: str = "float32"
) -> torch.optim.Optimizer:
    """Muon, AdamW, or the paper's SGD with momentum 0.9; weight decay on weights only.

    ``precision`` is that of Muon's products of matrices.
    """
    groups = finetune.parameter_groups(model, config)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.peak_lr, momentum=0.9, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, config.peak_lr, fused=True)
    return Muon(groups, config.peak_lr, precision=precision)
