"""Real processes killed at any moment: nothing is lost, nothing becomes different.

``KILLS=200 pytest tests/training/test_kills.py`` does it more often.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from test_distributed import finish, port

from inception_lib.training.checkpoint import read_tensors

KILLS = int(os.environ.get("KILLS", "12"))
EPOCHS = 4 * KILLS  # of two steps
OPTIONS = (
    "--image-size 32 --no-aux --no-grow --batch-size 6 --precision float32 "
    f"--checkpoint-minutes 0 --epochs {EPOCHS}"
).split()


def stamp(path: Path) -> tuple[int, int]:
    """Another one whenever the file is written or replaced."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def await_change(path: Path, before: tuple[int, int], pid: int) -> None:
    end = time.monotonic() + 120
    while stamp(path) == before or not path.exists():
        assert time.monotonic() < end, f"{pid}: {path.name} didn't change"
        time.sleep(0.001)


@pytest.mark.parametrize("processes", [1, 3])
def test_kills_at_random_moments_change_nothing(
    processes, warm, few_pictures, tmp_path
):
    command = ["--data", few_pictures, *OPTIONS, "--resume", "--out"]

    def start(out: Path, **environment: str) -> list[int]:
        if processes == 1:
            return [warm.start(*command, out, **environment)]
        return warm.group(processes, *command, out, port=port(), **environment)

    begun = time.perf_counter()
    finish(warm, start(tmp_path / "whole"), 15 * EPOCHS)
    step = (time.perf_counter() - begun) / (2 * EPOCHS)

    cut = tmp_path / "cut"
    checkpoint = cut / "checkpoint.safetensors"
    part = cut / "checkpoint.safetensors.part"
    moments = random.Random(0)
    places, during_a_write = [(0, 0)], 0
    for kill in range(KILLS):
        whole, writing = stamp(checkpoint), stamp(part)
        # In turn: any moment after the start, after a checkpoint, during a write.
        pids = start(cut, SLOW_DISK="0.05" if kill % 3 == 2 else "0")
        if kill % 3 == 1:
            await_change(checkpoint, whole, pids[0])
        if kill % 3 == 2:
            await_change(part, writing, pids[0])
        time.sleep(moments.uniform(0, [8 * step, 2 * step, 0.02][kill % 3]))
        victim = moments.randrange(processes)
        warm.kill(pids[victim])
        assert warm.wait(pids[victim]) == -9, warm.said(pids[victim])
        during_a_write += victim == 0 and part.exists() and stamp(part) != writing
        for pid in pids:
            if pid != pids[victim]:
                os.kill(pid, signal.SIGTERM)  # as torchrun does
                ends = 2, 143, -signal.SIGTERM  # the last: before it listens
                assert warm.wait(pid) in ends, warm.said(pid)
        if stamp(checkpoint) != whole:
            # Whole, or its checksum would be another.
            info = read_tensors(checkpoint)[1]
            places.append((len(info["rows"]), info["epoch"]["step"]))
    # It continued from the last checkpoint each time, and kills hit writes too.
    assert places == sorted(places) and len(places) > KILLS // 3
    assert any(step for _, step in places) and places[-1][0] < EPOCHS
    assert during_a_write >= (1 if processes == 1 else 0)

    finish(warm, start(cut), 15 * EPOCHS)
    files = {path.name: path for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in cut.iterdir()} == files.keys()
    for name in files.keys() - {"metrics.json"}:  # holds a time
        assert (cut / name).read_bytes() == files[name].read_bytes(), name
    pids = start(cut)
    finish(warm, pids)
    assert f"finished run of {EPOCHS} epochs: nothing to do" in warm.said(pids[0])
