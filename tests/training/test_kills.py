"""Real processes killed at any moment: nothing is lost, nothing becomes different."""

import random
import time
from pathlib import Path

from inception_lib.training.checkpoint import read_tensors

KILLS, EPOCHS = 51, 36


def stamp(path: Path) -> tuple[int, int]:
    """Another one whenever the file is written or replaced."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def await_change(path: Path, before: tuple[int, int], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while stamp(path) == before or not path.exists():
        assert time.monotonic() < end, f"{path.name} didn't change"
        time.sleep(0.001)


def test_kills_at_random_moments_change_nothing(warm, few_pictures, tmp_path):
    options = "--image-size 32 --no-aux --no-grow --batch-size 16 --precision float32"
    options += " --final"  # a validation after each epoch takes a quarter of the time
    command = ["--data", few_pictures, "--epochs", EPOCHS, *options.split(), "--out"]
    start = time.perf_counter()
    assert warm.run(*command, tmp_path / "whole") == 0
    epoch = (time.perf_counter() - start) / EPOCHS

    cut = tmp_path / "cut"
    checkpoint = cut / "checkpoint.safetensors"
    part = cut / "checkpoint.safetensors.part"
    moments = random.Random(0)
    epochs, during_a_write = [0], 0

    def start_or_resume() -> int:
        resume = ["--resume"] if checkpoint.exists() else []
        return warm.start(*command, cut, *resume)

    for kill in range(KILLS):
        whole, begun = stamp(checkpoint), stamp(part)
        pid = start_or_resume()
        # In turn: any moment, any moment after the next checkpoint, during a write.
        if kill % 3 == 1:
            await_change(checkpoint, whole)
        if kill % 3 == 2:
            await_change(part, begun)
        time.sleep(moments.uniform(0, 0.01 if kill % 3 == 2 else epoch))
        warm.kill(pid)
        assert warm.wait(pid) == -9, warm.said(pid)
        during_a_write += part.exists() and stamp(part) != begun
        if stamp(checkpoint) != whole:
            # Whole, or its checksum would be another.
            epochs.append(len(read_tensors(checkpoint)[1]["rows"]))
    # It went on from the last checkpoint each time, and kills hit writes too.
    assert epochs == sorted(epochs) and KILLS // 3 <= epochs[-1] < EPOCHS
    assert during_a_write >= 3

    assert warm.wait(start_or_resume()) == 0
    files = {path.name: path for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in cut.iterdir()} == files.keys()
    for name in files.keys() - {"metrics.json"}:  # holds a time
        assert (cut / name).read_bytes() == files[name].read_bytes(), name
