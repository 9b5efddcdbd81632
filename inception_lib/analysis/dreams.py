"""What a network would like to see: pictures made to drive a number up."""

import math
from collections.abc import Callable

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fft import fftfreq, irfft2, rfftfreq

from ..checks import check_positive
from ..model import GOOGLENET_WIDTHS, BasicConv2d, GoogLeNet
from ..model.serving import folded
from .parts import stages, trunk_in_eval_mode

# From pictures, N×C×S×S of 0 to 255, to N numbers.
Score = Callable[[Tensor], Tensor]

RARE = 1000  # one place of a map in so many is higher

# Red, green and blue mostly rise and fall together in photographs. A column for each
# way in which those of scikit-image (astronaut, coffee, cat) vary, by how much they do:
# light and dark, then two for colour.
COLOURS = ((0.233, 0.125, 0.011), (0.249, -0.027, -0.033), (0.237, -0.094, 0.024))


def damping(side: int) -> Tensor:
    """What each wave of ``rfft2`` is divided by, S×(S // 2 + 1): 1 / S for the longest,
    and for the others in proportion to their frequency to the power of 1.5.

    In photographs amplitudes fall with the frequency itself. A little more leaves less
    to the grain, and more dreams pass the test of notebook 11.
    """
    waves = torch.hypot(fftfreq(side)[:, None], rfftfreq(side)[None])
    return (waves * side).clamp_min(1) ** 1.5 / side


def painted(waves: Tensor, side: int) -> Tensor:
    """The pictures N×C×S×S, 0 to 255, that ``waves`` add up to: N×C×S×(S // 2 + 1)×2.

    Each wave is divided by its ``damping``: large patterns come as easily as small
    ones. Three channels are mixed by ``COLOURS``.
    """
    waves = torch.view_as_complex(waves) / damping(side)
    x = irfft2(waves, s=(side, side), norm="ortho") / 4
    if x.shape[1] == 3:
        mix = x.new_tensor(COLOURS)
        x = torch.einsum("kc,nchw->nkhw", mix / mix.norm(dim=0).max(), x)
    return 255 * x.sigmoid()


