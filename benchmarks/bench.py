"""Our GoogLeNet beside torchvision's: training step, inference, epoch; `make bench`.

What is compared is measured in one process, turn by turn, and told as a ratio to
torchvision's network in its default form: float32, channels first, PyTorch's default
SGD. Each mode, image size and batch size has a process of its own, since what a process
did before decides how much memory it keeps: a program that answers hasn't just trained.
Writes results.json; report.py makes the table and the figure from it.
"""

import argparse
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from common import CLASSES, machine, noise, torchvisions
from torch import nn

from inception_lib import GoogLeNet, GoogLeNetOutputs, for_serving, googlenet_loss
from inception_lib.analysis.speed import (
    interleaved,
    network_flops,
    peak_flops,
    training_step,
)
from inception_lib.model.device import pick_precision
from inception_lib.training import Augment, TrainingConfig, fit, prepare

Tasks = dict[str, Callable[[], object]]
Shapes = dict[str, tuple[bool, str, float | None]]

FOLDER = Path(__file__).parent
AUGMENT = Augment((3, 2), shift=0.04)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def ours(image_size: int, **form) -> GoogLeNet:
    return GoogLeNet(CLASSES, image_size=image_size, **form)


def records(
    tasks: Tasks, shapes: Shapes, common: dict, rounds: int, base: str | None = None
) -> list[dict]:
    """Measure ``tasks``; the first is torchvision's default, ``base`` our own step.

    ``shapes[name]`` says batch_norm, precision and floating-point operations of a task.
    """
    # The fastest of three at least: of one alone, a busy machine makes half a peak.
    tries = max(3, rounds)
    peaks = {name: peak_flops(dtype, rounds=tries) for name, dtype in DTYPES.items()}
    seconds = interleaved(tasks, rounds)
    reference = seconds.iloc[:, 0]
    rows = []
    for name, (batch_norm, precision, flops) in shapes.items():
        ratios = reference / seconds[name]
        low, high = ratios.quantile([0.25, 0.75])
        median = seconds[name].median()
        peak = peaks[precision]
        if rounds >= 3:  # the processor's clock moves while this runs
            peak = max(peak, peak_flops(DTYPES[precision], rounds=3))
        rows.append(
            {
                "name": name,
                **common,
                "batch_norm": batch_norm,
                "precision": precision,
                "ratio_to_torchvision_default": round(ratios.median(), 3),
                "ratio_low": round(low, 3),
                "ratio_high": round(high, 3),
                "fraction_of_peak": flops and round(flops / median / peak, 3),
                "times_our_step": base
                and round((seconds[name] / seconds[base]).median(), 3),
            }
        )
        print(
            f"{common['mode']:>6} {common['image_size']:>4} px  batch "
            f"{common['batch_size']:>2}  {name:<32} {ratios.median():6.2f} times"
        )
    return rows


def train(image_size: int, batch_size: int, rounds: int) -> list[dict]:
    size: dict[str, Any] = {"image_size": image_size, "batch_size": batch_size}
    default: dict[str, Any] = {"channels_last": False, "precision": "float32"}
    plain = ours(image_size)
    flops = network_flops(plain, image_size, batch_size, train=True)
    images = noise(batch_size, image_size).images
    tasks: Tasks = {
        "torchvision": training_step(torchvisions(), **size, **default),
        "torchvision, our settings": training_step(torchvisions(), **size),
    }
    shapes: Shapes = {name: (True, "float32", None) for name in tasks}
    shapes["torchvision, our settings"] = (True, "bfloat16", None)
    for precision in ("bfloat16", "float32"):
        for batch_norm in (False, True):
            name = f"ours{', batch norm' if batch_norm else ''}, {precision}"
            model = ours(image_size, batch_norm=batch_norm)
            tasks[name] = training_step(model, **size, precision=precision)
            shapes[name] = (batch_norm, precision, flops)
    name = "ours, local response norm, bfloat16"
    model = ours(image_size, local_response_norm=True)
    tasks[name] = training_step(model, **size)
    shapes[name] = (False, "bfloat16", flops)
    name = "our augmentation and transfer"
    tasks[name] = lambda: prepare(AUGMENT(images), 0.2).contiguous(
        memory_format=torch.channels_last
    )
    shapes[name] = (False, "float32", None)
    return records(
        tasks, shapes, {"mode": "train", **size}, rounds, base="ours, bfloat16"
    )


