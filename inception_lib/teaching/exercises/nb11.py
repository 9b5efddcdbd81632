"""Exercises of 11 · Dreams."""

import torch
from torch import Tensor

from ..exercise import calls, choice, exercise

exercise(
    "11.1",
    "the numbers behind a picture of waves",
    {
        128 * 65: "a complex number is two numbers",
        128 * 128 * 2: "half of the columns are enough, as the pixels are real numbers",
        128 * 128: "as many as pixels; but the spectrum has 128 // 2 + 1 columns",
    },
    right=128 * 65 * 2,
    otherwise="not yet: rows × columns of the spectrum × 2",
)


choice(
    "11.2",
    "what wakes a grey picture",
    ("another start", "before the ReLU"),
    {
        "more steps": "a gradient of 0 is 0 after a thousand steps as well",
        "a larger learning rate": "0 times any rate is 0",
        "another start": "where the channel answers somewhere, there is a way up",
        "before the ReLU": "what goes into the ReLU has a gradient below 0, too",
    },
)


GENERATOR = torch.Generator().manual_seed(0)
MAPS = torch.rand(3, 5, 2, 4, generator=GENERATOR)
CHANNELS = torch.tensor([4, 0, 1])
OWN = MAPS[torch.arange(3), CHANNELS]


def own(maps: Tensor, channels: Tensor) -> Tensor:
    return maps[torch.arange(len(maps)), channels]


exercise(
    "11.3",
    "each picture's own channel",
    {
        lambda m, c: m[:, c].mean((2, 3)): (
            "every picture got all the channels; each has its own"
        ),
        lambda m, c: m[:, c].mean((0, 2, 3)): "that is the mean over the pictures, too",
        own: "the places are still there: take their mean",
        lambda m, c: own(m, c).sum((1, 2)): "the mean of the places, not their sum",
        lambda m, c: own(m, c).amax(
            (1, 2)
        ): "that is the best place; asked is the mean",
    },
    right=OWN.mean((1, 2)),
    otherwise="the shape is right, the numbers aren't the means of the own channels",
    read=calls((MAPS, CHANNELS)),
    examples={lambda m, c: 1: "not a tensor", lambda m, c: m.mean(): "3 numbers"},
)


choice(
    "11.4",
    "what a turned picture proves",
    ("the picture's axes",),
    {
        "the cell hid it": "cell and line turned together: around it all is as before",
        "the picture's axes": "what has changed is the direction in the picture",
        "more data": "more cells with the same directions teach the same",
    },
)
