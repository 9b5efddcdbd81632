"""Controls above one picture, which is replaced in place."""

from collections.abc import Callable, Iterable, Mapping, Sized
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


class Slider(IntSlider):
    """A slider whose number is read and typed in ``box``; its unit stands beside it."""

    def __init__(
        self, name: str, value: int, low: int, high: int, unit: str, step: int = 1
    ):
        super().__init__(value, low, high, step, description=name, tooltip=name)
        self.readout = False
        self.style.description_width = "90px"
        self.unit = Label(unit)
        self.box = BoundedIntText(value, min=low, max=high)
        self.box.tooltip = f"{name}, as a number"
        self.box.layout.width = "90px"
        link((self, "max"), (self.box, "max"))
        link((self, "value"), (self.box, "value"))


class Choice(ToggleButtons):
    """Buttons as wide as their words, one of them pressed: the first, or ``value``."""

    def __init__(self, name: str, options: Iterable, **value):
        super().__init__(options=list(options), description=name, **value)
        self.style.button_width = "auto"


def explorer(
    draw: Callable[..., Drawing],
    presets: Mapping[str, Mapping[str, object]] | None = None,
    **controls: Slider | Choice,
) -> VBox:
    """Controls above the picture that ``draw`` makes of their values.

    What ``draw`` refuses with a ValueError is said beside the control that was moved;
    the last valid picture stays.

    ``presets`` gives a name to values of all controls: a row of buttons that sets them
    together, with one redraw. A button is pressed in as long as its values are set.
    """
    picture = HTML()
    presets = presets or {}
    choice = Choice("preset", presets, value=None)
    rows = {"preset": choice} if presets else {}
    rows |= controls
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
            picture.value = draw(**values()).html()

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
    boxes = []
    for name, control in rows.items():
        control.observe(lambda _, name=name: moved(name), "value")
        beside = [control.box, control.unit] if isinstance(control, Slider) else []
        row = [control, *beside, notes[name]]
        boxes.append(HBox(row, layout=Layout(flex_flow="row wrap")))
    return VBox([*boxes, picture])


def check_lengths(*parts: Sized) -> None:
    """Raise a ValueError unless there is one of each for every image, at least one."""
    lengths = [len(part) for part in parts]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(
            f"got {', '.join(map(str, lengths))} images, titles and the like: "
            "the same number of each, at least one"
        )
