"""Figures of 03 · Global average pooling. Each returns the figure and its alt text."""

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from . import style

ENDINGS = {"flatten": "trunk", "average": "1x1", "maximum": "3x3"}  # their colours


def kept(image: Tensor, maps: Tensor, channels: dict[str, int]) -> tuple[Figure, str]:
    """An image (1×S×S uint8), and of its maps (C×H×W) those in ``channels``.

    ``channels`` gives each shown channel a name; above it stand its mean and maximum.
    """
    fig, axes = style.figure(2.7, columns=1 + len(channels))
    style.picture(axes[0], image[0].numpy(), "the cell\n", vmin=0, vmax=255)
    told = []
    for ax, (name, channel) in zip(axes[1:], channels.items(), strict=True):
        shown = maps[channel]
        numbers = f"mean {shown.mean():.2f}, max {shown.max():.2f}"
        title = f"{name}: channel {channel}\n{numbers}"
        style.picture(ax, shown.numpy(), title, cmap="cividis", vmin=0)
        told.append(f"{name}, channel {channel}, {numbers}")
    fig.supxlabel(style.CREDIT, fontsize=7, color=style.COLOURS["trunk"])
    return fig, f"A cell and some of its feature maps: {'; '.join(told)}."


def gradients(shown: Tensor, sent: dict[str, Tensor]) -> tuple[Figure, str]:
    """A feature map (H×W) and the gradient (H×W) that each kind of pooling sends."""
    fig, axes = style.figure(2.9, columns=1 + len(sent))
    style.picture(axes[0], shown.numpy(), "the feature map\n", cmap="cividis", vmin=0)
    told = []
    for ax, (name, gradient) in zip(axes[1:], sent.items(), strict=True):
        reached = int((gradient != 0).sum())
        most = gradient.max().item()
        style.picture(
            ax,
            gradient.numpy(),
            f"{name}: {reached} of {gradient.numel()} places\neach {most:.4f}",
            cmap="Blues",
            vmin=0,
            vmax=1.5 * most,
        )
        ax.spines[:].set_visible(True)
        told.append(f"{name} reaches {reached} places with {most:.4f} each")
    return fig, f"A feature map and the gradient sent back into it: {'; '.join(told)}."


def rates(results: pd.DataFrame) -> tuple[Figure, str]:
    """Validation accuracy against the learning rate, a panel per trunk.

    ``results`` has the columns trunk, ending, lr, accuracy, a row per head; points are
    means over the heads, bars their standard deviations.
    """
    trunks = list(results["trunk"].unique())
    fig, axes = style.figure(3.4, columns=len(trunks), sharey=True, squeeze=False)
    told = []
    for ax, trunk in zip(axes[0], trunks, strict=True):
        for i, (ending, kind) in enumerate(ENDINGS.items()):
            chosen = results.query("trunk == @trunk and ending == @ending")
            groups = chosen.groupby("lr")["accuracy"]
            mean, deviation = groups.mean(), groups.std()
            ax.errorbar(
                mean.index * 1.08 ** (i - 1),  # side by side, or the bars would overlap
                mean,
                deviation,
                color=style.COLOURS[kind],
                ls=style.DASHES[i],
                marker=style.MARKERS[i],
                capsize=3,
                label=ending,
            )
            best = mean.idxmax()
            told.append(
                f"{trunk}, {ending}: {mean[best]:.3f} ± {deviation[best]:.3f} at a "
                f"rate of {best:g}"
            )
        ax.set_xscale("log")
        ax.set_xlabel("learning rate")
        ax.set_title(f"{trunk} trunk", fontsize=10)
        ax.legend(fontsize=8, frameon=False, loc="lower right")
    axes[0, 0].set_ylabel("validation accuracy")
    return fig, f"Accuracy of the endings, the best of each: {'; '.join(told)}."
