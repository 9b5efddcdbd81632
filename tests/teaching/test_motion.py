"""A film, and its last picture for those who want no motion."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inception_lib.teaching import motion
from inception_lib.teaching.drawing import figure

ALT = "A point walks to the right, from 0 to 4."


@pytest.fixture
def walk() -> motion.Motion:
    fig, ax = figure(2)
    (point,) = ax.plot([0], [0], "o")
    ax.set(xlim=(-1, 5))

    def steps():
        for x in range(5):
            point.set_xdata([x])
            yield

    return motion.film(fig, steps(), ALT, 200)


def frames(film: bytes) -> tuple[list[np.ndarray], list[int]]:
    """Its pictures, and for how many milliseconds each is shown."""
    pictures, times = [], []
    for picture in ImageSequence.Iterator(Image.open(io.BytesIO(film))):
        pictures.append(np.asarray(picture.convert("RGB")))
        times.append(picture.info["duration"])
    return pictures, times


def test_every_picture_differs_and_the_last_one_is_the_still_and_stays(walk):
    pictures, times = frames(walk.film)
    assert times == [200] * 4 + [motion.HELD]
    still = Image.open(io.BytesIO(base64.b64decode(walk.still.png()))).convert("RGB")
    assert np.array_equal(pictures[-1], np.asarray(still))
    pairs = zip(pictures, pictures[1:], strict=False)
    assert all((one != other).any() for one, other in pairs)


def test_what_loses_nothing_is_too_large_for_noise():
    fig, ax = figure(3)
    image = ax.imshow(np.zeros((300, 500)), vmin=0, vmax=1)
    random = np.random.default_rng(0)

    def steps():
        for _ in range(3):
            image.set_data(random.random((300, 500)))
            yield

    film = motion.film(fig, steps(), "noise, three times", 100).film
    pictures, _ = frames(film)
    assert len(pictures) == 3
    lossless = io.BytesIO()
    Image.fromarray(pictures[-1]).save(lossless, "WEBP", lossless=True)
    assert len(film) < 3 * lossless.tell() / 2
