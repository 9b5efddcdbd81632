"""Watch a training: a progress line and curves that are redrawn in place, without
flicker.
"""

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import style


class LiveTraining:
    """Hand it to ``fit``: ``fit(..., progress=live, on_epoch=live.draw)``.

    It replaces one text and one picture where they stand. ``Output`` widgets, cleared
    and filled again, would flicker; and a kept notebook still shows the last state.
    In a plain Python program there is no place to redraw: it stays with the first line.
    """

    def __init__(self):
        self.line = display(
            {"text/plain": "training starts …"}, raw=True, display_id=True
        )
        self.picture = None

    def write(self, text: str) -> None:
        """What tqdm calls with its newest line: a file in the eyes of tqdm."""
        if text.strip() and self.line:
            self.line.update({"text/plain": text.strip()}, raw=True)

    def flush(self) -> None:
        """Nothing is held back: a file must have this."""

    def draw(self, history: pd.DataFrame) -> None:
        """Show the curves so far, in place of the last ones."""
        if self.line is None:
            return
        last = history.iloc[-1]
        alt = (
            f"Loss and validation scores after {last.epoch:.0f} epochs: training loss "
            f"{last.loss:.2f}, validation accuracy {last.accuracy:.3f}, "
            f"ROC AUC {last.roc_auc:.3f}."
        )
        image = style.png(curves(history), alt)
        if self.picture is None:
            self.picture = display(image, display_id=True)
        else:
            self.picture.update(image)


def curves(history: pd.DataFrame) -> Figure:
    """Two panels over the epochs: losses, and validation accuracy and ROC AUC."""
    fig, (left, right) = style.figure(3.2, columns=2)
    epochs = history["epoch"]
    left.plot(
        epochs, history["validation_loss"], color=style.COLOURS["1x1"], marker="o", ms=3
    )
    left.plot(
        epochs,
        history["loss"] / 1.6,
        color=style.COLOURS["trunk"],
        ls="--",
        marker="s",
        ms=3,
    )
    left.set_title("cross-entropy (nats)", fontsize=10)
    left.legend(
        ["validation", "training (three losses / 1.6)"], fontsize=8, frameon=False
    )
    right.plot(epochs, history["roc_auc"], color=style.COLOURS["5x5"], marker="^", ms=3)
    right.plot(
        epochs,
        history["accuracy"],
        color=style.COLOURS["3x3"],
        ls="--",
        marker="o",
        ms=3,
    )
    right.set_title("on the validation set", fontsize=10)
    right.set_ylim(0.45, 1)
    right.legend(["ROC AUC", "accuracy"], fontsize=8, frameon=False, loc="lower right")
    for ax in (left, right):
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return fig
