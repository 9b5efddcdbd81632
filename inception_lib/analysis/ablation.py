"""Which branches a network uses: what is lost without one, what flows through it."""

from collections import defaultdict

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import GoogLeNet
from .parts import modules

REPLACEMENTS = ("mean", "zero")


@torch.no_grad()
def ablation(
    model: GoogLeNet,
    x: Tensor,
    labels: Tensor,
    replacement: str = "mean",
    batch_size: int = 64,
) -> pd.DataFrame:
    """What is lost when one branch of one module doesn't look at the image any more.

    A row per module and branch, with the columns module, branch, loss (by how much the
    cross-entropy of the N images ``x``, N×3×H×W, rises, in nats), error (the standard
    error of that mean), accuracy (the change, a share) and flips (the share of images
    that get another answer).

    ``replacement="mean"`` puts each of the branch's channels at its mean over all
    images and places: only what it *tells apart* is taken away. "zero" takes its mean
    away as well, which the layers after it have learned to count on, so that it also
    measures their surprise. Raises ValueError on another replacement.
    """
    if replacement not in REPLACEMENTS:
        raise ValueError(f"replacement must be mean or zero, got {replacement!r}")
    fills = branch_means(model, x, batch_size)
    intact, logits = [], defaultdict(list)
    for part in x.split(batch_size):
        for module, outputs, rest in modules(model, part):
            for branch, y in outputs.items():
                fill = fills[module, branch] if replacement == "mean" else 0.0
                without = outputs | {branch: torch.zeros_like(y) + fill}
                logits[module, branch].append(rest(torch.cat([*without.values()], 1)))
        intact.append(rest(torch.cat([*outputs.values()], 1)))

    before = torch.cat(intact)
    loss = F.cross_entropy(before, labels, reduction="none")
    rows = []
    for (module, branch), parts in logits.items():
        after = torch.cat(parts)
        rise = F.cross_entropy(after, labels, reduction="none") - loss
        right = [(y.argmax(1) == labels).double().mean() for y in (before, after)]
        rows.append(
            {
                "module": module,
                "branch": branch,
                "loss": rise.mean().item(),
                "error": rise.std(correction=0).item() / len(rise) ** 0.5,
                "accuracy": (right[1] - right[0]).item(),
                "flips": (before.argmax(1) != after.argmax(1)).double().mean().item(),
            }
        )
    return pd.DataFrame(rows)


@torch.no_grad()
def branch_means(
    model: GoogLeNet, x: Tensor, batch_size: int = 64
) -> dict[tuple[str, str], Tensor]:
    """The means of each branch's channels over images and places, C×1×1."""
    totals: dict[tuple[str, str], Tensor] = {}
    for part in x.split(batch_size):
        for module, outputs, _ in modules(model, part):
            for branch, y in outputs.items():
                key, mean = (module, branch), y.mean((2, 3), keepdim=True).sum(0)
                totals[key] = totals[key] + mean if key in totals else mean
    return {key: total / len(x) for key, total in totals.items()}


def branch_shares(
    model: GoogLeNet, x: Tensor, labels: Tensor, batch_size: int = 64
) -> pd.DataFrame:
    """What part of a module's output is a branch's, a row per module and branch.

    The columns module, branch, and three shares that add up to 1 over a module's
    branches: channels; energy, of the squares of all output values; gradient, of the
    squares of all the loss's derivatives by them. The loss is each image's own.
    """
    sums: dict[tuple[str, str], list] = {}
    for part, truth in zip(x.split(batch_size), labels.split(batch_size), strict=True):
        with torch.enable_grad():
            found: dict[tuple[str, str], Tensor] = {}
            for module, outputs, rest in modules(model, part):  # noqa: B007
                found |= {(module, branch): y for branch, y in outputs.items()}
            logits = rest(torch.cat([*outputs.values()], 1))
            loss = F.cross_entropy(logits, truth, reduction="sum")
            gradients = torch.autograd.grad(loss, list(found.values()))
        for (key, y), gradient in zip(found.items(), gradients, strict=True):
            row = sums.setdefault(key, [y.shape[1], 0.0, 0.0])
            row[1] += y.detach().double().square().sum().item()
            row[2] += gradient.double().square().sum().item()
    table = pd.DataFrame(
        [(*key, *row) for key, row in sums.items()],
        columns=["module", "branch", "channels", "energy", "gradient"],
    )
    shares = ["channels", "energy", "gradient"]
    whole = table.groupby("module")[shares].transform("sum")
    table[shares] /= whole.where(whole > 0, 1)  # a module through which nothing flows
    return table
