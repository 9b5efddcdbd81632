"""Our GoogLeNet beside torchvision's, ONNX Runtime and OpenVINO: `make bench`.

What is compared is measured in one process, turn by turn, and told as a ratio to
torchvision's network in its default form: float32, channels first, PyTorch's default
SGD. Each case has a process of its own, since what a process did before decides how
much memory it keeps: a program that answers hasn't just trained. Only precisions in
which the processor itself computes are measured.
Writes this processor's part of results.json; report.py makes tables and figure of it.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from common import CLASSES, machine, noise, torchvisions
from torch import Tensor, nn

from inception_lib import GoogLeNet, GoogLeNetOutputs, for_serving, googlenet_loss
from inception_lib.analysis.speed import (
    interleaved,
    network_flops,
    peak_flops,
    training_step,
)
from inception_lib.model.device import pick_precision
from inception_lib.model.engines import in_batches, installed, quantised, the_core
from inception_lib.model.graph import to_onnx
from inception_lib.model.serving import folded
from inception_lib.training import Augment, TrainingConfig, fit, prepare

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
AUGMENT = Augment((3, 2), shift=0.04)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# By mode, image size and batch size: seconds spent on taking turns, and on the whole
# case on two cores of a Xeon.
CASES = {
    ("train", 96, 32): (30, 45),
    ("train", 224, 32): (40, 75),
    ("epoch", 96, 32): (30, 55),
    ("infer", 96, 32): (25, 45),
    ("infer", 224, 32): (45, 80),
    ("infer", 96, 1): (15, 30),
    ("infer", 224, 1): (15, 30),
}


class Task(NamedTuple):
    do: Callable[[], object]
    precision: str
    flops: int | None = None  # of our network; of others nobody counts them here


def precisions() -> list[str]:
    """Those in which this processor computes; it would emulate the others, slowly."""
    native, _ = pick_precision("auto", torch.device("cpu"))
    return ["float32"] + ["bfloat16"] * (native == "bfloat16")


def turns(tasks: dict[str, Task], seconds: float) -> pd.DataFrame:
    """Rounds of ``interleaved`` for so many seconds: two at least, 20 at most."""
    rounds: list[pd.DataFrame] = []
    start = time.perf_counter()
    while len(rounds) < 2 or (
        len(rounds) < 20 and time.perf_counter() - start < seconds
    ):
        rounds.append(interleaved({name: t.do for name, t in tasks.items()}, 1))
    return pd.concat(rounds, ignore_index=True)


def records(
    tasks: dict[str, Task], mode: str, size: int, batch: int, budget: float
) -> list[dict]:
    """Measure ``tasks``, of which the first is torchvision's default: a row each."""
    seconds = turns(tasks, budget)
    peak = {name: peak_flops(DTYPES[name]) for name in precisions()}
    rows = []
    for name, task in tasks.items():
        ratios = seconds.iloc[:, 0] / seconds[name]
        low, high = ratios.quantile([0.25, 0.75])
        best = task.flops and task.flops / seconds[name].median() / peak[task.precision]
        rows.append(
            {
                "name": name,
                "mode": mode,
                "image_size": size,
                "batch_size": batch,
                "precision": task.precision,
                "ratio_to_torchvision_default": round(ratios.median(), 3),
                "ratio_low": round(low, 3),
                "ratio_high": round(high, 3),
                "fraction_of_peak": best and round(best, 3),
                "rounds": len(seconds),
            }
        )
    return rows


def ours(image_size: int, **form) -> GoogLeNet:
    return GoogLeNet(CLASSES, image_size=image_size, **form)


def train(image_size: int, batch_size: int) -> dict[str, Task]:
    size: dict[str, Any] = {"image_size": image_size, "batch_size": batch_size}
    default: dict[str, Any] = {"channels_last": False, "precision": "float32"}
    *_, best = precisions()
    tasks = {
        "torchvision": Task(
            training_step(torchvisions(), **size, **default), "float32"
        ),
        "torchvision, our settings": Task(
            training_step(torchvisions(), **size, precision=best), best
        ),
    }
    flops = network_flops(ours(image_size), image_size, batch_size, train=True)
    for precision in precisions():
        for form in ({}, {"batch_norm": True}):
            name = f"ours{', batch norm' if form else ''}, {precision}"
            step = training_step(ours(image_size, **form), **size, precision=precision)
            tasks[name] = Task(step, precision, flops)
    return tasks


