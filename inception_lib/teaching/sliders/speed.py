"""Memory layout and precision: what each does to the time of a training step."""

from itertools import product

import pandas as pd
import torch
from ipywidgets import ToggleButtons, VBox

from ...analysis.speed import interleaved, network_flops, peak_flops, training_step
from ...model import GoogLeNet
from .. import style
from .explorer import Drawing, explorer

LAYOUTS = {"channels first": False, "channels last": True}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def measure_speed(image_size: int = 96, rounds: int = 3) -> pd.DataFrame:
    """A training step in every layout and precision, measured here and now.

    A row per combination: layout, precision, ratio (how many times as fast as channels
    first in float32, median of ``rounds`` in turn, batch 32) and fraction_of_peak: of
    the operations per second that one large convolution in bfloat16 reaches here.
    """
    model = GoogLeNet(2, image_size=image_size, batch_norm=True)
    flops = network_flops(model, image_size, 32, train=True)
    steps = {
        (layout, precision): training_step(
            GoogLeNet(2, image_size=image_size, batch_norm=True),
            image_size,
            channels_last=LAYOUTS[layout],
            precision=precision,
        )
        for layout, precision in product(LAYOUTS, PRECISIONS)
    }
    seconds = interleaved(steps, rounds)
    peak = max(peak_flops(dtype) for dtype in PRECISIONS.values())
    first = seconds.iloc[:, 0]
    rows = []
    for layout, precision in steps:
        taken = seconds[(layout, precision)]
        ratio, fraction = (first / taken).median(), flops / taken.median() / peak
        rows.append((layout, precision, ratio, fraction))
    return pd.DataFrame(
        rows, columns=["layout", "precision", "ratio", "fraction_of_peak"]
    )


def draw_speed(measured: pd.DataFrame, layout: str, precision: str) -> Drawing:
    """The step of this layout and precision among the others that were measured."""
    chosen = (measured.layout == layout) & (measured.precision == precision)
    row = measured[chosen].iloc[0]
    fig, (left, right) = style.figure(2.4, 1, 2, sharey=True)
    names = [f"{r.layout}, {r.precision}" for r in measured.itertuples()]
    colours = [style.COLOURS["1x1" if on else "light"] for on in chosen]
    left.barh(names, measured.ratio, color=colours)
    left.set_title(f"{row.ratio:.2f} times as fast", fontsize=11)
    left.set_xlabel("steps in the time of one at the top")
    right.barh(names, 100 * measured.fraction_of_peak, color=colours)
    right.set_title(f"{row.fraction_of_peak:.0%} of the peak", fontsize=11)
    right.set_xlabel("% of a large convolution's speed")
    right.set_xlim(0, 100)
    left.invert_yaxis()
    for ax in (left, right):
        ax.get_children()[list(chosen).index(True)].set_hatch("//")
    return fig, (
        f"A training step with {layout} in {precision} is {row.ratio:.2f} times as "
        f"fast as with channels first in float32, and reaches "
        f"{row.fraction_of_peak:.0%} of the processor's peak."
    )


def speed(measured: pd.DataFrame) -> VBox:
    """Toggle layout and precision; what ``measure_speed`` found is shown."""

    def draw(layout: str, precision: str) -> Drawing:
        return draw_speed(measured, layout, precision)

    controls = {
        "layout": ToggleButtons(options=list(LAYOUTS), description="layout"),
        "precision": ToggleButtons(options=list(PRECISIONS), description="precision"),
    }
    return explorer(draw, controls, {})
