"""Checks of 04 · Auxiliary classifiers."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ...model import GoogLeNet, GoogLeNetOutputs, InceptionAux, googlenet_loss
from . import exercise


@exercise("04.1", "what PyTorch's default leaves of a signal after 12 layers")
def _(answer) -> str | None:
    value = float(answer)
    right = 6 ** (-12 / 2)
    if math.isclose(value, right, rel_tol=0.05):
        return None
    if math.isclose(value, 6**-12, rel_tol=0.05):
        return "that is its square, the second moment; asked is the signal's own scale"
    if math.isclose(value, 3**-6, rel_tol=0.05):
        return "that is without the ReLUs, which halve the second moment at each layer"
    if math.isclose(value, 3**-12, rel_tol=0.05):
        return "without the ReLUs, and squared: two things to look at again"
    if math.isclose(value, 2**-6, rel_tol=0.05):
        return "that is what the ReLUs take; the weights are too small as well"
    if math.isclose(value, 1 / right, rel_tol=0.05):
        return "upside down: that is how many times it shrinks"
    if value > 1:
        return "the signal shrinks: what is left is below 1"
    return "not yet: what does one layer do to the second moment? Twelve of them?"


@exercise("04.3", "the norm of a sum of gradients")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    products = torch.tensor([[4.0, -1.0, 0.5], [-1.0, 9.0, 2.0], [0.5, 2.0, 1.0]])
    value = float(answer(products, 0.3, 0.5))
    w = torch.tensor([1.0, 0.3, 0.5])
    squared = float(w @ products @ w)
    norms = products.diag().sqrt()
    if math.isclose(value, squared**0.5, rel_tol=1e-4):
        return None
    if math.isclose(value, squared, rel_tol=1e-4):
        return "that is the squared norm: one root is missing"
    if math.isclose(value, float(w @ norms), rel_tol=1e-4):
        return (
            "norms don't add up, gradients do: they may point in different directions"
        )
    if math.isclose(value, float(w**2 @ products.diag()) ** 0.5, rel_tol=1e-4):
        return (
            "that holds for gradients at right angles: the mixed products are missing"
        )
    if math.isclose(value, float(w @ products.diag()) ** 0.5, rel_tol=1e-4):
        return "weights enter squared, and the mixed products are missing"
    halved = (squared + float(w**2 @ products.diag())) / 2
    if math.isclose(value, halved**0.5, rel_tol=1e-4):
        return "each mixed product occurs twice: (a + b)² has 2ab in the middle"
    if math.isclose(value, float(products.sum()) ** 0.5, rel_tol=1e-4):
        return "the weights are missing: it must change with them"
    return "not yet: multiply out |g₀ + w₁·g₁ + w₂·g₂|²; products[i, j] is gᵢ · gⱼ"


@exercise("04.2", "a head for 6×6 maps, from plain PyTorch")
def _(answer) -> str | None:
    if not isinstance(answer, nn.Module):
        return f"asked is a module (nn.Sequential), got {type(answer).__name__}"
    answer = answer.eval()
    kinds = [type(layer) for layer in answer.modules()]
    if nn.AvgPool2d not in kinds and nn.AdaptiveAvgPool2d not in kinds:
        return "it begins with an average pooling, to 4×4"
    try:
        shape = tuple(answer(torch.zeros(2, 528, 6, 6)).shape)
    except RuntimeError as error:
        return f"it doesn't take a 528×6×6 map: {str(error).splitlines()[0]}"
    if shape != (2, 2):
        return f"two images give {'×'.join(map(str, shape))} numbers, not 2×2 classes"
    count = sum(p.numel() for p in answer.parameters())
    right = sum(p.numel() for p in InceptionAux(528, 2, map_size=6).parameters())
    if count != right:
        return (
            f"{count:,} parameters, the library's has {right:,}: pooled to 4×4, "
            "128 channels, then 1024 units, all with biases?"
        )
    if kinds.count(nn.ReLU) < 2:
        return "a ReLU is missing: one behind the convolution, one behind the 1024"
    rates = [m.p for m in answer.modules() if isinstance(m, nn.Dropout)]
    if rates != [0.7]:
        return "one dropout that drops 70 %, before the last layer"


@exercise("04.5", "the loss of torchvision's outputs")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(3, 6, 4, generator=generator) * 2
    targets = torch.tensor([0, 1, 2, 3, 0, 1])
    outputs = GoogLeNetOutputs(*logits)
    value = float(answer(outputs, targets))
    main, aux2, aux1 = (float(F.cross_entropy(x, targets)) for x in logits)
    weighted = logits[0] + 0.3 * (logits[1] + logits[2])
    cases = {
        main + aux2 + aux1: "the heads count as much as the output: weight them",
        main: "that is the output's loss alone; the heads then learn nothing",
        main + 0.3 * aux1: "one head is missing",
        main + 0.3 * aux2: "one head is missing",
        0.3 * (main + aux2 + aux1): "the output's own loss has the weight 1",
        aux1 + 0.3 * (main + aux2): "you took the last output for the main one: the "
        "order is logits, aux_logits2, aux_logits1",
        aux2 + 0.3 * (main + aux1): "you took the second output for the main one: "
        "logits come first",
        (main + aux2 + aux1) / 3: "that is a plain average of the three",
    }
    right = float(googlenet_loss(outputs, targets))
    if not math.isclose(value, right, rel_tol=1e-4):
        for mean in (logits.mean(0), weighted, weighted / 1.6):
            cases[float(F.cross_entropy(mean, targets))] = (
                "you mixed the logits; each output gets a loss of its own, and the "
                "losses are added"
            )
        for wrong, diagnosis in cases.items():
            if math.isclose(value, wrong, rel_tol=1e-4):
                return diagnosis
        return "not yet: 1 × the output's cross-entropy + 0.3 × that of each head"
    try:
        evaluated = float(answer(outputs.logits, targets))
    except Exception:
        evaluated = math.nan
    if not math.isclose(evaluated, main, rel_tol=1e-4):
        return (
            "right in training, but in eval mode the network returns one tensor: "
            "for that the plain cross-entropy is asked"
        )


@exercise("04.4", "a trained network without its heads")
def _(answer) -> str | None:
    if not callable(answer):
        return f"asked is a function, got {type(answer).__name__}"
    trained = GoogLeNet(2, image_size=64)
    slim = answer(trained)
    if not isinstance(slim, GoogLeNet):
        return f"it should return a GoogLeNet, got {type(slim).__name__}"
    if any(name.startswith("aux") for name, _ in slim.named_parameters()):
        return "its heads are still there: build one with aux_logits=False"
    if slim.fc.out_features != 2:
        return (
            f"it has {slim.fc.out_features} classes, the trained one 2: copy that too"
        )
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        if isinstance(slim.train()(x), GoogLeNetOutputs):
            return "in train mode it still looks for heads: set aux_logits to False"
        if not torch.equal(slim.eval()(x), trained.eval()(x)):
            return "it answers differently: were all other weights copied?"


def _head(*, pool=(3, 1), hidden=1024, rate=0.7, relu=True, flat=2048) -> nn.Sequential:
    return nn.Sequential(
        nn.AvgPool2d(*pool),
        nn.Conv2d(528, 128, 1),
        nn.ReLU() if relu else nn.Identity(),
        nn.Flatten(),
        nn.Linear(flat, hidden),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Linear(hidden, 2),
    )


def _averaged(outputs, targets):
    return F.cross_entropy(sum(outputs) / 3, targets)


def _swapped(outputs, targets):
    aux1, aux2, logits = (F.cross_entropy(x, targets) for x in outputs)
    return logits + 0.3 * (aux1 + aux2)


def _unweighted(outputs, targets):
    return sum(F.cross_entropy(x, targets) for x in outputs)


def _training_only(outputs, targets):
    logits, aux2, aux1 = (F.cross_entropy(x, targets) for x in outputs)
    return logits + 0.3 * (aux2 + aux1)


def _unchanged(model):
    return model


def _new(model):
    return GoogLeNet(2, image_size=64, aux_logits=False)


def _thousand(model):
    return GoogLeNet(aux_logits=False)


WRONG = [
    ("04.1", 6**-12, "square"),
    ("04.1", 3**-6, "without the ReLUs"),
    ("04.1", 2**-6, "weights are too small"),
    ("04.1", 6**6, "upside down"),
    ("04.1", 12, "shrinks"),
    ("04.1", 0.5, "one layer"),
    ("04.3", 0.3, "function"),
    ("04.3", lambda p, a, b: p[0, 0] + a * a * p[1, 1], "not yet"),
    ("04.3", lambda p, a, b: p[0, 0] ** 0.5 + a * 3 + b * 1, "norms don't add up"),
    ("04.3", lambda p, a, b: (4 + a * a * 9 + b * b) ** 0.5, "mixed products"),
    ("04.3", lambda p, a, b: p.sum() ** 0.5, "weights are missing"),
    ("04.3", lambda p, a, b: 4 + 9 * a**2 + b**2 - 2 * a + b + 4 * a * b, "one root"),
    ("04.2", _head, "module"),
    ("04.2", _head()[1:], "average pooling"),
    ("04.2", _head(pool=(5, 3)), "528×6×6"),
    ("04.2", _head(hidden=512), "parameters"),
    ("04.2", _head(relu=False), "ReLU"),
    ("04.2", _head(rate=0.4), "70 %"),
    ("04.5", 1.6, "function"),
    ("04.5", _unweighted, "weight them"),
    ("04.5", _averaged, "mixed the logits"),
    ("04.5", _swapped, "order"),
    ("04.5", _training_only, "eval mode"),
    ("04.4", 7, "function"),
    ("04.4", _unchanged, "still there"),
    ("04.4", _new, "differently"),
    ("04.4", _thousand, "1000 classes"),
]
