"""Exercises of 04 · Auxiliary classifiers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...model import GoogLeNet, GoogLeNetOutputs, InceptionAux, googlenet_loss
from ..compare import beside, build, trace, wrong_dropout
from ..exercise import (
    Refused,
    alike,
    calls,
    exercise,
    expects,
    kind,
    parameters,
    parts,
    sizes,
)

exercise(
    "04.1",
    "what PyTorch's default leaves of a signal after 12 layers",
    {
        6**-12: "that is its square, the second moment; asked is the signal's scale",
        3**-6: "that is without the ReLUs, which halve the second moment at each layer",
        3**-12: "without the ReLUs, and squared: two things to look at again",
        2**-6: "that is what the ReLUs take; the weights are too small as well",
        6**6: "upside down: that is how many times it shrinks",
    },
    right=6**-6,
    otherwise="not yet: what does one layer do to the second moment? Twelve of them?",
    within=0.05,
    examples={0.5: "one layer"},
)


LIBRARYS = parameters(InceptionAux(528, 2, map_size=6))


def head(*, pool=(3, 1), hidden=1024, rate=0.7, relu=True, classes=2) -> nn.Sequential:
    return nn.Sequential(
        nn.AvgPool2d(*pool),
        nn.Conv2d(528, 128, 1),
        nn.ReLU() if relu else nn.Identity(),
        nn.Flatten(),
        nn.Linear(2048, hidden),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Linear(hidden, classes),
    )


@exercise(
    "04.2",
    "a head for 6×6 maps, from plain PyTorch",
    read=expects(nn.Module, "a module (nn.Sequential)"),
    examples={
        head()[1:]: "begins with an average pooling",
        head(pool=(5, 3)): "doesn't take a 528×6×6",
        head(classes=1000): "not 2×2 classes",
        head(hidden=512): "then 1024 units",
        head(relu=False): "a ReLU is missing",
        head(rate=0.4): "drops 70 %",
    },
)
def no_small_head(module: nn.Module) -> str | None:
    if not parts(module, nn.AvgPool2d, nn.AdaptiveAvgPool2d):
        return "it begins with an average pooling, to 4×4"
    try:
        shape = tuple(module.eval()(torch.zeros(2, 528, 6, 6)).shape)
    except RuntimeError as error:
        return f"it doesn't take a 528×6×6 map: {str(error).splitlines()[0]}"
    if shape != (2, 2):
        return f"two images give {sizes(shape)} numbers, not 2×2 classes"
    if (count := parameters(module)) != LIBRARYS:
        return (
            f"{count:,} parameters, the library's has {LIBRARYS:,}: pooled to 4×4, 128 "
            "channels, then 1024 units, all with biases?"
        )
    if len(parts(module, nn.ReLU)) < 2:
        return "a ReLU is missing: one after the convolution, one after the 1024"
    if [layer.p for layer in parts(module, nn.Dropout)] != [0.7]:
        return "one dropout that drops 70 %, before the last layer"
    return None


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
        lambda p, a, b: p.sum() ** 0.5: "the weights are missing: it must change",
    },
    right=float(squared_norm(PRODUCTS, 0.3, 0.5)) ** 0.5,
    otherwise="not yet: multiply out |g₀ + w₁·g₁ + w₂·g₂|²; products[i, j] is gᵢ · gⱼ",
    read=lambda answer: float(calls((PRODUCTS, 0.3, 0.5))(answer)),
    within=1e-4,
    examples={lambda p, a, b: p[0, 0] + a * a * p[1, 1]: "not yet"},
)


TRAINED = GoogLeNet(2, image_size=64)
IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def forgetful(model):
    slim = GoogLeNet(2, image_size=64)
    slim.aux1 = slim.aux2 = None
    return slim


@exercise(
    "04.4",
    "a trained network without its heads",
    read=calls((TRAINED,)),
    examples={
        lambda model: model.fc: "got Linear",
        lambda model: model: "still there",
        lambda model: GoogLeNet(aux_logits=False): "1000 classes",
        forgetful: "still looks for heads",
        lambda model: GoogLeNet(2, image_size=64, aux_logits=False): "differently",
    },
)
def not_slim(slim) -> str | None:
    if not isinstance(slim, GoogLeNet):
        return f"it should return a GoogLeNet, got {kind(slim)}"
    if any(name.startswith("aux") for name, _ in slim.named_parameters()):
        return "its heads are still there: build one with aux_logits=False"
    if (classes := slim.fc.out_features) != 2:
        return f"it has {classes} classes, the trained one 2: copy that too"
    if slim.aux_logits:
        return "in train mode it still looks for heads: set aux_logits to False"
    if not slim.eval()(IMAGE).equal(TRAINED.eval()(IMAGE)):
        return "it answers differently: were all other weights copied?"
    return None


LOGITS = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(4)) * 2
TARGETS = torch.tensor([0, 1, 2, 3, 0, 1])
OUTPUTS = GoogLeNetOutputs(*LOGITS)
RIGHT_LOSS = float(googlenet_loss(OUTPUTS, TARGETS))


def read_loss(answer) -> float:
    value = float(calls((OUTPUTS, TARGETS))(answer))
    if not alike(value, RIGHT_LOSS, 1e-4):
        return value
    try:
        in_eval = float(answer(OUTPUTS.logits, TARGETS))
    except Exception:
        in_eval = None
    if not alike(in_eval, float(F.cross_entropy(OUTPUTS.logits, TARGETS)), 1e-4):
        raise Refused(
            "right in training, but in eval mode the network returns one tensor: "
            "for that the plain cross-entropy is asked"
        )
    return value


def combined(*weights: float):
    """A loss: the three outputs' losses with these weights."""
    return lambda outputs, targets: sum(
        weight * F.cross_entropy(logits, targets)
        for weight, logits in zip(weights, outputs, strict=True)
    )


