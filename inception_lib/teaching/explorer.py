"""Controls above one picture, which is replaced in place."""

from collections.abc import Callable, Mapping, Sized
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

from .drawing import Drawing


def explorer(
    draw: Callable[..., Drawing],
    controls: dict[str, IntSlider | ToggleButtons],
    units: dict[str, str],
    presets: Mapping[str, Mapping[str, object]] | None = None,
) -> VBox:
    """Controls above the picture that ``draw`` makes of their values.

    Each slider is linked to a number box and followed by its unit. What ``draw``
    refuses with a ValueError is said beside the control that was moved; the last valid
    picture stays.

    ``presets`` gives a name to values of all controls: a row of buttons that sets them
    together, with one redraw. A button is pressed in as long as its values are set.
    """
    picture = HTML()
    presets = presets or {}
    choice = ToggleButtons(options=list(presets), value=None, description="preset")
    choice.style.button_width = "auto"
    rows = {"preset": [choice]} if presets else {}
    for name, control in controls.items():
        rows[name] = [control]
        if isinstance(control, IntSlider):
            rows[name] += [number_box(control), Label(units[name])]
    notes = {name: HTML() for name in rows}
    setting = False  # true while controls are moved by the code, not by the reader

    def values() -> dict[str, object]:
        return {name: control.value for name, control in controls.items()}

    def press_preset() -> None:
        names = (name for name, preset in presets.items() if preset == values())
        choice.value = next(names, None)

    def redraw() -> None:
        # Callbacks run in another thread than the cells, with a grad mode of its own.
        with torch.no_grad():
            image = draw(**values()).html()
        picture.value = image

    def moved(name: str) -> None:
        nonlocal setting
        if setting:
            return
        setting = True
        if name == "preset":
            for other, value in presets[choice.value].items():
                controls[other].value = value
        else:
            press_preset()
        setting = False
        reason = ""
        try:
            redraw()
        except ValueError as error:
            reason = f"<b role='alert'>⚠ {escape(str(error))}. The picture stays.</b>"
        for other, note in notes.items():
            note.value = reason if other == name else ""

    press_preset()
    redraw()
    for name, control in controls.items():
        control.observe(lambda _, name=name: moved(name), "value")
    choice.observe(lambda _: moved("preset"), "value")
    layout = Layout(flex_flow="row wrap")
    boxes = [HBox([*row, notes[name]], layout=layout) for name, row in rows.items()]
    return VBox([*boxes, picture])


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


def check_lengths(*parts: Sized) -> None:
    """Raise a ValueError unless there is one of each for every image, at least one."""
    lengths = [len(part) for part in parts]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(
            f"got {', '.join(map(str, lengths))} images, titles and the like: "
            "the same number of each, at least one"
        )