def moved(
    x: Tensor, shift: float, turn: float, scale: float, generator: torch.Generator
) -> Tensor:
    """N×C×S×S pictures, each shifted by up to ``shift`` pixels, turned by up to
    ``turn`` degrees and resized by up to the fraction ``scale``, as ``generator``
    draws. Edges are filled by reflection.
    """
    right, down, angle, size = 2 * torch.rand(4, len(x), generator=generator) - 1
    angle, size = angle * math.radians(turn), 1 + scale * size
    cos, sin, step = size * angle.cos(), size * angle.sin(), 2 * shift / x.shape[-1]
    rows = [[cos, -sin, right * step], [sin, cos, down * step]]
    moves = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(moves, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def dream(
    score: Score,
    count: int,
    side: int,
    channels: int = 1,
    *,
    steps: int = 64,
    rate: float = 0.05,
    seed: int = 0,
) -> Tensor:
    """Pictures that drive ``score`` up: count×channels×side×side, 0 to 255.

    ``score`` is from such pictures to one number each. Gradient ascent (Adam) on the
    waves that make up a picture. At each step the score sees it shifted, turned and
    resized a little, so that nothing pays that hangs on single pixels. Olah et al.
    2017, https://distill.pub/2017/feature-visualization. Raises ValueError on a count,
    side, channels or steps that are not positive.
    """
    check_positive(count=count, side=side, channels=channels, steps=steps)
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, side, side // 2 + 1, 2)
    waves = (0.01 * torch.randn(shape, generator=generator)).requires_grad_()
    optimizer = torch.optim.Adam([waves], rate)
    with torch.enable_grad():
        for _ in range(steps):
            x = moved(painted(waves, side), 4, 5, 0.05, generator)
            (waves.grad,) = torch.autograd.grad(-score(x).sum(), waves)
            optimizer.step()
    return painted(waves, side).detach()


def unseen(x: Tensor, generator: torch.Generator) -> Tensor:
    """N×C×S×S pictures as no ``dream`` has tried them: moved twice as far, and blurred
    (by a Gaussian of one pixel).
    """
    x = moved(x, 8, 10, 0.1, generator)
    bell = torch.tensor([-2.0, -1, 0, 1, 2]).square().div(-2).exp()
    bell = (bell / bell.sum()).expand(x.shape[1], 1, 1, 5)
    wide = F.pad(x, (2, 2, 2, 2), mode="reflect")
    across = F.conv2d(wide, bell, groups=x.shape[1])
    return F.conv2d(across, bell.mT, groups=x.shape[1])


def before_relu(model: GoogLeNet, stage: str) -> nn.Module:
    """A copy of the network up to a stage, without that stage's last ReLU: N×3×S×S ->
    its maps, N×C×H×W. Cut off at 0 they are the stage's.

    Where a ReLU gives 0 it passes no gradient, and a dream stays grey; this copy still
    says which way is up. Raises ValueError on an unknown stage.
    """
    if stage not in stages(model):
        known = ", ".join(stages(model))
        raise ValueError(f"there is no stage {stage!r}: choose from {known}")
    layers = trunk_in_eval_mode(folded(model))
    names = list(layers)
    part = nn.Sequential(*[layers[n] for n in names[: names.index(stage) + 1]])
    branches = [part[-1]] if isinstance(part[-1], BasicConv2d) else part[-1].children()
    for branch in branches:
        last = [m for m in branch.modules() if isinstance(m, BasicConv2d)][-1]
        last.add_module("relu", nn.Identity())
    return part.requires_grad_(False)


def soft_maximum(maps: Tensor, channels: Tensor) -> Tensor:
    """N×C×H×W maps, a channel each -> N: log Σ exp over the places of the channel.

    The best places count most, and where all are as low, all count: unlike that of the
    maximum itself, its gradient finds a way up from everywhere.
    """
    return maps[torch.arange(len(maps)), channels].flatten(1).logsumexp(1)


def rare(maps: Tensor) -> Tensor:
    """N×C×H×W maps -> C: what one place in ``RARE`` of the N images exceeds."""
    places = maps.transpose(0, 1).flatten(1)
    return places.topk(max(1, places.shape[1] // RARE)).values[:, -1]


@torch.no_grad()
def survives(
    part: nn.Module, pictures: Tensor, channels: Tensor, prepare: Callable
) -> Tensor:
    """How high N ``pictures`` drive their channels of ``part`` where it is highest, as
    the mean of four looks at them ``unseen``: N numbers.
    """
    generator, n = torch.Generator().manual_seed(1), torch.arange(len(pictures))
    looks = [part(prepare(unseen(pictures, generator))) for _ in range(4)]
    best = [maps[n, channels].flatten(1).amax(1) for maps in looks]
    return torch.stack(best).mean(0)


def driven(
    model: GoogLeNet, dreamer: GoogLeNet, x: Tensor, prepare: Callable, count: int
) -> pd.DataFrame:
    """Dreams of ``dreamer``'s channels, looked at by ``model``: a row for each of
    ``count`` channels per module, which are drawn from those that answer to the images
    ``x`` (N×3×S×S) at all. The columns module, channel, and reached: what ``survives``,
    divided by what is ``rare`` among the images.

    ``prepare`` is from pictures of 0 to 255 to what the networks read. A dream that
    shows what a channel likes reaches more than 1, and one by another network doesn't.
    """
    tables, generator = [], torch.Generator().manual_seed(0)
    for module in GOOGLENET_WIDTHS:
        part, other = before_relu(model, module), before_relu(dreamer, module)
        with torch.no_grad():
            usual = rare(torch.cat([part(p) for p in x.split(64)]))
        live = (usual > 0).nonzero().flatten()
        channels = live[torch.randperm(len(live), generator=generator)[:count]]

        def score(pictures: Tensor, part=other, channels=channels) -> Tensor:
            return soft_maximum(part(prepare(pictures)), channels)

        # Deep channels need more steps than the eye does.
        pictures = dream(score, len(channels), x.shape[-1], steps=96)
        reached = survives(part, pictures, channels, prepare) / usual[channels]
        columns = {"module": module, "channel": channels, "reached": reached}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
