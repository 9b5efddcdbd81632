"""Augmentation: each image for itself, within its limits, repeatable and cheap."""

import time

import pytest
import torch
import torch.nn.functional as F

from inception_lib import GoogLeNet
from inception_lib.training.augment import Augment
from inception_lib.training.data import prepare

STILL = {"flips": (), "shift": 0.0}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def noise(n: int = 8, channels: int = 1, size: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8)


STRENGTHS = [
    {},
    {**STILL, "shift": 0.2},
    {**STILL, "scale": 0.2},
    {**STILL, "rotate": 10},
    {**STILL, "contrast": 0.5},
    {"shift": 0.1, "scale": 0.1, "rotate": 5, "contrast": 0.3},
]


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_stay_and_the_input_too(strengths, channels):
    images = noise(channels=channels)
    before = images.clone()
    out = Augment(**{"flips": (3, 2), **strengths})(images)
    assert out.shape == images.shape and out.dtype == torch.uint8
    assert (images == before).all() and (out != images).any()


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_every_image_has_its_own_draw(strengths):
    same = noise(1).expand(64, -1, -1, -1)
    different = Augment(**strengths)(same).unique(dim=0)
    assert len(different) > 3


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_the_seed_repeats_it(strengths):
    images, augment = noise(), Augment(**strengths)
    torch.manual_seed(5)
    first = augment(images)
    second = augment(images)
    torch.manual_seed(5)
    assert (augment(images) == first).all() and (second != first).any()


def test_mirroring_is_exact_and_happens_half_the_time():
    images = noise(400, size=6)
    turned = Augment((3,), shift=0.0)(images)
    kept = (turned == images).flatten(1).all(1)
    mirrored = (turned == images.flip(3)).flatten(1).all(1)
    assert (kept ^ mirrored).all()
    # Binomial(400, 1/2) has a standard deviation of 10; five of them.
    assert 150 < mirrored.sum() < 250


def test_both_mirrorings_are_independent():
    images = noise(400, size=6)
    turned = Augment((3, 2), shift=0.0)(images)
    for dims in ((), (3,), (2,), (2, 3)):
        count = (turned == images.flip(dims)).flatten(1).all(1).sum()
        assert 60 < count < 140, dims  # a quarter of 400, give or take 4.6 deviations


def test_shifts_are_whole_pixels_with_reflected_edges():
    images = noise(200, size=20)
    moved = Augment((), shift=0.1)(images)
    wide = F.pad(images.float(), [2] * 4, mode="reflect").byte()
    seen = set()
    for image, source in zip(moved, wide, strict=True):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if (source[:, top : top + 20, left : left + 20] == image).all()
        ]
        assert len(places) == 1
        seen |= set(places)
    assert len(seen) == 25


def test_scale_and_rotation_stay_within_their_limits():
    size = 101
    spot = torch.zeros(300, 1, size, size, dtype=torch.uint8)
    spot[:, :, 48:53, 78:83] = 255  # 30 pixels right of the centre
    weights = Augment((), shift=0.0, scale=0.2, rotate=20)(spot).double()
    place = torch.arange(size) - size // 2
    total = weights.sum((1, 2, 3))
    x = (weights.sum((1, 2)) * place).sum(1) / total
    y = (weights.sum((1, 3)) * place).sum(1) / total
    distance, angle = torch.hypot(x, y) / 30, torch.atan2(y, x).rad2deg()
    assert 0.79 < distance.min() < 0.84 and 1.16 < distance.max() < 1.21
    assert -20.5 < angle.min() < -17 and 17 < angle.max() < 20.5


def test_resampled_shifts_stay_within_their_limits():
    spot = torch.zeros(300, 1, 100, 100, dtype=torch.uint8)
    spot[:, :, 50, 50] = 255
    weights = Augment((), shift=0.1, scale=1e-6)(spot).double().sum((1, 2))
    x = (weights * torch.arange(100)).sum(1) / weights.sum(1)
    assert 39.5 < x.min() < 42 and 58 < x.max() < 60.5


def test_contrast_spreads_around_the_mean():
    images = (
        noise(200, size=16) // 2 + 64
    )  # far from the ends, so that nothing is clipped
    out = Augment((), shift=0.0, contrast=0.3)(images).float()
    gain = out.std((1, 2, 3)) / images.float().std((1, 2, 3))
    assert 0.69 < gain.min() < 0.75 and 1.25 < gain.max() < 1.31
    assert (out.mean((1, 2, 3)) - images.float().mean((1, 2, 3))).abs().max() < 0.5


@pytest.mark.parametrize(
    "strengths",
    [{"shift": -0.1}, {"shift": 1.0}, {"contrast": float("nan")}, {"rotate": 200}],
)
def test_strengths_out_of_range_are_named(strengths):
    with pytest.raises(ValueError, match=next(iter(strengths))):
        Augment(**strengths)
    with pytest.raises(ValueError, match="dimensions 2 and 3"):
        Augment((1,))


def test_it_costs_little_beside_a_training_step():
    images, augment = noise(32, size=128), Augment()
    model = GoogLeNet(2, image_size=128, batch_norm=True)

    def step():
        model(prepare(images, 0.2)).logits.sum().backward()

    step()
    assert fastest(lambda: augment(images), 10) < 0.05 * fastest(step, 2)


def fastest(function, times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