def infer(image_size: int, batch_size: int, rounds: int, compiled: bool) -> list[dict]:
    x = torch.randn(batch_size, 3, image_size, image_size)
    theirs, same = torchvisions().eval(), torchvisions().eval()
    same.to(torch.bfloat16).to(memory_format=torch.channels_last)
    like = x.to(torch.bfloat16, memory_format=torch.channels_last)
    model = ours(image_size, batch_norm=True)
    flops = network_flops(model, image_size, batch_size)
    networks: dict[str, tuple[Callable[[], object], str, float | None]] = {
        "torchvision": (lambda: theirs(x), "float32", None),
        "torchvision, our settings": (lambda: same(like), "bfloat16", None),
    }
    for precision in ("bfloat16", "float32"):
        served = for_serving(model, precision=precision)
        networks[f"ours, served, {precision}"] = (partial(served, x), precision, flops)
    if compiled:
        frozen = for_serving(model, precision="bfloat16", compile=True)
        networks["ours, served and compiled, bfloat16"] = (
            lambda: frozen(x),
            "bfloat16",
            flops,
        )
    size = {"image_size": image_size, "batch_size": batch_size}
    with torch.inference_mode():
        return records(
            {name: task for name, (task, _, _) in networks.items()},
            {
                name: (True, precision, f)
                for name, (_, precision, f) in networks.items()
            },
            {"mode": "infer", **size},
            rounds,
        )


def epoch(image_size: int, batches: int, rounds: int) -> list[dict]:
    """An epoch from uint8 images in memory, augmentation and validation included."""
    n, held_out = 32 * batches, 32 * max(1, batches // 3)
    data = noise(n + held_out, image_size)
    train_set, validation = data.subset(slice(0, n)), data.subset(slice(n, None))

    theirs = torchvisions()
    theirs.fc = nn.Linear(1024, CLASSES)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9)

    def torchvision_epoch() -> None:
        theirs.train()
        for batch in torch.randperm(n).split(32):
            outputs = theirs(prepare(AUGMENT(train_set.images[batch]), 0.2))
            # torchvision's outputs have the same fields in the same order.
            loss = googlenet_loss(GoogLeNetOutputs(*outputs), train_set.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        theirs.eval()
        with torch.inference_mode():
            for images in validation.images.split(64):
                theirs(prepare(images, 0.2))

    def our_epoch(precision: str):
        config = TrainingConfig(
            image_size=image_size,
            epochs=1,
            grow=False,
            batch_size=32,
            optimizer="adamw",
            precision=precision,  # type: ignore[arg-type]  # one of its choices
        )
        return lambda: fit(train_set, validation, config, progress=None)

    tasks = {
        "torchvision": torchvision_epoch,
        "ours, batch norm, bfloat16": our_epoch("bfloat16"),
        "ours, batch norm, float32": our_epoch("float32"),
    }
    shapes: Shapes = {name: (True, name.split()[-1], None) for name in tasks}
    shapes["torchvision"] = (True, "float32", None)
    common = {"mode": "epoch", "image_size": image_size, "batch_size": 32}
    return records(tasks, shapes, common, rounds)


def peaks(rounds: int) -> list[dict]:
    """The processor's own best, in GFLOP/s."""
    return [
        {
            "name": f"peak, {kind}",
            "mode": "peak",
            "precision": precision,
            "gflops": round(peak_flops(dtype, kind, rounds) / 1e9),
        }
        for kind in ("convolution", "matrix product")
        for precision, dtype in DTYPES.items()
    ]


def alone(measure: Callable[..., Any], *arguments: object) -> Any:
    """What ``measure(*arguments)`` gives in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 224])
    parser.add_argument("--out", type=Path, default=FOLDER / "results.json")
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        default=shutil.which("g++") is not None,
        help="also torch.compile the served network (default: if there is a compiler)",
    )
    options = parser.parse_args()
    _, reason = pick_precision("auto", torch.device("cpu"))
    here = f"{machine()}, {torch.get_num_threads()} threads"
    print(f"{here}; {reason}")
    rows = peaks(options.rounds)
    for size in options.sizes:
        for batch in (32, 1):
            rounds = options.rounds * (4 if batch == 1 else 1)  # milliseconds each
            rows += alone(train, size, batch, rounds)
            rows += alone(infer, size, batch, rounds, options.compile)
        batches = min(8, max(2, 8 * 96**2 // size**2))  # about equally long
        rows += alone(epoch, size, batches, max(1, options.rounds // 2))
    table = pd.DataFrame(rows).convert_dtypes().assign(machine=here)
    # Through pandas, which writes what wasn't measured as null.
    text = json.dumps(json.loads(table.to_json(orient="records")), indent=1)
    options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
