"""Exercises of 04 · Auxiliary classifiers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...model import GoogLeNet, GoogLeNetOutputs, InceptionAux, googlenet_loss
from ..exercise import Refused, When, alike, calls, exercise, kind, sizes

exercise(
    "04.1",
    "what PyTorch's default leaves of a signal after 12 layers",
    {
        6**-12: (
            "that is its square, the second moment; asked is the signal's own scale"
        ),
        3**-6: "that is without the ReLUs, which halve the second moment at each layer",
        3**-12: "without the ReLUs, and squared: two things to look at again",
        2**-6: "that is what the ReLUs take; the weights are too small as well",
        6**6: "upside down: that is how many times it shrinks",
        When(lambda v: v > 1, 12): "the signal shrinks: what is left is below 1",
    },
    right=6**-6,
    otherwise="not yet: what does one layer do to the second moment? Twelve of them?",
    within=0.05,
    examples={0.5: "one layer"},
)


def read_head(answer) -> nn.Module:
    if not isinstance(answer, nn.Module):
        raise Refused(f"asked is a module (nn.Sequential), got {kind(answer)}")
    return answer.eval()


def kinds(module: nn.Module) -> list[type]:
    return [type(layer) for layer in module.modules()]


def wrong_output(module: nn.Module) -> str | None:
    try:
        shape = tuple(module(torch.zeros(2, 528, 6, 6)).shape)
    except RuntimeError as error:
        return f"it doesn't take a 528×6×6 map: {str(error).splitlines()[0]}"
    if shape != (2, 2):
        return f"two images give {sizes(shape)} numbers, not 2×2 classes"
    return None


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


LIBRARYS = parameters(InceptionAux(528, 2, map_size=6))


def head(
    *, pool=(3, 1), hidden=1024, rate=0.7, relu=True, flat=2048, classes=2
) -> nn.Sequential:
    return nn.Sequential(
        nn.AvgPool2d(*pool),
        nn.Conv2d(528, 128, 1),
        nn.ReLU() if relu else nn.Identity(),
        nn.Flatten(),
        nn.Linear(flat, hidden),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Linear(hidden, classes),
    )


exercise(
    "04.2",
    "a head for 6×6 maps, from plain PyTorch",
    {
        When(
            lambda m: not {nn.AvgPool2d, nn.AdaptiveAvgPool2d} & set(kinds(m)),
            head()[1:],
        ): "it begins with an average pooling, to 4×4",
        When(wrong_output, head(pool=(5, 3)), head(classes=1000)): wrong_output,
        When(lambda m: parameters(m) != LIBRARYS, head(hidden=512)): lambda m: (
            f"{parameters(m):,} parameters, the library's has {LIBRARYS:,}: pooled to "
            "4×4, 128 channels, then 1024 units, all with biases?"
        ),
        When(lambda m: kinds(m).count(nn.ReLU) < 2, head(relu=False)): (
            "a ReLU is missing: one after the convolution, one after the 1024"
        ),
        When(
            lambda m: [p.p for p in m.modules() if isinstance(p, nn.Dropout)] != [0.7],
            head(rate=0.4),
        ): "one dropout that drops 70 %, before the last layer",
    },
    read=read_head,
    examples={head: "module", head(pool=(5, 3)): "528×6×6"},
)


PRODUCTS = torch.tensor([[4.0, -1.0, 0.5], [-1.0, 9.0, 2.0], [0.5, 2.0, 1.0]])


def squared_norm(p: Tensor, a: float, b: float, mixed: float = 2.0) -> Tensor:
    squares = p[0, 0] + a**2 * p[1, 1] + b**2 * p[2, 2]
    return squares + mixed * (a * p[0, 1] + b * p[0, 2] + a * b * p[1, 2])


exercise(
    "04.3",
    "the norm of a sum of gradients",
    {
        squared_norm: "that is the squared norm: one root is missing",
        lambda p, a, b: p[0, 0] ** 0.5 + a * p[1, 1] ** 0.5 + b * p[2, 2] ** 0.5: (
            "norms don't add up, gradients do: they may point in different directions"
        ),
        lambda p, a, b: squared_norm(p, a, b, mixed=0) ** 0.5: (
            "that holds for gradients at right angles: the mixed products are missing"
        ),
        lambda p, a, b: (p[0, 0] + a * p[1, 1] + b * p[2, 2]) ** 0.5: (
            "weights enter squared, and the mixed products are missing"
        ),
        lambda p, a, b: squared_norm(p, a, b, mixed=1) ** 0.5: (
            "each mixed product occurs twice: (a + b)² has 2ab in the middle"
        ),
        lambda p, a, b: p.sum() ** 0.5: (
            "the weights are missing: it must change with them"
        ),
    },
    right=float(squared_norm(PRODUCTS, 0.3, 0.5)) ** 0.5,
    otherwise=(
        "not yet: multiply out |g₀ + w₁·g₁ + w₂·g₂|²; products[i, j] is gᵢ · gⱼ"
    ),
    read=lambda answer: float(calls((PRODUCTS, 0.3, 0.5))(answer)),
    within=1e-4,
    examples={
        0.3: "function",
        lambda p, a, b: p[0, 0] + a * a * p[1, 1]: "not yet",
    },
)


TRAINED = GoogLeNet(2, image_size=64)
IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def has_heads(model: nn.Module) -> bool:
    return any(name.startswith("aux") for name, _ in model.named_parameters())


def unchanged(model):
    return model


def forgetful(model):
    slim = GoogLeNet(2, image_size=64)
    slim.aux1 = slim.aux2 = None
    return slim


def new(model):
    return GoogLeNet(2, image_size=64, aux_logits=False)


def thousand(model):
    return GoogLeNet(aux_logits=False)


exercise(
    "04.4",
    "a trained network without its heads",
    {
        When(
            lambda slim: not isinstance(slim, GoogLeNet), lambda model: model.fc
        ): lambda slim: f"it should return a GoogLeNet, got {kind(slim)}",
        When(has_heads, unchanged): (
            "its heads are still there: build one with aux_logits=False"
        ),
        When(lambda slim: slim.fc.out_features != 2, thousand): lambda slim: (
            f"it has {slim.fc.out_features} classes, the trained one 2: copy that too"
        ),
        When(lambda slim: slim.aux_logits, forgetful): (
            "in train mode it still looks for heads: set aux_logits to False"
        ),
        When(lambda slim: not slim.eval()(IMAGE).equal(TRAINED.eval()(IMAGE)), new): (
            "it answers differently: were all other weights copied?"
        ),
    },
    read=calls((TRAINED,)),
    examples={7: "function"},
)


LOGITS = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(4)) * 2
TARGETS = torch.tensor([0, 1, 2, 3, 0, 1])
OUTPUTS = GoogLeNetOutputs(*LOGITS)


def losses(outputs, targets) -> list[Tensor]:
    return [F.cross_entropy(logits, targets) for logits in outputs]


def combined(*weights: float):
    """A wrong loss: the three outputs' losses with these weights."""
    return lambda outputs, targets: sum(
        w * loss for w, loss in zip(weights, losses(outputs, targets), strict=True)
    )


