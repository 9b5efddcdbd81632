"""The memory that a training with --stream takes, by the number of pictures.

    python benchmarks/memory.py --pictures 5000 50000

For each number a folder of so many small pictures is made (32×32, JPEG), and a fresh
process looks through it and trains for one epoch, validation included. Printed is the
most memory that this process, and the larger of its two workers, ever had resident.
For Linux and macOS.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from inception_lib.training import TrainingConfig, fit, image_stream, split

SIDE = 32
# The smallest training there is: it is the pictures that we are after.
CONFIG = TrainingConfig(
    image_size=SIDE,
    epochs=1,
    grow=False,
    aux=False,
    batch_size=64,
    precision="float32",
)


def make(folder: Path, n: int) -> None:
    """``n`` different pictures of noise in two classes, a half of them in each."""
    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def peak(who: int) -> float:
    """In MB: of this process, or of the largest of its children that have ended."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 1e6


def train(folder: Path) -> None:
    """Look through the folder, train for an epoch, and print both peaks as JSON."""
    data = image_stream(folder, SIDE)
    train, validation, _ = split(data)
    fit(train, validation, CONFIG, progress=None)
    del data.loader.workshop  # ends the workers
    print(json.dumps([peak(resource.RUSAGE_SELF), peak(resource.RUSAGE_CHILDREN)]))


def measure(n: int) -> list[float]:
    """Peaks of a fresh process and of its workers, for ``n`` pictures."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), n)
        command = [sys.executable, __file__, "--folder", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        train(options.folder)
        return
    for n in options.pictures:
        own, worker = measure(n)
        print(f"{n:>9,} pictures: {own:,.0f} MB, {worker:,.0f} MB in a worker")


if __name__ == "__main__":
    main()
