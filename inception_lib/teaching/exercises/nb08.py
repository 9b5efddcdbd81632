"""Checks of 08 · Looking inside."""

import torch
from torch import Tensor

from . import exercise


@exercise("08.1", "the side of the square that a place sees")
def _(answer) -> str | None:
    value = float(answer)
    if value == 43:
        return "that is what the map before already sees; the 5×5 makes it wider"
    if value == 47:
        return "the kernel walks on the map, on which a step is 8 pixels, not 1"
    if value == 83:
        return "a kernel of 5 places reaches 4 steps further, not 5"
    if value == 59:
        return "it reaches 2 steps to *each* side"
    if value != 43 + 4 * 8:
        return "not yet: what was seen before, plus (kernel − 1) steps of the map"


@exercise("08.2", "what is lost with a branch that always says the same")
def _(answer) -> str | None:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "asked are two numbers: (replaced by the mean, replaced by zero)"
    mean, zero = map(float, answer)
    if (mean, zero) == (25, 0):
        return "the other way round: it is zero that is a surprise to the next layer"
    if mean:
        return "the mean of a channel that is always 5 is 5: what changes?"
    if zero == 5:
        return "the output is off by 5; the loss is its square"
    if zero != 25:
        return "not yet: how far off is the output when 5 becomes 0?"


@exercise("08.3", "Grad-CAM, from maps and gradients")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 6, 3, 5, generator=generator)
    gradients = torch.randn(2, 6, 3, 5, generator=generator)
    given = answer(maps, gradients)
    if not isinstance(given, Tensor):
        return f"it returns {type(given).__name__}, not a tensor"
    if given.shape == (2, 6, 3, 5):
        return "the channels are still there: add them up"
    if given.shape != (2, 3, 5):
        shape = "×".join(map(str, given.shape)) or "a single number"
        return f"2×6×3×5 goes in, 2×3×5 should come out, not {shape}"
    weights = gradients.flatten(2).mean(2)
    signed = torch.stack(
        [(w[:, None, None] * m).sum(0) for w, m in zip(weights, maps, strict=True)]
    )
    if torch.allclose(given, signed, atol=1e-5):
        return "the paper keeps only what is positive: .relu() at the end"
    if torch.allclose(given, (gradients * maps).sum(1).relu(), atol=1e-5):
        return "each channel has one weight, the mean of its gradients over the places"
    if torch.allclose(given, (weights.relu()[..., None, None] * maps).sum(1)):
        return "cut off at the end, not before: negative weights count in the sum"
    if torch.allclose(given, signed.relu() * 15, atol=1e-4):
        return "the mean of the gradients, not their sum"
    if torch.allclose(given, signed.relu() / 6, atol=1e-5):
        return "add the channels up; you took their mean"
    if not torch.allclose(given, signed.relu(), atol=1e-5):
        return "the shape is right, the numbers aren't Σ weight × map, cut off at 0"


@exercise("08.4", "the passes that an occlusion map costs")
def _(answer) -> str | None:
    value = float(answer)
    if value == 121:
        return "nearly: and the image as it is, to compare with"
    if value == 11 or value == 12:
        return "that is one row of squares: they walk in two directions"
    if value in (36, 37):
        return "that is for squares side by side; here they overlap, a step is 8"
    if value in (144, 145):
        return "96 / 8 = 12, but the last square must still fit: it starts at 80"
    if value in (81**2, 81**2 + 1):
        return "that is for a step of 1 pixel; here it is 8"
    if value != 122:
        return (
            "not yet: how many squares fit into a row? All of them, and one pass more"
        )


@exercise("08.5", "what a shuffled network proves")
def _(answer) -> str | None:
    chosen = {answer} if isinstance(answer, str) else set(answer)
    unknown = chosen - {"finds defects", "shows the image", "deletion is enough"}
    if unknown:
        return f"there is no {', '.join(map(str, unknown))}: see the names in the task"
    if "finds defects" in chosen:
        return "the shuffled network knows no defect, and draws the same map"
    if "deletion is enough" in chosen:
        return (
            "the deletion curve of the shuffled network's map is as good: it can't tell"
        )
    if chosen != {"shows the image"}:
        return "one of the three does follow"


@exercise("08.6", "how alike two maps are, by ranks")
def _(answer) -> str | None:
    value = float(answer)
    if abs(value - 1) < 1e-6:
        return "not all the places stand in the same order"
    if value > 1 or value < -1:
        return "a correlation lies between −1 and 1"
    ranks = torch.tensor([[0.0, 1, 2, 3], [0, 3, 2, 1]])
    plain = torch.tensor([[0.1, 0.2, 0.4, 9.0], [0.0, 0.3, 0.2, 0.1]])
    if abs(value - plain.corrcoef()[0, 1].item()) < 1e-3:
        return "that is the correlation of the values; replace them by their ranks"
    if not abs(value - ranks.corrcoef()[0, 1].item()) < 1e-3:
        return "not yet: ranks first (0 to 3), then the ordinary correlation"


def _cam(maps: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1)


WRONG = [
    ("08.1", 43, "before"),
    ("08.1", 47, "8 pixels"),
    ("08.1", 83, "4 steps"),
    ("08.1", 59, "each"),
    ("08.2", (25, 0), "other way round"),
    ("08.2", (5, 25), "what changes"),
    ("08.2", (0, 5), "square"),
    ("08.2", 25, "two numbers"),
    ("08.3", 3, "function"),
    ("08.3", _cam, "positive"),
    ("08.3", lambda m, g: (m * g).sum(1).relu(), "one weight"),
    ("08.3", lambda m, g: m * g, "still there"),
    ("08.3", lambda m, g: 15 * _cam(m, g).relu(), "not their sum"),
    ("08.3", lambda m, g: _cam(m, g).relu() / 6, "mean"),
    ("08.4", 121, "compare"),
    ("08.4", 11, "two directions"),
    ("08.4", 36, "overlap"),
    ("08.4", 144, "fit"),
    ("08.5", "finds defects", "no defect"),
    ("08.5", ("shows the image", "deletion is enough"), "as good"),
    ("08.6", 1, "order"),
    ("08.6", -0.2444, "ranks"),
    ("08.6", 2, "between"),
]
