"""How long a training will take is told before it, by a clock that the test sets."""

import pytest
import torch

from inception_lib.training import ImageSet, TrainingConfig, duration
from inception_lib.training.config import image_sizes
from inception_lib.training.duration import in_words, seconds_ahead
from inception_lib.training.run import build_model


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
        (9000, "2.5 hours"),
    ]:
        assert in_words(seconds) == words
