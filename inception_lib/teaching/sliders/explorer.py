"""Controls above one picture, which is replaced in place."""

import base64
from collections.abc import Callable
from html import escape

import torch
from ipywidgets import (
    HTML,
    BoundedIntText,
    HBox,
    IntSlider,
    Label,
    Layout,
    ToggleButtons,
    VBox,
    link,
)
from matplotlib.figure import Figure

from .. import style

Drawing = tuple[Figure, str]


def explorer(
    draw: Callable[..., Drawing],
    controls: dict[str, IntSlider | ToggleButtons],
    units: dict[str, str],
) -> VBox:
    """Controls above the picture that ``draw`` makes of their values.

    Each slider is linked to a number box and followed by its unit. What ``draw``
    refuses with a ValueError is said beside the control that was moved; the last valid
    picture stays.
    """
    picture = HTML()
    notes = {name: HTML() for name in controls}

    def redraw() -> None:
        values = {name: control.value for name, control in controls.items()}
        # Callbacks run in another thread than the cells, with a grad mode of its own.
        with torch.no_grad():
            image = img(*draw(**values))
        picture.value = image

    def moved(name: str) -> None:
        reason = ""
        try:
            redraw()
        except ValueError as error:
            reason = f"<b role='alert'>⚠ {escape(str(error))}. The picture stays.</b>"
        for other, note in notes.items():
            note.value = reason if other == name else ""

    redraw()
    rows = []
    for name, control in controls.items():
        control.observe(lambda _, name=name: moved(name), "value")
        parts = [control, notes[name]]
        if isinstance(control, IntSlider):
            parts = [control, number_box(control), Label(units[name]), notes[name]]
        rows.append(HBox(parts, layout=Layout(flex_flow="row wrap")))
    return VBox([*rows, picture])


def number_box(slider: IntSlider) -> BoundedIntText:
    """A box to read and type the slider's value; the two follow each other."""
    slider.readout = False
    slider.style.description_width = "90px"
    slider.tooltip = slider.description
    box = BoundedIntText(slider.value, min=slider.min, max=slider.max)
    box.tooltip = f"{slider.description}, as a number"
    box.layout.width = "90px"
    link((slider, "max"), (box, "max"))
    link((slider, "value"), (box, "value"))
    return box


def img(fig: Figure, alt: str) -> str:
    """The figure as an HTML image: a new value replaces the old one without flicker.

    Its size is told and it is decoded at once, so that nothing below it jumps.
    """
    data = base64.b64encode(style.png(fig, alt).data).decode()
    width, height = (round(inches * style.DPI) for inches in fig.get_size_inches())
    return (
        f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}" '
        f'width="{width}" height="{height}" decoding="sync" '
        'style="max-width: 100%; height: auto">'
    )
