"""Watch a training: a progress line and curves that are redrawn in place, without
flicker.
"""

import pandas as pd
from IPython.display import display
from matplotlib.ticker import MaxNLocator

from .drawing import COLOURS, Drawing, figure, series


class LiveTraining:
    """Hand it to ``fit``: ``fit(..., progress=live, on_epoch=live.draw)``.

    It replaces one text and one picture where they stand. ``Output`` widgets, cleared
    and filled again, would flicker; and a kept notebook still shows the last state.
    In a plain Python program there is no place to redraw: it stays with the first line.
    ``aux=False`` is for networks without auxiliary heads, which have one loss.
    """

    def __init__(self, *, aux: bool = True):
        self.aux = aux
        self.line = display(
            {"text/plain": "training starts …"}, raw=True, display_id=True
        )
        self.picture = None

    def write(self, text: str) -> None:
        """What tqdm calls with its newest line; to tqdm this is a file."""
        if text.strip() and self.line:
            self.line.update({"text/plain": text.strip()}, raw=True)

    def flush(self) -> None:
        """Nothing is held back: a file must have this."""

    def draw(self, history: pd.DataFrame) -> None:
        """Show the curves so far, in place of the last ones."""
        if self.line is None:
            return
        image = draw_curves(history, aux=self.aux)
        if self.picture is None:
            self.picture = display(image, display_id=True)
        else:
            self.picture.update(image)


def draw_curves(history: pd.DataFrame, *, aux: bool = True) -> Drawing:
    """Two panels over the epochs: losses, and validation accuracy and ROC AUC; without
    a validation set, the training loss and accuracy.
    """
    fig, (left, right) = figure(3.2, columns=2)
    measured = "validation_loss" in history
    name, weight = ("training (three losses / 1.6)", 1.6) if aux else ("training", 1)
    panels = {name: (left, history["loss"] / weight, 1)}
    if measured:
        panels = {"validation": (left, history["validation_loss"], 0)} | panels
        panels["ROC AUC"] = (right, history["roc_auc"], 2)
    scores = history["accuracy" if measured else "train_accuracy"]
    panels["accuracy"] = (right, scores, 1)
    for label, (ax, values, i) in panels.items():
        ax.plot(history["epoch"], values, label=label, **series(i))
    left.set_title("cross-entropy (nats)")
    left.legend()
    kind = "validation" if measured else "training"
    right.set_title(f"on the {kind} set")
    right.set_ylim(0.45, 1)
    right.legend(loc="lower right")
    grown = history[history["image_size"].diff() > 0]
    look = {"color": COLOURS["trunk"], "fontsize": 8}
    for epoch, size in zip(grown["epoch"], grown["image_size"], strict=True):
        for ax in (left, right):  # from here on the images are larger
            ax.axvline(epoch - 0.5, color=COLOURS["trunk"], ls=":", lw=1, zorder=0)
        right.text(epoch - 0.5, 0.99, f" {size} px", va="top", **look)
    for ax in (left, right):
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = history.iloc[-1]
    auc = f", ROC AUC {last.roc_auc:.3f}" if measured else ""
    return Drawing(
        fig,
        f"Loss and {kind} scores after {last.epoch:.0f} epochs: training loss "
        f"{last.loss:.2f}, {kind} accuracy {scores.iloc[-1]:.3f}{auc}.",
    )
