"""How long a training will take is told before it, by a clock that the test sets."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from test_loop import same

from inception_lib.training import ImageSet, TrainingConfig, duration, fit
from inception_lib.training.config import image_sizes
from inception_lib.training.duration import (
    REACHED,
    epochs_within,
    in_words,
    reached,
    seconds_ahead,
)
from inception_lib.training.run import build_model

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def images(n: int) -> ImageSet:
    labels = torch.arange(n) % 2
    pixels = torch.randint(256, (n, 1, 96, 96), dtype=torch.uint8)
    names = tuple(map(str, range(n)))
    return ImageSet(pixels, labels, torch.eye(2)[labels], ("a", "b"), ("",) * n, names)


@pytest.fixture
def clock(monkeypatch):
    """A step takes a second for each pixel of a side, a validation image ten."""
    clock = Clock()

    def train_step(forward, batch, run, state):
        clock.now += batch[0].shape[-1]
        return torch.zeros(()), 0

    def measure(run, validation, size, precision):
        clock.now += 10 * len(validation)

    monkeypatch.setattr(duration, "time", clock)
    monkeypatch.setattr(duration, "train_step", train_step)
    monkeypatch.setattr(duration, "measure", measure)
    return clock


@pytest.mark.parametrize("validated", [0, 6, 500])
def test_every_step_of_every_size_and_all_validation_images_count(clock, validated):
    config = TrainingConfig(image_size=96, epochs=5, batch_size=8, precision="float32")
    sizes = image_sizes(config)
    assert len(set(sizes)) == 3
    told = seconds_ahead(images(27), images(validated) if validated else None, config)
    assert told == pytest.approx(3 * sum(sizes) + 5 * 10 * validated)


@pytest.mark.parametrize("minutes", [10, 60, 6000])
def test_minutes_are_filled_with_epochs(clock, minutes):
    sets = images(27), images(6)
    config = TrainingConfig(image_size=96, batch_size=8, precision="float32")
    n = epochs_within(*sets, replace(config, minutes=minutes))
    told = [seconds_ahead(*sets, replace(config, epochs=n + more)) for more in (0, 1)]
    assert told[0] <= 60 * minutes < told[1]


def test_minutes_that_are_too_few_say_how_long_an_epoch_takes(clock):
    config = TrainingConfig(image_size=96, batch_size=8, minutes=4)
    with pytest.raises(ValueError, match="an epoch takes 4.8 minutes here: minutes"):
        epochs_within(images(27), None, config)


def test_a_resume_keeps_the_epochs_that_were_found(monkeypatch, tmp_path):
    """Though now more would fit in."""
    found = iter([3, 3])
    monkeypatch.setattr(duration, "epochs_within", lambda *_: next(found))
    config = TrainingConfig(image_size=64, batch_size=8, minutes=1, precision="float32")
    sets, path = (images(16), images(6)), tmp_path / "file"
    said: list[str] = []

    def stop(history):
        raise KeyboardInterrupt

    whole = fit(*sets, config, progress=None, report=said.append)
    fit(*sets, config, progress=None, checkpoint=path, on_epoch=stop)
    again = fit(*sets, config, progress=None, checkpoint=path, resume=True)
    assert said[0] == "epochs: 3, for 60 seconds here"
    assert again.config == whole.config == replace(config, epochs=3)
    assert again.history.equals(whole.history) and same(again, whole)


def test_what_it_reaches_is_told_of_the_default_alone():
    table = pd.read_csv(ROOT / "benchmarks" / "record.csv")
    for epochs, numbers in REACHED.items():
        recipe = "default" if epochs == TrainingConfig().epochs else f"{epochs} epochs"
        rows = table[(table.recipe == recipe) & (table.protocol == "class")]
        rows = rows[rows["split"] == 0]
        assert len(rows) == 5
        scores = rows[["test_accuracy", "test_roc_auc"]].agg(["mean", "std"])
        assert numbers == pytest.approx(scores.T.to_numpy().ravel(), abs=5e-4)
    said = reached(TrainingConfig(epochs=25, seed=3, minutes=6))
    assert "five trainings of 24 epochs reached an accuracy of 0.849 ± 0.010" in said
    for other in ({"epochs": 2000}, {"optimizer": "sgd"}, {"data": "mine"}):
        assert reached(TrainingConfig(**other)) == ""


def test_nothing_is_moved_by_it():
    """Real steps: neither the model nor the random numbers have changed after them."""
    config = TrainingConfig(image_size=64, epochs=1, batch_size=8, precision="float32")
    model = build_model(config, 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train, validation = images(16), images(6)
    state = torch.get_rng_state()
    assert seconds_ahead(train, validation, config, model) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(model.state_dict()[name], t) for name, t in before.items())


def test_in_words():
    for seconds, words in [
        (3, "10 seconds"),
        (44, "40 seconds"),
        (372, "6.2 minutes"),
        (1100, "18 minutes"),
        (360, "6 minutes"),
        (9000, "2.5 hours"),
        (7200, "2 hours"),
    ]:
        assert in_words(seconds) == words