def averaged(outputs, targets):
    return F.cross_entropy(sum(outputs) / 3, targets)


def weighted(outputs, targets):
    mixed = outputs[0] + 0.3 * (outputs[1] + outputs[2])
    return F.cross_entropy(mixed, targets)


def weighted_mean(outputs, targets):
    mixed = outputs[0] + 0.3 * (outputs[1] + outputs[2])
    return F.cross_entropy(mixed / 1.6, targets)


def unweighted(outputs, targets):
    return sum(F.cross_entropy(x, targets) for x in outputs)


def swapped(outputs, targets):
    aux1, aux2, logits = (F.cross_entropy(x, targets) for x in outputs)
    return logits + 0.3 * (aux1 + aux2)


def training_only(outputs, targets):
    logits, aux2, aux1 = (F.cross_entropy(x, targets) for x in outputs)
    return logits + 0.3 * (aux2 + aux1)


MIXED = (
    "you mixed the logits; each output gets a loss of its own, and the losses are added"
)


RIGHT_LOSS = float(googlenet_loss(OUTPUTS, TARGETS))


def takes_one_tensor(answer) -> bool:
    try:
        value = float(answer(OUTPUTS.logits, TARGETS))
    except Exception:
        return False
    return alike(value, float(F.cross_entropy(OUTPUTS.logits, TARGETS)), 1e-4)


def read_loss(answer) -> float:
    value = float(calls((OUTPUTS, TARGETS))(answer))
    if alike(value, RIGHT_LOSS, 1e-4) and not takes_one_tensor(answer):
        raise Refused(
            "right in training, but in eval mode the network returns one tensor: "
            "for that the plain cross-entropy is asked"
        )
    return value


exercise(
    "04.5",
    "the loss of torchvision's outputs",
    {
        unweighted: "the heads count as much as the output: weight them",
        combined(1, 0, 0): (
            "that is the output's loss alone; the heads then learn nothing"
        ),
        combined(1, 0.3, 0): "one head is missing",
        combined(1, 0, 0.3): "one head is missing",
        combined(0.3, 0.3, 0.3): "the output's own loss has the weight 1",
        swapped: (
            "you took the last output for the main one: the order is logits, "
            "aux_logits2, aux_logits1"
        ),
        combined(0.3, 1, 0.3): (
            "you took the second output for the main one: logits come first"
        ),
        combined(1 / 3, 1 / 3, 1 / 3): "that is a plain average of the three",
        averaged: MIXED,
        weighted: MIXED,
        weighted_mean: MIXED,
    },
    right=RIGHT_LOSS,
    otherwise="not yet: 1 × the output's cross-entropy + 0.3 × that of each head",
    read=read_loss,
    within=1e-4,
    examples={1.6: "function", training_only: "eval mode"},
)