def mixed(*weights: float):
    """One loss of the three outputs, added up with these weights."""

    def loss(outputs, targets):
        logits = sum(w * x for w, x in zip(weights, outputs, strict=True))
        return F.cross_entropy(logits, targets)

    return loss


MIXED = "you mixed the logits; each output gets its own loss, and the losses are added"

exercise(
    "04.5",
    "the loss of torchvision's outputs",
    {
        combined(1, 1, 1): "the heads count as much as the output: weight them",
        combined(1, 0, 0): "that is the output's loss; the heads learn nothing",
        combined(1, 0.3, 0): "one head is missing",
        combined(1, 0, 0.3): "one head is missing",
        combined(0.3, 0.3, 0.3): "the output's own loss has the weight 1",
        combined(0.3, 0.3, 1): (
            "you took the last output for the main one: the order is logits, "
            "aux_logits2, aux_logits1"
        ),
        combined(0.3, 1, 0.3): "the second output isn't the main one: logits are first",
        combined(1 / 3, 1 / 3, 1 / 3): "that is a plain average of the three",
        mixed(1 / 3, 1 / 3, 1 / 3): MIXED,
        mixed(1, 0.3, 0.3): MIXED,
    },
    right=RIGHT_LOSS,
    otherwise="not yet: 1 × the output's cross-entropy + 0.3 × that of each head",
    read=read_loss,
    within=1e-4,
    examples={combined(1, 0.3, 0.3): "eval mode", mixed(0, 1, 1): "not yet"},
)


@exercise(
    "04.6",
    "an auxiliary head of your own",
    read=lambda cls: build(cls, 6, 5),
    praise="with the library's weights it gives the library's answers",
    edits={
        ("AdaptiveAvgPool2d(4)", "AvgPool2d(5, 3)"): "only 14×14",
        ("AdaptiveAvgPool2d(4)", "AdaptiveMaxPool2d(4)"): "an average is asked",
        ("AdaptiveAvgPool2d(4)", "AdaptiveAvgPool2d(1)"): "expects 2048 numbers",
        ("            nn.Flatten(),\n", ""): "expects 2048 numbers",
        ("kernel_size=1", "kernel_size=3, padding=1"): "should be 1×1 from 6 to 128",
        ("            nn.ReLU(),\n            nn.Flatten", "nn.Flatten"): "no ReLU",
        ("nn.ReLU(),\n            nn.Dropout", "nn.Dropout"): "no ReLU in front of",
        ("nn.Dropout(0.7)", "nn.Dropout(0.3)"): "share that is *dropped*",
        ("nn.Dropout(0.7)", "nn.Dropout(0.4)"): "drops 40% of 1024",
        ("            nn.Dropout(0.7),\n", ""): "no dropout on the 1024",
        ("1024, num_classes)", "1024, 1000)"): "should be linear from 1024 to 5",
        ("self.layers(x)", "self.layers(x).softmax(1)"): "softmax inside",
        ("self.layers(x)", "self.layers(x).relu()"): "ReLU after the last layer",
        ("self.layers(x)", "F.dropout(self.layers(x), 0.7)"): "drops in eval mode",
    },
)
def no_head(module: nn.Module) -> str | None:
    ours = InceptionAux(6, 5).eval()
    ours.pool = nn.AdaptiveAvgPool2d(4)
    large, small = (torch.rand(2, 6, side, side) for side in (14, 9))
    seen = trace(module, large)
    if not seen.error and trace(module, small).error:
        return "only 14×14 maps are pooled to 4×4: your pictures in 07 will be smaller"
    trained = trace(module.train(), large)
    wrong = beside(module.eval(), ours, small)
    return wrong or wrong_dropout(seen, trained, {1024: [0.7]})
