"""Checks of 03 · Global average pooling."""

import torch
from torch import Tensor, nn

from . import exercise


@exercise("03.1", "the weights that VGG-16 could have saved")
def _(answer) -> str | None:
    given, averaged = int(answer), 512 * 4096
    flat = 49 * averaged
    if given == flat:
        return "that is what it has; how many of them would an average leave?"
    if given == averaged:
        return "that is what an average would leave; asked is what it saves"
    if given == 49:
        return "that is a ratio; asked is how many weights disappear"
    if given == 7 * 512 * 4096 or given == 6 * 512 * 4096:
        return "the map has 7 places a side: how many in all?"
    if given == 48 * 512 * 1000:
        return "this layer has 4096 outputs; the 1000 classes come two layers later"
    if given == 48 * 512 * 4097 or given == 48 * averaged + 4096:
        return "weights only: both layers have the same biases"
    if given != flat - averaged:
        return "not yet: places × channels × outputs, minus channels × outputs"


@exercise("03.2", "global average pooling without a pooling layer")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function of a tensor, got {type(answer).__name__}"
    maps = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5) ** 2
    given = answer(maps)
    if not isinstance(given, Tensor):
        return f"it returns {type(given).__name__}, not a tensor"
    if given.shape == (2, 3, 1, 1):
        return "nearly: it returns N×C×1×1; a linear layer wants N×C"
    if given.shape == (2, 4, 5):
        return "you averaged over the channels; they are what has to stay"
    if given.shape == (3,):
        return "you averaged the images of the batch as well"
    if given.shape in ((2, 3, 4), (2, 3, 5)):
        return "only one of the two directions is gone: average over H and over W"
    if given.shape != (2, 3):
        shape = "×".join(map(str, given.shape)) or "a single number"
        return f"2×3×4×5 goes in, 2×3 should come out, not {shape}"
    right = torch.stack([image.flatten(1).sum(1) / 20 for image in maps])
    if torch.allclose(given, maps.amax((2, 3))):
        return "that is the maximum of each map"
    if torch.allclose(given, right * 20):
        return "that is the sum of each map"
    if torch.allclose(given, right * 20 / 49):
        return "you divide by 49, but not every map has 7×7 places"
    if not torch.allclose(given, right):
        return "the shape is right, the numbers aren't the means of the maps"


@exercise("03.3", "the gradient at one place")
def _(answer) -> str | None:
    value, right = float(answer), 3 / (12 * 12)
    if abs(value - right) < 1e-4:
        return None
    if abs(value - 1 / 144) < 1e-4:
        return "that is for a gradient of 1; here a gradient of 3 arrives"
    if value == 3:
        return "a maximum would send all of it to one place; an average shares it out"
    if abs(value - 3 / 12) < 1e-4:
        return "12 places a side: how many in all?"
    if abs(value - 3 / 49) < 1e-4:
        return "this map has 12×12 places, not 7×7"
    if abs(value - 3 * 144) < 1e-4:
        return "sharing out makes it smaller, not larger"
    return "each place has the same share of the mean, and gets that share of 3"


@exercise("03.4", "a map of the evidence for a defect")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    torch.manual_seed(0)
    features, linear = torch.rand(2, 6, 3, 5), nn.Linear(6, 2)
    nn.init.constant_(linear.bias[1:], 4.0)
    with torch.no_grad():
        given = answer(features, linear)
        every = linear(features.movedim(1, -1)).movedim(-1, 1)
        bias = (linear.bias[1] - linear.bias[0]).item()
    if not isinstance(given, Tensor):
        return f"it returns {type(given).__name__}, not a tensor"
    if given.shape == (2, 2, 3, 5):
        return "it still has a map per class; asked is their difference, N×H×W"
    if given.shape == (2,):
        return "the places are averaged away already; asked is a map, N×H×W"
    if given.shape != (2, 3, 5):
        shape = "×".join(map(str, given.shape)) or "a single number"
        return f"2×6×3×5 features should give 2×3×5, not {shape}"
    right = every[:, 1] - every[:, 0] - bias
    if torch.allclose(given, -right, atol=1e-5):
        return "the sign is turned round: defective is the second class, index 1"
    if torch.allclose(given, right + bias, atol=1e-5):
        return "the bias isn't evidence of any place: leave it out"
    probability = every.softmax(1)
    if torch.allclose(given, probability[:, 1], atol=1e-5):
        return "a softmax at each place: its mean isn't the network's answer any more"
    if torch.allclose(given, every[:, 1] - linear.bias[1], atol=1e-5):
        return "that is the map of one class; what speaks for the other counts, too"
    if not torch.allclose(given, right, atol=1e-5):
        return "its mean isn't the difference of the two logits (without the biases)"


