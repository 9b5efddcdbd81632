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
from .augment import Augment, PaperCrops
from .checkpoint import (
    Run,
    State,
    build_model,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from .config import TrainingConfig
from .data import Images, ImageSet, pixel_std, prepare
from .lock import only_run
from .muon import Muon
from .stream import worker_deaths

Number = float | Tensor
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


class RunningAverage(AveragedModel):
    """Weights and statistics averaged over about the last 100 steps; over fewer at the
    start, which is soon forgotten.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        n = int(self.n_averaged)  # on the processor: PyTorch's own waits for the GPU
        step = 1 - min(0.99, (1 + n) / (10 + n)) if n else 1.0
        averages, counts = by_kind(self.module)
        currents, numbers = by_kind(model)
        torch._foreach_lerp_(averages, currents, step)
        if counts:
            torch._foreach_copy_(counts, numbers)
        self.n_averaged += 1


def by_kind(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers with a fraction, and batch norm's counts of batches."""
    tensors = [*model.parameters(), *model.buffers()]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return floats, [tensor for tensor in tensors if not tensor.is_floating_point()]


class ForwardPass(nn.Module):
    """N×3×S×S images, N×K targets, N labels -> the loss, and how many were right.

    The network computes in ``precision``, the loss in float32: a softmax in bfloat16
    would keep only three digits.
    """

    def __init__(self, network: nn.Module, precision: str):
        super().__init__()
        self.network, self.dtype = network, getattr(torch, precision)

    def forward(self, x: Tensor, targets: Tensor, labels: Tensor):
        narrow = self.dtype != torch.float32
        with torch.autocast(x.device.type, self.dtype, enabled=narrow):
            outputs = self.network(x)
        if isinstance(outputs, GoogLeNetOutputs):
            outputs = GoogLeNetOutputs(*(logits.float() for logits in outputs))
            logits = outputs.logits
        else:
            outputs = logits = outputs.float()
        return googlenet_loss(outputs, targets), (logits.argmax(1) == labels).sum()


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
    average = RunningAverage(model, use_buffers=True)
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
                model.train()
                for layer in frozen:
                    layer.eval()  # batch norm's running statistics stay, too
                if size != sizes[epoch - 1]:
                    model.image_size = size = sizes[epoch - 1]
                    augment = make_augment(config, size)
                    # The paper's patches are cut from the images as they are.
                    whole = config.augmentation == "paper"
                    images = near(train if whole else train.resized(size), device)
                    held_out = validation.resized(size) if validation else None
                    forward = ForwardPass(network, state.precision)
                    if can_record(device, config):
                        record(forward, size, config, len(train.classes))
                order = torch.randperm(len(train))[: steps * config.batch_size]
                share = slice(distributed.rank(), None, distributed.count())
                batches = images.batches(order.split(config.batch_size), augment, share)
                total: Number = 0.0
                correct: Number = 0.0
                lr = 0.0
                for step, batch in enumerate(batches, 1):
                    lr = float(max(schedule.get_last_lr()))
                    value, hits = train_step(forward, batch, run, state)
                    total += value
                    correct += hits
                    bar.update(size**2)
                    if device.type == "cuda" and step % 50 and step < steps:
                        continue  # to read a number is to wait for the GPU
                    total, correct = float(total), float(correct)
                    if not math.isfinite(total):
                        where = f"batch {step} of {steps}"
                        raise diverged(
                            f"the loss became {total}", where, state, checkpoint
                        )
                    said["loss"] = f"{total / step:.3f}"
                    said["train"] = f"{correct / step / config.batch_size:.3f}"
                    bar.set_postfix(said, refresh=False)
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
    forward: ForwardPass,
    batch: tuple[Tensor, Tensor, Tensor],
    run: Run,
    state: State,
) -> tuple[Number, Number]:
    """One step of the optimizer, unless the loss isn't finite: the loss, and how many
    were right, of the whole batch.

    On a GPU both are tensors, and nobody waits for them; a loss that isn't finite is
    found out later.
    """
    state.optimizer.zero_grad()
    loss, hits = distributed.mean(*gradients(forward, batch, run, state))
    if isinstance(loss, Tensor) or math.isfinite(loss):
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.schedule.step()
        state.average.update_parameters(state.model)
    return loss, hits * distributed.count()


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
    device = next(forward.parameters()).device
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


def number(tensor: Tensor) -> Number:
    """The number in a tensor; on a lone GPU still as a tensor, in float64."""
    if tensor.is_cuda and distributed.count() == 1:
        return tensor.double()
    return tensor.item()


def near(images: Images, device: torch.device) -> Images:
    """The images on the GPU, if that is where the network is and they fit in well."""
    if device.type != "cuda" or not isinstance(images, ImageSet):
        return images
    free, _ = torch.cuda.mem_get_info()
    return images.to(device) if images.images.nbytes < free / 4 else images


def can_record(device: torch.device, config: TrainingConfig) -> bool:
    """Whether a step is the same work each time, on one GPU."""
    alone = distributed.count() == config.accumulate == 1
    return device.type == "cuda" and alone


def record(
    forward: ForwardPass, size: int, config: TrainingConfig, num_classes: int
) -> None:
    """From now on ``forward`` and its backward pass are each one call to the GPU (CUDA
    graphs), not some thousand small ones that take longer to send than to compute.

    Recording runs them a few times: statistics and random numbers are put back.
    """
    device = next(forward.parameters()).device
    kept = [buffer.clone() for buffer in forward.buffers()]
    state = torch.cuda.get_rng_state()
    x = torch.zeros(config.batch_size, 3, size, size, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    targets = torch.zeros(config.batch_size, num_classes, device=device)
    labels = torch.zeros(config.batch_size, dtype=torch.long, device=device)
    torch.cuda.make_graphed_callables(forward, (x, targets, labels))
    for buffer, before in zip(forward.buffers(), kept, strict=True):
        buffer.copy_(before)
    torch.cuda.set_rng_state(state)


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
    if precision == "float16":  # too narrow for gradients that are no longer scaled
        precision = "float32"
    return Muon(groups, config.peak_lr, precision=precision)
