"""Our GoogLeNet on a GPU: speed beside torchvision's, precisions, exact resuming.

    python benchmarks/gpu.py                 # two or three minutes on a large card
    python benchmarks/gpu.py --small         # everything once, on any processor

Writes gpu.json after every part, and prints its lines: images a second of a training
step and of answering, as a ratio to torchvision's network in its default form, and as a
part of what one large convolution reaches there in the same precision. What is compared
is measured turn by turn. Then: what CUDA graphs and ``torch.compile`` gain, whether a
training that is resumed ends with the same bits, and whether one process with NCCL and
SyncBatchNorm computes what a plain network does.
"""

import argparse
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from common import CLASSES, machine, noise, torchvisions
from torch import nn

from inception_lib import GoogLeNet, GoogLeNetOutputs, for_serving, googlenet_loss
from inception_lib.analysis.speed import network_flops
from inception_lib.model.device import PRECISIONS, pick_device
from inception_lib.training import TrainingConfig, fit
from inception_lib.training.forward import ForwardPass, record
from inception_lib.training.optim import make_optimizer

DEVICE = pick_device()
SIZES, BATCHES = (96, 224), (32, 256)
Tasks = dict[str, Callable[[], object]]


def wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def seconds(tasks: Tasks, rounds: int, repeats: int) -> dict[str, float]:
    """The median time of each task, all of them in turn."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            task()
            wait()
            start = time.perf_counter()
            for _ in range(repeats):
                task()
            wait()
            if number:  # the first round prepares the kernels
                times[name].append((time.perf_counter() - start) / repeats)
    return {name: sorted(found)[len(found) // 2] for name, found in times.items()}


def peak(precision: str, small: bool) -> float:
    """Operations a second of the best of a few large convolutions."""
    dtype, batch = getattr(torch, precision), 2 if small else 256
    best = 0.0
    for channels, side in [(128, 56), (256, 28), (512, 14)]:
        x = torch.randn(batch, channels, side, side, device=DEVICE).to(dtype)
        weight = torch.randn(channels, channels, 3, 3, device=DEVICE).to(dtype)
        x, weight = (
            t.contiguous(memory_format=torch.channels_last) for t in (x, weight)
        )
        flops = 2 * batch * channels**2 * 9 * side**2

        def task(x=x, weight=weight) -> object:
            return F.conv2d(x, weight, padding=1)

        with torch.inference_mode():
            found = seconds({"": task}, 3, 1 if small else 20)
        best = max(best, flops / found[""])
    return best


# --- speed ----------------------------------------------------------------------------


def ours(image_size: int) -> GoogLeNet:
    model = GoogLeNet(CLASSES, image_size=image_size, batch_norm=True).to(DEVICE)
    return model.to(memory_format=torch.channels_last)


def default_step(size: int, batch: int) -> Callable[[], None]:
    """torchvision's network as it comes: float32, channels first, PyTorch's SGD."""
    model = torchvisions().to(DEVICE).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(batch, 3, size, size, device=DEVICE)
    labels = torch.randint(CLASSES, (batch,), device=DEVICE)

    def step() -> None:
        optimizer.zero_grad()
        googlenet_loss(GoogLeNetOutputs(*model(x)), labels).backward()
        optimizer.step()

    return step


def our_step(
    size: int, batch: int, precision: str, *, graph: bool, compiled: bool = False
) -> Callable[[], None]:
    """The training loop's own step; with ``graph`` as it is on a lone GPU."""
    model = ours(size)
    config = TrainingConfig(
        image_size=size,
        batch_size=batch,
        optimizer="sgd",
        precision=precision,  # type: ignore[arg-type]  # one of its choices
    )
    optimizer = make_optimizer(model, config, precision)
    network: nn.Module = torch.compile(model) if compiled else model  # type: ignore
    forward = ForwardPass(network, precision)
    if graph:
        record(forward, size, config, CLASSES)
    scaler = torch.amp.GradScaler(DEVICE.type, 2.0**12, enabled=precision == "float16")
    x = torch.randn(batch, 3, size, size, device=DEVICE)
    x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch,), device=DEVICE)
    targets = F.one_hot(labels, CLASSES).float()

    def step() -> None:
        optimizer.zero_grad()
        loss, _ = forward(x, targets, labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return step


def answering(size: int, batch: int) -> Tasks:
    x = torch.randn(batch, 3, size, size, device=DEVICE)
    theirs = torchvisions().to(DEVICE).eval()
    model = ours(size).eval()
    tasks: Tasks = {"torchvision": lambda: theirs(x)}
    for precision in PRECISIONS:
        serving = for_serving(model, precision=precision)
        tasks[f"ours, {precision}"] = partial(serving, x)
    return tasks


def training(size: int, batch: int) -> Tasks:
    tasks: Tasks = {"torchvision": default_step(size, batch)}
    for precision in PRECISIONS:
        tasks[f"ours, {precision}"] = our_step(size, batch, precision, graph=False)
        if DEVICE.type == "cuda" and precision == "bfloat16":
            name = f"ours, {precision}, recorded"
            tasks[name] = our_step(size, batch, precision, graph=True)
    return tasks


def speed(mode: str, size: int, batch: int, peaks: dict, small: bool) -> list[dict]:
    """A line for each task: images a second, ratio, part of the peak."""
    tasks = (training if mode == "train" else answering)(size, batch)
    model = GoogLeNet(CLASSES, image_size=size, batch_norm=True)
    flops = network_flops(model, size, batch, train=mode == "train")
    with nullcontext() if mode == "train" else torch.inference_mode():
        found = seconds(tasks, 1 if small else 3, 1 if small else 5)
    lines = []
    for name, each in found.items():
        precision = name.split(", ")[1] if ", " in name else "float32"
        lines.append(
            {
                "mode": mode,
                "name": name,
                "image_size": size,
                "batch_size": batch,
                "images_per_second": round(batch / each),
                "ratio_to_torchvision_default": round(found["torchvision"] / each, 2),
                "fraction_of_peak": round(flops / each / peaks[precision], 3),
            }
        )
        if name == "torchvision":  # another network, whose operations nobody counted
            lines[-1]["fraction_of_peak"] = None
    return lines


def compiling(small: bool) -> list[dict]:
    """What ``torch.compile`` gains over the step as it is, in bfloat16."""
    size, batch = (64, 2) if small else (224, 256)
    graph = DEVICE.type == "cuda"
    tasks: Tasks = {"as it is": our_step(size, batch, "bfloat16", graph=graph)}
    start = time.perf_counter()
    tasks["compiled"] = our_step(size, batch, "bfloat16", graph=False, compiled=True)
    tasks["compiled"]()
    wait()
    took = time.perf_counter() - start
    found = seconds(tasks, 1 if small else 3, 1 if small else 5)
    return [
        {
            "image_size": size,
            "batch_size": batch,
            "seconds_to_compile": round(took, 1),
            "gain": round(found["as it is"] / found["compiled"], 3),
        }
    ]


# --- the same bits --------------------------------------------------------------------


def resuming(precision: str, optimizer: str, small: bool) -> dict:
    """Train twice, and once with an interruption: are the weights the same bits?"""
    config = TrainingConfig(
        image_size=64,
        epochs=2 if small else 4,
        batch_size=4 if small else 32,
        precision=precision,  # type: ignore[arg-type]  # one of its choices
        optimizer=optimizer,  # type: ignore[arg-type]
    )
    images = noise(8 if small else 128, 80)

    def train(**options) -> list[torch.Tensor]:
        run = fit(images, images, config, progress=None, **options)
        return [tensor.cpu().clone() for tensor in run.model.state_dict().values()]

    def stop(history) -> None:
        if len(history) == config.epochs // 2:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        once, again = train(), train()
        train(checkpoint=path, on_epoch=stop)
        resumed = train(checkpoint=path, resume=True)
    return {
        "precision": precision,
        "optimizer": optimizer,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "same_twice": all(map(torch.equal, once, again)),
        "same_resumed": all(map(torch.equal, once, resumed)),
        "finite": all(bool(tensor.isfinite().all()) for tensor in once),
    }


def recorded_like_plain() -> dict:
    """The loss and gradients of a recorded step beside those of a plain one."""
    size, batch = 64, 8
    config = TrainingConfig(image_size=size, batch_size=batch)
    model = GoogLeNet(
        CLASSES, image_size=size, batch_norm=True, dropout=0.0, dropout_aux=0.0
    )
    model = model.to(DEVICE).to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, size, size, device=DEVICE)
    x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=DEVICE)
    targets = F.one_hot(labels, CLASSES).float()
    found = []
    for graph in (False, True):
        forward = ForwardPass(deepcopy(model), "float32")
        if graph and DEVICE.type == "cuda":
            record(forward, size, config, CLASSES)
        loss, _ = forward(x, targets, labels)
        loss.backward()
        tensors = [p.grad for p in forward.parameters()] + list(forward.buffers())
        found.append(
            (loss.item(), [t.double().clone() for t in tensors if t is not None])
        )
    (plain, first), (recorded, second) = found
    apart = [
        float((a - b).norm() / a.norm().clamp_min(1e-9))
        for a, b in zip(first, second, strict=True)
    ]
    return {"loss": plain, "recorded": recorded, "gradients_apart": max(apart)}


