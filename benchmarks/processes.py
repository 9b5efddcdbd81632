"""Two processes beside one on the same cores: images per second, turn by turn.

    python benchmarks/processes.py --image-size 224 --batch-size 64

Each process gets its part of the cores and of the batch, as torchrun would be used.
What is timed is a whole epoch of ``fit``: augmentation, training and validation, a
third as many images.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import torch
from common import noise

from inception_lib.training import TrainingConfig, distributed, fit

EPOCHS = 3  # that count, after one that also prepares the kernels


def worker(config: TrainingConfig, steps: int) -> float:
    """Training images per second of all the processes together: the median epoch."""
    n = steps * config.batch_size
    sets = noise(n, config.image_size), noise(max(2, n // 3), config.image_size)
    ends: list[float] = []  # only in the first process
    fit(*sets, config, progress=None, on_epoch=lambda _: ends.append(time.time()))
    seconds = [after - before for before, after in zip(ends, ends[1:], strict=False)]
    return n / statistics.median(seconds) if seconds else 0.0


def launch(processes: int, arguments: list[str]) -> float:
    """What ``worker`` measured in a fresh set of processes."""
    threads = max(1, torch.get_num_threads() // processes)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), __file__, "--worker", *arguments]
    done = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
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
    parser.add_argument("--steps", type=int, default=12, help="batches in an epoch")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        config = TrainingConfig(
            image_size=options.image_size,
            batch_size=options.batch_size,
            precision=options.precision,
            epochs=1 + EPOCHS,
            grow=False,
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
