"""Exercises of 08 · Looking inside."""

import torch
from torch import Tensor

from ..exercise import Refused, calls, choice, exercise

exercise(
    "08.1",
    "the side of the square that a place sees",
    {
        43: "that is what the map before already sees; the 5×5 makes it wider",
        47: "the kernel walks on the map, on which a step is 8 pixels, not 1",
        83: "a kernel of 5 places reaches 4 steps further, not 5",
        59: "it reaches 2 steps to *each* side",
    },
    right=43 + 4 * 8,
    otherwise="not yet: what was seen before, plus (kernel − 1) steps of the map",
)


def read_pair(answer) -> tuple[float, ...]:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Refused("asked are two numbers: (replaced by the mean, replaced by zero)")
    return tuple(map(float, answer))


exercise(
    "08.2",
    "what is lost with a branch that always says the same",
    {
        (25, 0): "the other way round: it is zero that is a surprise to the next layer",
        (5, 25): "the mean of a channel that is always 5 is 5: what changes?",
        (0, 5): "the output is off by 5; the loss is its square",
    },
    right=(0, 25),
    otherwise="not yet: how far off is the output when 5 becomes 0?",
    read=read_pair,
    examples={25: "two numbers"},
)


GENERATOR = torch.Generator().manual_seed(0)
MAPS = torch.rand(2, 6, 3, 5, generator=GENERATOR)
GRADIENTS = torch.randn(2, 6, 3, 5, generator=GENERATOR)


def cam(maps: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1)


exercise(
    "08.3",
    "Grad-CAM, from maps and gradients",
    {
        lambda m, g: m * g: "the channels are still there: add them up",
        cam: "the paper keeps only what is positive: .relu() at the end",
        lambda m, g: (m * g).sum(1).relu(): (
            "each channel has one weight, the mean of its gradients over the places"
        ),
        lambda m, g: (g.mean((2, 3), keepdim=True).relu() * m).sum(1): (
            "cut off at the end, not before: negative weights count in the sum"
        ),
        lambda m, g: 15 * cam(m, g).relu(): "the mean of the gradients, not their sum",
        lambda m, g: cam(m, g).relu() / 6: "add the channels up; you took their mean",
    },
    right=cam(MAPS, GRADIENTS).relu(),
    otherwise="the shape is right, the numbers aren't Σ weight × map, cut off at 0",
    read=calls((MAPS, GRADIENTS)),
    examples={
        lambda m, g: 1: "not a tensor",
        lambda m, g: m.sum(): "2×3×5 numbers, not a single number",
    },
)
ROW = "that is one row of squares: they walk in two directions"
APART = "that is for squares side by side; here they overlap, a step is 8"
OVER = "96 / 8 = 12, but the last square must still fit: it starts at 80"

exercise(
    "08.4",
    "the passes that an occlusion map costs",
    {
        121: "nearly: and the image as it is, to compare with",
        11: ROW,
        12: ROW,
        36: APART,
        37: APART,
        144: OVER,
        145: OVER,
        81**2: "that is for a step of 1 pixel; here it is 8",
    },
    right=122,
    otherwise="not yet: how many squares fit into a row? All of them, and one more",
)


choice(
    "08.5",
    "what a shuffled network proves",
    ("shows the image",),
    {
        "finds defects": "the shuffled network knows no defect, and draws the same map",
        "deletion is enough": (
            "the deletion curve of the shuffled network's map is as good: it can't tell"
        ),
        "shows the image": "one of the three does follow",
    },
)


def correlation(a: list[float], b: list[float]) -> float:
    return torch.tensor([a, b]).corrcoef()[0, 1].item()


exercise(
    "08.6",
    "how alike two maps are, by ranks",
    {
        1: "not all the places stand in the same order",
        2: "a correlation lies between −1 and 1",
        correlation([0.1, 0.2, 0.4, 9.0], [0.0, 0.3, 0.2, 0.1]): (
            "that is the correlation of the values; replace them by their ranks"
        ),
    },
    right=correlation([0, 1, 2, 3], [0, 3, 2, 1]),
    otherwise="not yet: ranks first (0 to 3), then the ordinary correlation",
    within=0.005,
)
