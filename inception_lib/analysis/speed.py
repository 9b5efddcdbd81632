"""How fast, as ratios: one thing beside another in the same process, turn by turn."""

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, cast

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..model import GoogLeNetOutputs, googlenet_loss


def interleaved(tasks: Mapping[Any, Callable[[], object]], rounds: int) -> pd.DataFrame:
    """Seconds of every task in every round: a row per round, a column per task.

    All tasks take their turn in each round, so that whatever else the machine does
    falls on all of them alike; compare columns row by row. In its turn a task is done
    twice, and the second time counts: the first one brings back what the others have
    pushed out. (oneDNN, which computes PyTorch's convolutions, keeps the last 1,024
    kernels. Four GoogLeNets in training need more, and compile again in every turn.)
    Raises ValueError unless there is at least one task and one round.
    """
    if not tasks or rounds < 1:
        raise ValueError(f"got {len(tasks)} tasks and {rounds} rounds: 1 is the least")
    rows = []
    for _ in range(rounds):
        row = {}
        for name, task in tasks.items():
            task()
            start = time.perf_counter()
            task()
            row[name] = time.perf_counter() - start
        rows.append(row)
    return pd.DataFrame(rows)


def training_step(
    model: nn.Module,
    image_size: int,
    batch_size: int = 32,
    *,
    channels_last: bool = True,
    precision: str = "bfloat16",
) -> Callable[[], None]:
    """A whole step of training on random numbers: forward, losses, backward, SGD.

    ``model`` is one of ours, torchvision's GoogLeNet or any that returns logits and has
    a last layer ``fc``. ``channels_last`` and ``precision`` ("bfloat16" or "float32")
    are what a user can choose; the optimizer does its arithmetic in one fused pass
    where the layout is channels-last too, and as PyTorch does it by default elsewhere.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, fused=channels_last or None
    )
    x = torch.randn(batch_size, 3, image_size, image_size)
    x = x.contiguous(memory_format=layout)
    num_classes = cast(nn.Linear, model.fc).out_features
    targets = torch.randint(num_classes, (batch_size,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = model(x)
        if isinstance(outputs, torch.Tensor):  # a network without heads
            loss = googlenet_loss(outputs.float(), targets)
        else:  # torchvision's have the same fields in the same order
            logits = GoogLeNetOutputs(*(o.float() for o in outputs))
            loss = googlenet_loss(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def network_flops(
    model: nn.Module, image_size: int, batch_size: int = 1, *, train: bool = False
) -> int:
    """Floating-point operations of one batch: a multiply-add counts as two.

    ``train`` adds the heads, if there are any, and the backward pass. Counted by
    PyTorch's own counter, which looks at convolutions and matrix products and at
    nothing else, on the "meta" device, where nothing is computed.
    """
    twin = deepcopy(model).to("meta").train(train)
    x = torch.empty(batch_size, 3, image_size, image_size, device="meta")
    with FlopCounterMode(display=False) as counter:
        outputs = twin(x)
        if train:
            sum(logits.sum() for logits in outputs).backward()
    return counter.get_total_flops()


def peak_flops(
    dtype: torch.dtype,
    kind: str = "convolution",
    rounds: int = 10,
    enough: float = 2.0,
) -> float:
    """Operations per second that this processor reaches at its best, measured.

    ``kind`` is "convolution", 3×3 from 256 to 256 channels on 32 maps of 28×28, or
    "matrix product" of two 2048×2048 matrices; the fastest of ``rounds`` counts, of
    fewer once ``enough`` seconds are spent. Raises ValueError on another kind.
    """
    if kind == "convolution":
        x = torch.randn(32, 256, 28, 28).to(dtype, memory_format=torch.channels_last)
        weight = torch.randn(256, 256, 3, 3).to(
            dtype, memory_format=torch.channels_last
        )
        flops = 2 * 32 * 256 * 28 * 28 * 256 * 9

        def task():
            return F.conv2d(x, weight, padding=1)

    elif kind == "matrix product":
        a, b = torch.randn(2, 2048, 2048).to(dtype)
        flops = 2 * 2048**3

        def task():
            return a @ b

    else:
        raise ValueError(f"kind must be convolution or matrix product, got {kind!r}")
    times: list[float] = []
    with torch.inference_mode():
        task()  # the first call also prepares the kernel
        while len(times) < rounds and sum(times) < enough:
            start = time.perf_counter()
            task()
            times.append(time.perf_counter() - start)
    return flops / min(times)
