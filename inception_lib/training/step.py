"""One step of a training, and what it needs: network, optimizer, images of a size."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..model.device import pick_device, pick_precision
from . import distributed, finetune, metrics
from .augment import Augment, PaperCrops
from .checkpoint import Saved, State, restore
from .config import TrainingConfig
from .data import Images, prepare
from .forward import ForwardPass, Number, can_record, near, number, record
from .optim import RunningAverage, make_optimizer, make_schedule
from .run import Run, build_model

# How far "light" and "strong" go: fractions of the side, degrees, fraction of the
# contrast.
AUGMENTATION: dict[str, dict[str, float]] = {
    "light": {"shift": 0.04},
    "strong": {"shift": 0.08, "scale": 0.1, "rotate": 3.0, "contrast": 0.3},
}


class Stage(NamedTuple):
    """What epochs with images of one size have in common."""

    size: int
    train: Images
    validation: Images | None
    augment: Augment | PaperCrops
    forward: ForwardPass


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
    if config.minutes and distributed.count() > 1:
        raise ValueError("minutes are for one process: say how many epochs")


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


def make_augment(config: TrainingConfig, size: int) -> Augment | PaperCrops:
    """What changes the training images, for a network that sees size×size pixels."""
    if config.augmentation == "paper":
        return PaperCrops(size, config.flip_dims)
    return Augment(config.flip_dims, **AUGMENTATION[config.augmentation])


def channels_of(images: Images) -> int:
    """1 for grey images, 3 for colour."""
    (first,) = images.pictures(torch.tensor([0]))
    return first.shape[1]


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