def infer(image_size: int, batch_size: int) -> dict[str, Task]:
    """torchvision's network, and the same network of ours by every program: called as
    its own users call it, and through ``for_serving``.
    """
    x = torch.randn(batch_size, 3, image_size, image_size)
    like, theirs, tuned = (
        images_for_calibration(),
        torchvisions().eval(),
        torchvisions(),
    )
    *_, best = precisions()
    tuned.eval().to(DTYPES[best]).to(memory_format=torch.channels_last)
    tuned_x = x.to(DTYPES[best], memory_format=torch.channels_last)
    model = ours(image_size, batch_norm=True).eval()
    flops = network_flops(model, image_size, batch_size)
    tasks = {
        "torchvision": Task(lambda: theirs(x), "float32"),
        "torchvision, our settings": Task(lambda: tuned(tuned_x), best),
    }
    graph = to_onnx(folded(model))
    there = {name: call for name, call in PEERS.items() if installed(call.__name__)}
    graphs = {"float32": graph}
    if there:
        graphs["int8"] = quantised(graph, in_batches(like))
    for name, program in there.items():
        for precision, file in graphs.items():
            tasks[f"{name}, {precision}"] = Task(program(file, x), "float32")
    for precision in precisions():
        only = for_serving(model, precision=precision, engine="pytorch")
        name = f"ours, PyTorch alone, {precision}"
        tasks[name] = Task(partial(only, x), precision, flops)
        if there:
            served = for_serving(model, precision=precision)
            name = f"ours, served, {precision}"
            tasks[name] = Task(partial(served, x), precision, flops)
    if there:
        whole = for_serving(model, int8=like)
        tasks["ours, served, int8"] = Task(partial(whole, x), "float32")
    return tasks


def images_for_calibration() -> Tensor:
    return torch.randn(32, 3, 96, 96)


def onnxruntime(graph: bytes, x: Tensor) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(graph, options)
    images = {"images": x.numpy()}
    return lambda: session.run(None, images)


def openvino(graph: bytes, x: Tensor) -> Callable[[], object]:
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    core = the_core()
    compiled = core.compile_model(core.read_model(graph), "CPU", settings)
    images = x.numpy()
    return lambda: compiled(images)


PEERS = {"ONNX Runtime": onnxruntime, "OpenVINO": openvino}


def epoch(image_size: int, batch_size: int, batches: int = 8) -> dict[str, Task]:
    """An epoch from uint8 images in memory, augmentation and validation included."""
    n, held_out = batch_size * batches, batch_size * max(1, batches // 3)
    data = noise(n + held_out, image_size)
    train_set, validation = data.subset(slice(0, n)), data.subset(slice(n, None))
    theirs = torchvisions()
    theirs.fc = nn.Linear(1024, CLASSES)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9)

    def torchvision_epoch() -> None:
        theirs.train()
        for batch in torch.randperm(n).split(batch_size):
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

    def our_epoch(precision: str) -> Callable[[], object]:
        config = TrainingConfig(
            image_size=image_size,
            epochs=1,
            grow=False,
            batch_size=batch_size,
            optimizer="adamw",
            precision=precision,  # type: ignore[arg-type]  # one of its choices
        )
        return lambda: fit(train_set, validation, config, progress=None)

    tasks = {"torchvision": Task(torchvision_epoch, "float32")}
    for precision in precisions():
        tasks[f"ours, batch norm, {precision}"] = Task(our_epoch(precision), precision)
    return tasks


def measure(mode: str, size: int, batch: int, budget: float) -> list[dict]:
    """All of a case, in this process."""
    tasks = {"train": train, "infer": infer, "epoch": epoch}[mode](size, batch)
    with torch.inference_mode(mode == "infer"):
        return records(tasks, mode, size, batch, budget)


def alone(work: Callable[..., Any], *arguments: object) -> Any:
    """What ``work(*arguments)`` gives in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def peaks() -> list[dict]:
    """The processor's own best, in GFLOP/s."""
    return [
        {
            "name": f"peak, {kind}",
            "mode": "peak",
            "precision": precision,
            "gflops": round(peak_flops(DTYPES[precision], kind) / 1e9),
        }
        for kind in ("convolution", "matrix product")
        for precision in precisions()
    ]


def left(done: int, spent: float) -> float:
    """Seconds that the cases after the first ``done`` will take, if they are as much
    slower here as those were.
    """
    usual = [seconds for _, seconds in CASES.values()]
    return spent / sum(usual[:done]) * sum(usual[done:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    _, reason = pick_precision("auto", torch.device("cpu"))
    here = f"{machine()}, {torch.get_num_threads()} threads"
    print(f"{here}; {reason}, so {' and '.join(precisions())} are measured", flush=True)
    rows, start = peaks(), time.perf_counter()
    for i, (case, (budget, _)) in enumerate(CASES.items(), 1):
        found = alone(measure, *case, budget)
        rows += found
        mode, size, batch = case
        for row in found:
            ratio = f"{row['ratio_to_torchvision_default']:6.2f} times"
            print(
                f"{mode:>6} {size:>4} px  batch {batch:>2}  {row['name']:<32} {ratio}"
            )
        minutes = left(i, time.perf_counter() - start) / 60
        print(f"{i} of {len(CASES)}, about {minutes:.1f} minutes left", flush=True)
    table = pd.DataFrame(rows).convert_dtypes().assign(machine=here)
    # Through pandas, which writes what wasn't measured as null.
    records_here = json.loads(table.to_json(orient="records"))
    before = json.loads(options.out.read_text()) if options.out.exists() else []
    others = [row for row in before if row["machine"] != here]
    options.out.write_text(json.dumps(others + records_here, indent=1) + "\n")


if __name__ == "__main__":
    main()
