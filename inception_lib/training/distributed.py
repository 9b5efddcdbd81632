"""One training in several processes: which of them we are, and what they exchange.

``torchrun`` starts the processes and tells each its number; PyTorch's
DistributedDataParallel averages their gradients. All of them hold the same weights,
draw the same random numbers and walk through the same batches, and each computes its
share of every batch. With one process nothing here does anything.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from ..model.device import PRECISIONS
from .interrupts import ends_if_stuck


@contextmanager
def process_group() -> Iterator[None]:
    """Join the others, if ``torchrun`` started this process.

    Gradients travel by NCCL between GPUs, by gloo otherwise; what lies in the
    processor's memory always by gloo.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    with ends_if_stuck():
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            backend = "cpu:gloo,cuda:nccl"
        # torchrun's store outlives a restart: under the same keys a process would find
        # the addresses of those that died. Its nodes, if several, count differently.
        store, rank, size = next(dist.rendezvous("env://"))
        if os.environ.get("GROUP_WORLD_SIZE") == "1":
            attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
            store = dist.PrefixStore(f"attempt {attempt}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield
    # Only after success: a failed process waits for nobody.
    dist.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0. Number 0 prints and writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_loss_of_contact(error: RuntimeError) -> bool:
    """Whether another process has gone, rather than that something is wrong here."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def parallel(model: nn.Module, precision: str = "float32") -> nn.Module:
    """The network to call in training: its gradients are the mean over all processes.

    In bfloat16 they travel as such: that is what they were computed in. On GPUs batch
    norm takes its statistics over the whole batch (SyncBatchNorm). On processors
    PyTorch has no such layer: each process uses those of its own share.
    """
    if count() == 1:
        return model
    if next(model.parameters()).is_cuda:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    # Buffers: see average_buffers. Recent versions of torch renamed the option.
    known = signature(DistributedDataParallel).parameters
    new, old = "forward_sync_buffers", "broadcast_buffers"
    options: dict[str, Any] = {new if new in known else old: False}
    # Gradients lie in the buffers that travel: no copy into them and back.
    network = DistributedDataParallel(model, gradient_as_bucket_view=True, **options)
    # It would deal the gradients into buckets once more after the first step, and so
    # after a resume, too: sums over three processes would end in other bits. Do it now.
    network.reducer._push_all_rebuilt_params()
    network.reducer._rebuild_buckets()
    if precision == "bfloat16":
        network.register_comm_hook(None, bf16_compress_hook)
    return network


def exchange(network: nn.Module, now: bool) -> AbstractContextManager:
    """Around a backward pass: exchange gradients ``now``, or add them up for later."""
    if now or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()


def share(n: int) -> Tensor:
    """Which of n rows this process computes: every process gets equally many.

    Row r goes to process r modulo their count; where n isn't a multiple of it, some
    rows are computed twice, and ``gather`` drops the second.
    """
    return torch.arange(rank(), -(-n // count()) * count(), count()) % n


def gather(rows: Tensor, n: int) -> Tensor:
    """The n rows in order, out of what each process computed for its ``share``."""
    if count() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(count())]
    dist.all_gather(parts, rows.contiguous())
    return torch.stack(parts, 1).flatten(0, 1)[:n]


def spread(function: Callable[[Tensor], Tensor], tensors: list[Tensor]) -> list[Tensor]:
    """The function of each tensor, of the same shape: every process computes a part of
    them and sends it to the others.
    """
    if count() == 1:
        return [function(tensor) for tensor in tensors]
    # Sorted by size, then dealt out: so the parts take about as long.
    order = sorted(range(len(tensors)), key=lambda i: tensors[i].numel())
    mine = [function(tensors[i]) for i in order[rank() :: count()]]
    results = list(tensors)
    for owner in range(count()):
        indices = order[owner :: count()]
        parts = mine if owner == rank() else [tensors[i] for i in indices]
        if not parts:
            break
        flat = torch.cat([part.flatten() for part in parts])
        dist.broadcast(flat, owner)
        sizes = [part.numel() for part in parts]
        for i, part in zip(indices, flat.split(sizes), strict=True):
            results[i] = part.view(tensors[i].shape)
    return results


def mean(*values):
    """The mean of each number over the processes."""
    if count() == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    return (total / count()).tolist()


def average_buffers(*models: nn.Module) -> None:
    """Give all processes the mean of their batch norms' running statistics.

    These are linear in the statistics of the batches, and training never reads them:
    once per epoch is as good as after every step.
    """
    buffers = running_statistics(*models)
    if count() > 1 and buffers:
        flat = torch.cat([buffer.flatten() for buffer in buffers])
        dist.all_reduce(flat)
        fill(buffers, flat / count())


def all_buffers(*models: nn.Module) -> Tensor | None:
    """Every process's running statistics, a row each; None if all have the same."""
    buffers = running_statistics(*models)
    if count() == 1 or not buffers:
        return None
    flat = torch.cat([buffer.flatten() for buffer in buffers])
    rows = [torch.empty_like(flat) for _ in range(count())]
    dist.all_gather(rows, flat)
    return torch.stack(rows)


def restore_buffers(rows: Tensor, *models: nn.Module) -> None:
    """Put back this process's row; the mean, if there were more or fewer of them."""
    row = rows[rank()] if len(rows) == count() else rows.mean(0)
    fill(running_statistics(*models), row)


def running_statistics(*models: nn.Module) -> list[Tensor]:
    return [b for m in models for b in m.buffers() if b.is_floating_point()]


def fill(buffers: list[Tensor], flat: Tensor) -> None:
    parts = flat.split([buffer.numel() for buffer in buffers])
    for buffer, part in zip(buffers, parts, strict=True):
        buffer.copy_(part.view_as(buffer))


@contextmanager
def own_random_numbers(seed: int, step: int) -> Iterator[None]:
    """Inside the block, every process draws other random numbers, as dropout should,
    and others in every ``step``; after it, all of them draw the same again.
    """
    if count() == 1:
        yield
        return
    state = torch.get_rng_state()
    torch.manual_seed((seed << 32) + step * count() + rank())
    yield
    torch.set_rng_state(state)


def agreed(precision: str) -> str:
    """The precision of process 0: a measurement may come out otherwise elsewhere."""
    if count() == 1:
        return precision
    index = torch.tensor(PRECISIONS.index(precision))
    dist.broadcast(index, 0)
    return PRECISIONS[index]


def all_same(number: int) -> bool:
    """Whether it is the same number in all processes."""
    if count() == 1:
        return True
    extremes = torch.tensor([number, -number])
    dist.all_reduce(extremes, dist.ReduceOp.MAX)
    return bool(extremes[0] == -extremes[1])