def one_process() -> dict:
    """DistributedDataParallel of one process; with NCCL, SyncBatchNorm too."""
    nccl = DEVICE.type == "cuda" and dist.is_nccl_available()
    with tempfile.NamedTemporaryFile() as file:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        dist.init_process_group(
            "nccl" if nccl else "gloo",
            init_method=f"file://{file.name}-store",
            rank=0,
            world_size=1,
        )
        model = GoogLeNet(10, image_size=64, batch_norm=True, dropout=0, dropout_aux=0)
        model = model.to(DEVICE)
        twin: nn.Module = deepcopy(model)
        if nccl:
            twin = nn.SyncBatchNorm.convert_sync_batchnorm(twin)
        twin = nn.parallel.DistributedDataParallel(twin)
        x = torch.randn(8, 3, 64, 64, device=DEVICE)
        losses = []
        for network in (model, twin):
            loss = googlenet_loss(network(x), torch.arange(8, device=DEVICE))
            loss.backward()
            losses.append(loss.item())
        pairs = zip(model.parameters(), twin.parameters(), strict=True)
        apart = max(float((p.grad - q.grad).norm() / p.grad.norm()) for p, q in pairs)  # type: ignore
        dist.destroy_process_group()
    backend = "nccl, SyncBatchNorm" if nccl else "gloo, as there is no NCCL"
    return {"backend": backend, "losses": losses, "gradients_apart": apart}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="that it runs, not more")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "gpu.json")
    options = parser.parse_args()
    small = options.small
    cuda = DEVICE.type == "cuda"
    results: dict[str, object] = {"machine": machine()}

    def part(title: str, measure: Callable[[], object]) -> object:
        start = time.perf_counter()
        try:
            results[title] = measure()
        except Exception as error:  # the other parts are worth having
            traceback.print_exc()
            results[title] = f"failed: {type(error).__name__}: {error}"
        found = results[title]
        for line in found if isinstance(found, list) else [found]:
            print(f"{title:<22}", json.dumps(line), flush=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{'':<22} {time.perf_counter() - start:.1f} seconds", flush=True)
        if cuda:
            torch.cuda.empty_cache()
        return found

    part("recorded like plain", recorded_like_plain)
    part("one process", one_process)
    for precision, optimizer in [("float16", "muon"), ("bfloat16", "adamw")]:
        found = part(
            f"resuming, {precision}", partial(resuming, precision, optimizer, small)
        )
        if isinstance(found, dict) and not found["same_twice"]:
            torch.backends.cudnn.deterministic = True
            title = f"resuming, {precision}, deterministic"
            part(title, partial(resuming, precision, optimizer, small))
    torch.backends.cudnn.deterministic = False
    peaks = {precision: peak(precision, small) for precision in PRECISIONS}
    part("peak, TFLOP/s", lambda: {n: round(p / 1e12, 1) for n, p in peaks.items()})
    for size in (64,) if small else SIZES:
        for batch in (2,) if small else BATCHES:
            for mode in ("train", "infer"):
                part(
                    f"{mode}, {size} px, {batch}",
                    partial(speed, mode, size, batch, peaks, small),
                )
    if not options.no_compile:
        part("torch.compile", lambda: compiling(small))


if __name__ == "__main__":
    main()
