"""The training loop, one for notebooks and for the command line."""

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from ..model import GoogLeNetOutputs, googlenet_loss
from ..model.device import pick_device, pick_precision
from ..model.googlenet import smallest_image_size
from . import metrics
from .augment import Augment
from .checkpoint import Run, build_model, load_checkpoint, save_checkpoint
from .config import TrainingConfig
from .data import ImageSet, pixel_std, prepare
from .predict import predict

# How far "light" and "strong" go: fractions of the side, degrees, fraction of the
# contrast.
AUGMENTATION = {
    "light": {"shift": 0.04},
    "strong": {"shift": 0.08, "scale": 0.1, "rotate": 3.0, "contrast": 0.3},
}


def fit(
    train: ImageSet,
    validation: ImageSet | None = None,
    config: TrainingConfig | None = None,
    *,
    progress: TextIO | None = sys.stderr,
    on_epoch: Callable[[pd.DataFrame], None] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> Run:
    """Train a GoogLeNet on ``train`` and measure it on ``validation`` after every
    epoch.

    Returns a ``Run``. Its model is the running average of the weights (the paper's
    section 6 uses Polyak averaging too); its history has a row per epoch: epoch,
    image_size, lr, loss (the three losses together), train_accuracy (on augmented
    images, dropout on), and on validation loss, accuracy, balanced_accuracy, f1,
    roc_auc and confusion_matrix.

    ``progress`` is where the progress bar goes (None: nowhere); ``on_epoch`` is called
    with the history so far. An interrupt (Kernel → Interrupt, Ctrl-C) ends the training
    early and keeps what was learned. ``checkpoint`` names a file that is written after
    every epoch; with ``resume`` the training goes on from it. The same seed on the same
    machine with the same number of threads gives the same weights.

    INCEPTION_LIB_FAST_TRAINING=1 in the environment cuts the run to one epoch: for
    tests of everything around it.

    Raises ValueError if the sets disagree or are too small, or a checkpoint doesn't
    fit, and FloatingPointError if the loss is no longer a number.
    """
    config = config or TrainingConfig()
    check_sets(train, validation, config)
    epochs = (
        1 if os.environ.get("INCEPTION_LIB_FAST_TRAINING") == "1" else config.epochs
    )
    steps = len(train) // config.batch_size
    device = pick_device()
    precision, _ = pick_precision(config.precision, device)
    std = pixel_std(train)
    sizes = image_sizes(config, epochs)

    torch.manual_seed(config.seed)
    model = build_model(config, len(train.classes))
    model = model.to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=running_average, use_buffers=True)
    optimizer = make_optimizer(model, config)
    schedule = LambdaLR(optimizer, lambda step: warm_up_and_decay(step, steps * epochs))
    augment = Augment(config.mirrored, **AUGMENTATION[config.augmentation])
    run = Run(average.module, config, train.classes, std)
    state = model, average, optimizer, schedule
    images, held_out, size = train, validation, 0
    rows: list[dict] = []
    if resume:
        rows = load_checkpoint(Path(checkpoint), config, *state)

    # Counted in pixels, which take the same time in small images and in large ones.
    bar = tqdm(
        total=steps * sum(size**2 for size in sizes),
        initial=steps * sum(size**2 for size in sizes[: len(rows)]),
        file=progress,
        disable=progress is None,
        desc="training",
        bar_format="{l_bar}{bar}| {elapsed}, {remaining} left{postfix}",
        mininterval=0.5,
        ncols=88,
    )
    try:
        for epoch in range(len(rows) + 1, epochs + 1):
            if size != sizes[epoch - 1]:
                model.image_size = size = sizes[epoch - 1]
                images = train.resized(size)
                held_out = validation.resized(size) if validation else None
            model.train()
            order = torch.randperm(len(train))[: steps * config.batch_size]
            total, correct = 0.0, 0
            for batch in order.split(config.batch_size):
                x = prepare(augment(images.images[batch]).to(device), std)
                x = x.contiguous(memory_format=torch.channels_last)
                targets = train.targets[batch].to(device)
                with torch.autocast(
                    device.type, torch.bfloat16, enabled=precision == "bfloat16"
                ):
                    outputs = as_float(model(x))
                loss = googlenet_loss(outputs, targets)
                value = loss.item()
                if not value < float("inf"):
                    raise FloatingPointError(
                        f"the loss became {value} in epoch {epoch} at a learning "
                        f"rate of "
                        f"{schedule.get_last_lr()[0]:.2g}: try a smaller lr"
                    )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(model)
                total += value
                logits = outputs[0] if config.aux else outputs
                correct += (logits.argmax(1).cpu() == train.labels[batch]).sum().item()
                bar.update(size**2)
            row = {
                "epoch": epoch,
                "image_size": size,
                "lr": schedule.get_last_lr()[0],
                "loss": total / steps,
                "train_accuracy": correct / len(order),
            }
            if held_out:
                row |= measure(run, held_out, precision)
                bar.set_postfix(
                    loss=f"{row['loss']:.3f}", accuracy=f"{row['accuracy']:.3f}"
                )
            rows.append(row)
            run.history = pd.DataFrame(rows)
            if checkpoint:
                save_checkpoint(Path(checkpoint), config, rows, *state)
            if on_epoch:
                on_epoch(run.history)
    except KeyboardInterrupt:
        run.interrupted = True
    finally:
        bar.close()
    run.history = pd.DataFrame(rows)
    run.model.eval()
    return run


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


def measure(run: Run, data: ImageSet, precision: str) -> dict:
    """Validation loss, scores and confusion matrix of the run's network on resized
    images.
    """
    probabilities = predict(run.model, data.images, run.pixel_std, precision=precision)
    loss = -(data.targets * probabilities.clamp_min(1e-7).log()).sum(1).mean()
    matrix = metrics.confusion_matrix(probabilities, data.labels)
    return {
        "validation_loss": loss.item(),
        **metrics.scores(probabilities, data.labels),
        "confusion_matrix": json.dumps(matrix.tolist()),
    }


def check_sets(
    train: ImageSet, validation: ImageSet | None, config: TrainingConfig
) -> None:
    """Raise a ValueError if these sets can't be trained on with this configuration."""
    if len(train) < config.batch_size:
        raise ValueError(
            f"{len(train)} training images don't fill one batch of "
            f"{config.batch_size}: choose a smaller batch_size"
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


def warm_up_and_decay(step: int, steps: int) -> float:
    """The learning rate as a fraction of its peak: a quarter of the run up, the rest
    down.

    Both ways along half a cosine, from 1/25 to 1 to 0.
    """
    warm_up = max(1, steps // 4)
    if step < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * step / warm_up)) / 2
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def running_average(averages: list[Tensor], currents: list[Tensor], n: Tensor) -> None:
    """Move the averages to those of about the last 100 steps; of fewer at the start,
    which is soon forgotten.
    """
    if averages[0].is_floating_point():
        step = 1 - min(0.99, (1 + int(n)) / (10 + int(n)))
        torch._foreach_lerp_(averages, currents, step)
    else:  # batch norm's count of batches
        torch._foreach_copy_(averages, currents)


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW, or the paper's SGD with momentum 0.9; weight decay on weights only."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]  # biases and norms
    groups = [
        {"params": weights, "weight_decay": config.decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.peak_lr, momentum=0.9, fused=True)
    return torch.optim.AdamW(groups, config.peak_lr, fused=True)
