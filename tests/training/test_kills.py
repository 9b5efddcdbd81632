"""Real processes killed at any moment: nothing is lost, nothing becomes different."""

import random
import time

from inception_lib.training.checkpoint import read_tensors

KILLS, EPOCHS = 50, 32


def test_kills_at_random_moments_change_nothing(warm, few_pictures, tmp_path):
    options = "--image-size 32 --no-aux --no-grow --batch-size 16 --precision float32"
    command = ["--data", few_pictures, "--epochs", EPOCHS, *options.split(), "--out"]
    start = time.perf_counter()
    assert warm.run(*command, tmp_path / "whole") == 0
    seconds = time.perf_counter() - start

    cut = tmp_path / "cut"
    checkpoint = cut / "checkpoint.safetensors"
    part = cut / "checkpoint.safetensors.part"
    moments = random.Random(0)
    epochs, during_a_write, written = [0], 0, None

    def start_or_resume() -> int:
        resume = ["--resume"] if checkpoint.exists() else []
        return warm.start(*command, cut, *resume)

    for _ in range(KILLS):
        pid = start_or_resume()
        time.sleep(moments.uniform(0, 1.5 * seconds / EPOCHS))
        warm.kill(pid)
        assert warm.wait(pid) == -9, warm.said(pid)
        during_a_write += part.exists()
        if checkpoint.exists() and written != (now := checkpoint.stat().st_mtime_ns):
            # Whole, or its checksum would be another.
            epochs.append(len(read_tensors(checkpoint)[1]["rows"]))
            written = now
    # It went on from the last checkpoint each time, and kills hit writes too.
    assert epochs == sorted(epochs) and 3 < epochs[-1] < EPOCHS
    assert during_a_write >= 3

    assert warm.wait(start_or_resume()) == 0
    whole = {path.name: path for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in cut.iterdir()} == whole.keys()
    for name in whole.keys() - {"metrics.json"}:  # holds a time
        assert (cut / name).read_bytes() == whole[name].read_bytes(), name
