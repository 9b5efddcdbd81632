"""Inception's rivals: other modules in its place, in one small body, at one price."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ..checks import check_positive
from ..model import GOOGLENET_WIDTHS, BranchWidths, Inception
from ..model.layers import BasicConv2d, linear

Form = Callable[[int, BranchWidths], nn.Module]  # N×n×H×W -> N×m×H×W
MODULES = ("3a", "3b", "4a", "4e")

pool = partial(nn.MaxPool2d, kernel_size=3, stride=2, ceil_mode=True)


class Branches(nn.Module):
    """N×C×H×W -> what each branch makes of it, joined along the channels."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """A 1×1 convolution around a module, to as many channels: around(x) + module(x)."""

    def __init__(self, module: nn.Module, n: int, m: int):
        super().__init__()
        self.module = module
        self.around = nn.Conv2d(n, m, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.around(x) + self.module(x)


def conv(n: int, m: int, kernel: int | tuple[int, int] = 1, groups: int = 1):
    """Convolution → batch norm → ReLU that keeps the size of the map."""
    layer = BasicConv2d(n, m, batch_norm=True)
    layer.conv = nn.Conv2d(n, m, kernel, padding="same", groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.conv.weight, nonlinearity="relu")
    return layer


def chain(n: int, *layers: tuple) -> nn.Module:
    """Convolutions one after the other, each given as its channels and its kernel."""
    inputs = (n, *(m for m, _ in layers))
    return nn.Sequential(
        *(conv(k, m, kernel) for k, (m, kernel) in zip(inputs, layers, strict=False))
    )


def pooled(n: int, w: BranchWidths) -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(n, w.pool_proj))


def narrowed(w: BranchWidths, reduced: int, width: int) -> int:
    """How many channels feed a convolution that makes all of the module's, if it is
    reduced as much as in Table 1: a multiple of 8.
    """
    return max(8, w.out_channels * reduced // width // 8 * 8)


def inception(n: int, w: BranchWidths) -> nn.Module:
    """The paper's module (Figure 2b)."""
    return Inception(n, w, batch_norm=True)


def only_3x3(n: int, w: BranchWidths) -> nn.Module:
    return chain(n, (narrowed(w, w.ch3x3red, w.ch3x3), 1), (w.out_channels, 3))


def only_5x5(n: int, w: BranchWidths) -> nn.Module:
    return chain(n, (narrowed(w, w.ch5x5red, w.ch5x5), 1), (w.out_channels, 5))


def up_to_3x3(n: int, w: BranchWidths) -> nn.Module:
    return Branches(conv(n, w.ch1x1), chain(n, (w.ch3x3red, 1), (w.ch3x3, 3)))


def no_reductions(n: int, w: BranchWidths) -> nn.Module:
    """Figure 2a, but for its pool, which is still projected."""
    return Branches(
        conv(n, w.ch1x1), conv(n, w.ch3x3, 3), conv(n, w.ch5x5, 5), pooled(n, w)
    )


def no_pool_branch(n: int, w: BranchWidths) -> nn.Module:
    return Branches(
        conv(n, w.ch1x1),
        chain(n, (w.ch3x3red, 1), (w.ch3x3, 3)),
        chain(n, (w.ch5x5red, 1), (w.ch5x5, 5)),
    )


def two_3x3(n: int, w: BranchWidths) -> nn.Module:
    """BN-Inception (arXiv:1502.03167): two 3×3 see as far as a 5×5."""
    return Branches(
        conv(n, w.ch1x1),
        chain(n, (w.ch3x3red, 1), (w.ch3x3, 3)),
        chain(n, (w.ch5x5red, 1), (w.ch5x5, 3), (w.ch5x5, 3)),
        pooled(n, w),
    )


def factorised(n: int, w: BranchWidths) -> nn.Module:
    """Inception v3 (arXiv:1512.00567, section 3.2): 1×n, then n×1, for an n×n."""
    return Branches(
        conv(n, w.ch1x1),
        chain(n, (w.ch3x3red, 1), (w.ch3x3, (1, 3)), (w.ch3x3, (3, 1))),
        chain(n, (w.ch5x5red, 1), (w.ch5x5, (1, 5)), (w.ch5x5, (5, 1))),
        pooled(n, w),
    )


def residual(n: int, w: BranchWidths) -> nn.Module:
    """The idea of Inception-ResNet (arXiv:1602.07261), whose way around is the identity
    and whose branches end without a ReLU.
    """
    return Residual(inception(n, w), n, w.out_channels)


# In Xception there is no ReLU between the two, and there are ways around.
def separable(n: int, w: BranchWidths) -> nn.Module:
    """Xception's "extreme Inception" (arXiv:1610.02357, Figure 4): a 1×1, then a 3×3 in
    each of its channels alone.
    """
    m = w.out_channels
    return nn.Sequential(conv(n, m), conv(m, m, 3, groups=m))


# Each with the scale of Table 1's widths at which a ``Racer`` costs as many
# multiply-adds as with the first, as nearly as widths in multiples of 8 allow (3 %).
FORMS: dict[str, tuple[Form, float]] = {
    "Inception": (inception, 0.5),
    "3×3 only": (only_3x3, 0.28),
    "5×5 only": (only_5x5, 0.16),
    "1×1 + 3×3": (up_to_3x3, 0.59),
    "no reductions": (no_reductions, 0.28),
    "no pool branch": (no_pool_branch, 0.53),
    "two 3×3 for the 5×5": (two_3x3, 0.47),
    "1×n and n×1": (factorised, 0.53),
    "residual": (residual, 0.41),
    "depthwise separable": (separable, 0.8),
}


class Racer(nn.Module):
    """A GoogLeNet of four modules, half as wide: N×3×H×W -> N×num_classes logits.

    Its modules are of the form that is named, one of ``FORMS``, or that is given with
    the scale of its widths. With each of ``FORMS`` an image of 96×96 pixels costs 58
    million multiply-adds. Batch norm everywhere, no heads. Raises ValueError on an
    unknown name, or no classes.
    """

    def __init__(self, form: str | tuple[Form, float], num_classes: int = 2):
        super().__init__()
        if isinstance(form, str) and form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}; got {form!r}")
        check_positive(num_classes=num_classes)
        make, scale = FORMS[form] if isinstance(form, str) else form
        self.stem = nn.Sequential(
            BasicConv2d(3, 32, 7, stride=2, padding=3, batch_norm=True),
            pool(),
            conv(32, 32),
            conv(32, 96, 3),
            pool(),
        )
        n = 96  # of the stem
        layers: list[nn.Module] = []
        for name in MODULES:
            if name == "4a":
                layers.append(pool())
            widths = (max(8, round(scale * k / 8) * 8) for k in GOOGLENET_WIDTHS[name])
            module = make(n, BranchWidths(*widths))
            n = channels_out(module, n)
            layers.append(module)
        self.body = nn.Sequential(*layers)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.4)
        self.fc = linear(n, num_classes, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.average(self.body(self.stem(x)))
        return self.fc(self.dropout(torch.flatten(x, 1)))


@torch.no_grad()
def channels_out(module: nn.Module, n: int) -> int:
    found = module.eval()(torch.zeros(1, n, 4, 4)).shape[1]
    module.train()
    return found
