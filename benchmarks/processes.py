"""Two processes beside one on the same cores: images per second, turn by turn.

    python benchmarks/processes.py --image-size 224 --batch-size 64

Each process gets its part of the cores and of the batch, as torchrun would be used.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from inception_lib.training import TrainingConfig, distributed
from inception_lib.training.checkpoint import Run, State, build_model
from inception_lib.training.loop import (
    make_optimizer,
    make_rate,
    running_average,
    train_step,
)


def worker(config: TrainingConfig, steps: int) -> float:
    """Images per second of all the processes together: the median of ``steps``."""
    torch.manual_seed(0)
    model = build_model(config, 2).to(memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=running_average, use_buffers=True)
    network = distributed.parallel(model)
    optimizer = make_optimizer(model, config)
    schedule = LambdaLR(optimizer, make_rate(config, steps, 1))
    state = State(model, average, optimizer, schedule, config.precision)
    run = Run(average.module, config, ("a", "b"), 0.2)
    n = config.batch_size // distributed.count()
    size = (n, 1, config.image_size, config.image_size)
    images = torch.randint(256, size, dtype=torch.uint8)
    batch = images, torch.rand(n, 2).softmax(1), torch.randint(2, (n,))
    seconds = []
    for _ in range(steps + 2):  # the first two also prepare the kernels
        start = time.perf_counter()
        train_step(network, batch, run, state)
        seconds.append(time.perf_counter() - start)
    return config.batch_size / statistics.median(seconds[2:])


def launch(processes: int, arguments: list[str]) -> float:
    """What ``worker`` measured in a fresh set of processes."""
    threads = max(1, torch.get_num_threads() // processes)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), __file__, "--worker", *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        config = TrainingConfig(
            image_size=options.image_size,
            batch_size=options.batch_size,
            precision=options.precision,
        )
        with distributed.process_group():
            speed = worker(config, options.steps)
            if distributed.rank() == 0:
                print(speed)
        return
    ratios = []
    for _ in range(options.rounds):
        one, two = (launch(n, sys.argv[1:]) for n in (1, 2))
        ratios.append(two / one)
        print(f"one {one:6.1f}   two {two:6.1f} images/s   {two / one:.2f}")
    print(f"two processes: {statistics.median(ratios):.2f} times as fast as one")


if __name__ == "__main__":
    main()