@exercise("03.5", "an ending that takes any size")
def _(answer) -> str | None:
    if not isinstance(answer, nn.Module):
        return f"asked is an nn.Sequential, got {type(answer).__name__}"
    if any(isinstance(part, nn.Linear) for part in answer.modules()):
        return "no nn.Linear this time: a 1×1 convolution can do its work"
    convolutions = [m for m in answer.modules() if isinstance(m, nn.Conv2d)]
    if len(convolutions) != 1:
        return f"asked is one convolution, this has {len(convolutions)}"
    if convolutions[0].kernel_size != (1, 1):
        return "a kernel larger than 1×1 depends on the map's size: see its weights"
    if convolutions[0].bias is None:
        return "the linear layer has a bias per class; the convolution needs it, too"
    if any(isinstance(m, nn.ReLU | nn.Softmax) for m in answer.modules()):
        return "logits may be negative and needn't add up to 1: leave them alone"
    count = sum(p.numel() for p in answer.parameters())
    if count != 1025 * 10:
        return f"it has {count:,} parameters; 1024 channels to 10 classes have 10,250"
    torch.manual_seed(0)
    for size in [(7, 7), (3, 5)]:
        maps = torch.rand(2, 1024, *size)
        with torch.no_grad():
            given = answer(maps)
        if given.shape == (2, 10, *size):
            return "that is a class activation map; now average it to one number each"
        if given.shape == (2, 10, 1, 1):
            return "nearly: 2×10×1×1 comes out, flatten it to 2×10"
        if given.shape != (2, 10):
            return f"two maps of {size} give {tuple(given.shape)}, not (2, 10)"
        weight = convolutions[0].weight.flatten(1)
        logits = maps.mean((2, 3)) @ weight.T + convolutions[0].bias
        if not torch.allclose(given, logits, atol=1e-4):
            return "it isn't the mean over the places: is the pooling an average?"


def _ending(*parts: nn.Module, kernel_size: int = 1, **options) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1024, 10, kernel_size, **options), *parts)


def _map(features: Tensor, linear: nn.Linear) -> Tensor:
    return linear(features.movedim(1, -1)).movedim(-1, 1)


WRONG = [
    ("03.1", 102_760_448, "what it has"),
    ("03.1", 2_097_152, "leave"),
    ("03.1", 49, "ratio"),
    ("03.1", 6 * 512 * 4096, "in all"),
    ("03.1", 48 * 512 * 1000, "4096 outputs"),
    ("03.1", 48 * 512 * 4096 + 4096, "biases"),
    ("03.1", 5, "places × channels"),
    ("03.2", 7, "function"),
    ("03.2", lambda x: x.mean((2, 3), keepdim=True), "1×1"),
    ("03.2", lambda x: x.mean(1), "channels"),
    ("03.2", lambda x: x.mean((0, 2, 3)), "batch"),
    ("03.2", lambda x: x.mean(3), "directions"),
    ("03.2", lambda x: x.mean(), "single number"),
    ("03.2", lambda x: x.amax((2, 3)), "maximum"),
    ("03.2", lambda x: x.sum((2, 3)), "sum"),
    ("03.2", lambda x: x.sum((2, 3)) / 49, "7×7"),
    ("03.2", lambda x: x.flatten(2).median(2).values, "means"),
    ("03.2", lambda x: x.mean((2, 3)).tolist(), "list"),
    ("03.3", 1 / 144, "gradient of 3"),
    ("03.3", 3, "maximum"),
    ("03.3", 0.25, "in all"),
    ("03.3", 3 / 49, "12×12"),
    ("03.3", 432, "smaller"),
    ("03.3", 0.5, "share"),
    ("03.4", _map, "per class"),
    ("03.4", lambda f, fc: fc(f.mean((2, 3)))[:, 1], "averaged away"),
    ("03.4", lambda f, fc: f, "2×3×5"),
    (
        "03.4",
        lambda f, fc: (f * (fc.weight[0] - fc.weight[1]).view(-1, 1, 1)).sum(1),
        "sign",
    ),
    ("03.4", lambda f, fc: _map(f, fc)[:, 1] - _map(f, fc)[:, 0], "bias"),
    ("03.4", lambda f, fc: _map(f, fc).softmax(1)[:, 1], "softmax"),
    ("03.4", lambda f, fc: (f * fc.weight[1].view(-1, 1, 1)).sum(1), "one class"),
    ("03.4", lambda f, fc: f.mean(1), "difference of the two"),
    ("03.4", 3, "function"),
    ("03.5", nn.Linear(1024, 10), "no nn.Linear"),
    ("03.5", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "one convolution"),
    ("03.5", _ending(nn.Flatten(), kernel_size=7), "larger than 1×1"),
    ("03.5", _ending(nn.AdaptiveAvgPool2d(1), nn.Flatten(), bias=False), "bias"),
    ("03.5", _ending(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "negative"),
    ("03.5", nn.Sequential(nn.Conv2d(1024, 1000, 1)), "10,250"),
    ("03.5", _ending(), "activation map"),
    ("03.5", _ending(nn.AdaptiveAvgPool2d(1)), "flatten"),
    ("03.5", _ending(nn.Flatten()), "not (2, 10)"),
    ("03.5", _ending(nn.AdaptiveMaxPool2d(1), nn.Flatten()), "average?"),
]
