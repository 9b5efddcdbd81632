"""What the weights of the heads do to the gradients in the trunk."""

from math import log10

from ipywidgets import IntSlider, ToggleButtons, VBox

from ...analysis.gradients import LossGradients
from .. import style
from .explorer import Drawing, explorer

# (initialisation, convolutions, moment) -> what was measured there
Measured = dict[tuple[str, str, str], LossGradients]
LOWEST, HIGHEST = -8, 2  # powers of ten on the vertical axis, the same for all pictures
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")  # quicker to draw than TeX
TAPS = {"head 1": "4a", "head 2": "4d"}


def draw_heads(
    measured: Measured,
    initialisation: str,
    convolutions: str,
    moment: str,
    head1: int,
    head2: int,
) -> Drawing:
    """Gradient norm over weight norm in each stage, without the heads and with them.

    ``head1`` and ``head2`` are the weights of their losses in percent of the output's.
    It is added up from the stored inner products: nothing is trained or run backward.
    Raises ValueError where nothing was measured.
    """
    key = (initialisation, convolutions, moment)
    if key not in measured:
        raise ValueError(f"nothing was measured for {', '.join(key)}")
    stored = measured[key]
    alone = stored.relative(0, 0).tolist()
    both = stored.relative(head1 / 100, head2 / 100).tolist()

    fig, ax = style.figure(3.4)
    fig.set_layout_engine(None)  # a fixed place: quicker, and nothing jumps
    fig.subplots_adjust(0.1, 0.17, 0.98, 0.9)
    for values, dash, mark, colour, label in (
        (alone, "--", "s", "trunk", "output's loss alone"),
        (both, "-", "o", "auxiliary", f"with {head1 / 100:.2f} and {head2 / 100:.2f}"),
    ):
        heights = [max(LOWEST, log10(max(value, 1e-30))) for value in values]
        look = {"ls": dash, "marker": mark, "color": style.COLOURS[colour], "ms": 5}
        ax.plot(range(len(heights)), heights, label=label, **look)
    for name, stage in TAPS.items():
        place = stored.stages.index(stage)
        ax.axvline(place, color=style.COLOURS["auxiliary"], lw=0.8, ls=":")
        ax.text(place, LOWEST + 0.2, f" {name}", fontsize=9)
    ax.set_xticks(range(len(alone)), stored.stages, fontsize=9)
    powers = range(LOWEST, HIGHEST + 1, 2)
    ax.set_yticks(powers, [f"10{str(n).translate(RAISED)}" for n in powers])
    ax.set_ylim(LOWEST, HIGHEST)
    ax.set_xlabel("stage of the trunk (image on the left, output on the right)")
    ax.set_ylabel("gradient norm / weight norm", fontsize=9)
    ax.legend(fontsize=9, frameon=False, loc="upper left")
    change = f"{alone[0]:.0e} → {both[0]:.0e}"
    ax.set_title(f"{', '.join(key)}; first layer: {change}", fontsize=10)
    return fig, (
        f"Gradient norm over weight norm along the trunk, {', '.join(key)}. "
        f"Output's loss alone: {alone[0]:.0e} in the first layer, {alone[-1]:.0e} in "
        f"the last. With weights {head1 / 100:.2f} (head 1) and {head2 / 100:.2f} "
        f"(head 2): {both[0]:.0e} in the first, {both[-1]:.0e} in the last. "
        "What lies behind a head doesn't change."
    )


def heads(measured: Measured) -> VBox:
    """Explore ``draw_heads``: three switches, and the weight of each head."""
    names = ("initialisation", "convolutions", "moment")
    controls = {
        name: ToggleButtons(
            options=list(dict.fromkeys(key[i] for key in measured)), description=name
        )
        for i, name in enumerate(names)
    }
    controls["head1"] = IntSlider(30, 0, 100, description="head 1")
    controls["head2"] = IntSlider(30, 0, 100, description="head 2")
    unit = "% of the weight of the output's loss"
    return explorer(
        lambda **values: draw_heads(measured, **values),
        controls,
        {"head1": unit, "head2": unit},
    )
