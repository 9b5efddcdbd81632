"""Explorers: controls above one picture, which is replaced in place.

The functions ``draw_…`` return the figure and its alt text: a slider and the static
figure beside it show the same function.
"""

import base64
from collections.abc import Callable, Sequence
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
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ..analysis import costs
from ..training import metrics
from . import style

Drawing = tuple[Figure, str]


def draw_bottleneck(
    in_channels: int, out_channels: int, kernel_size: int, width: int
) -> Drawing:
    """Weights of a k×k convolution, direct and behind a 1×1 to ``width`` channels.

    Left: both routes; right: how the second grows with its width. Biases are left out.
    Raises ValueError on an even kernel or a number below 1.
    """
    if kernel_size % 2 == 0:
        raise ValueError(
            f"a {kernel_size}×{kernel_size} kernel has no middle, so that no padding "
            "keeps the map's size: take an odd one"
        )
    shape = (in_channels, out_channels, kernel_size)
    direct = costs.convolution(*shape, bias=False).parameters
    reduce = costs.convolution(in_channels, width, 1, bias=False).parameters
    expand = costs.convolution(width, out_channels, kernel_size, bias=False).parameters
    even = costs.break_even_width(*shape)
    total = reduce + expand
    if total < direct:
        verdict = f"{direct / total:.1f} times fewer weights"
    elif total == direct:
        verdict = "exactly as many weights"
    else:
        verdict = f"costs more: {total / direct:.2f} times as many weights"
    k = f"{kernel_size}×{kernel_size}"
    channels = "channel" if width == 1 else "channels"

    fig, (bars, line) = style.figure(3.0, columns=2, width_ratios=[3, 2])
    main = style.COLOURS.get(f"{kernel_size}x{kernel_size}", style.COLOURS["trunk"])
    bars.barh(1, direct, color=main, height=0.55)
    bars.barh(0, reduce, color=style.COLOURS["light"], hatch="//", height=0.55)
    bars.barh(0, expand, left=reduce, color=main, height=0.55)
    bars.set_yticks([1, 0], ["direct", f"through\n{width} {channels}"])
    bars.text(0, 1.32, f"{k}: {direct:,}", fontsize=9)
    bars.text(0, 0.32, f"1×1: {reduce:,}  +  {k}: {expand:,}  =  {total:,}", fontsize=9)
    bars.set_ylim(-0.4, 1.7)
    bars.set_title(f"{in_channels} → {out_channels} channels: {verdict}", fontsize=10)

    end = max(2 * even, round(1.2 * width), 2)
    line.plot([0, end], [0, end * total / width], color=main)
    line.axhline(direct, color=style.COLOURS["trunk"], ls="--")
    line.plot(width, total, "o", color=main, ms=9, mec="black")
    line.text(0, direct, "direct", va="bottom", fontsize=9)
    line.set_title(f"cheaper up to a width of {even}", fontsize=10)
    line.set_ylabel("weights")
    line.set_xlabel("bottleneck width (channels)")
    for axis in (bars.xaxis, line.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axis.set_major_formatter("{x:,.0f}")
    bars.set_xlabel("weights")
    return fig, (
        f"{in_channels} to {out_channels} channels. A direct {k} convolution has "
        f"{direct:,} weights; a 1×1 to {width} channels and the {k} have {reduce:,} + "
        f"{expand:,} = {total:,}: {verdict}. "
        f"The bottleneck is cheaper up to a width of {even}."
    )


def bottleneck(
    in_channels: int = 512,
    out_channels: int = 64,
    kernel_size: int = 5,
    width: int = 24,
) -> VBox:
    """Explore ``draw_bottleneck`` with four sliders."""
    controls = {
        "in_channels": IntSlider(in_channels, 1, 1024, description="input"),
        "out_channels": IntSlider(out_channels, 1, 1024, description="output"),
        "kernel_size": IntSlider(kernel_size, 1, 11, description="kernel size"),
        "width": IntSlider(width, 1, 1024, description="bottleneck"),
    }
    units = {name: "channels" for name in controls} | {"kernel_size": "pixels a side"}
    return explorer(draw_bottleneck, controls, units)


def draw_prediction(
    image: Tensor, probabilities: Tensor, label: int, classes: Sequence[str], name: str
) -> Drawing:
    """One image (C×S×S uint8), its K predicted probabilities as bars, and the truth."""
    fig, (left, right) = style.figure(2.8, columns=2)
    pixels = image[0] if image.shape[0] == 1 else image.permute(1, 2, 0)
    style.picture(left, pixels.numpy(), vmin=0, vmax=255)
    values = probabilities.tolist()
    said = int(metrics.predict_classes(probabilities[None]))
    verdict = "right" if said == label else "wrong"
    marks = [" (truth)" if i == label else "" for i in range(len(classes))]
    colours = [style.COLOURS["light"]] * len(classes)
    colours[said] = style.COLOURS["1x1" if said == label else "3x3"]
    right.barh(range(len(classes)), values, color=colours, height=0.5)
    for i, value in enumerate(values):
        right.text(value + 0.02, i, f"{value:.2f}", va="center", fontsize=10)
    ticks = [c + mark for c, mark in zip(classes, marks, strict=True)]
    right.set_yticks(range(len(classes)), ticks)
    right.set_ylim(len(classes) - 0.5, -0.5)
    right.set_xlim(0, 1.15)
    right.set_xticks([0, 0.5, 1])
    right.set_xlabel("predicted probability")
    right.set_title(f"{name}: {verdict}", fontsize=10)
    return fig, (
        f"{name}, in truth {classes[label]}: predicted {classes[said]} with "
        f"probability {values[said]:.2f}, which is {verdict}."
    )


def browse_predictions(
    images: Tensor,
    probabilities: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    names: Sequence[str],
) -> VBox:
    """Walk through predictions, from the clearest mistake to the clearest success.

    ``images`` N×1×S×S or N×3×S×S (uint8), ``probabilities`` N×K, ``labels`` N. Raises
    ValueError without images, or if the lengths differ.
    """
    counts = {len(images), len(probabilities), len(labels), len(names)}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            f"got {len(images)} images, {len(probabilities)} predictions, "
            f"{len(labels)} labels and {len(names)} names: "
            "as many of each, at least one"
        )
    truth = probabilities.gather(1, labels[:, None]).squeeze(1)
    others = probabilities.scatter(1, labels[:, None], -1).amax(1)
    order = (truth - others).argsort(stable=True)
    wrong = metrics.predict_classes(probabilities) != labels
    shown = {"all": order.tolist(), "only wrong": order[wrong[order]].tolist()}

    choice = ToggleButtons(options=list(shown), description="show")
    position = IntSlider(1, 1, len(images), description="position")

    def fit_range(change) -> None:
        position.max = len(shown[change["new"]]) or position.max

    choice.observe(fit_range, "value")

    def draw(choice: str, position: int) -> Drawing:
        if not shown[choice]:
            raise ValueError("none of them is wrong")
        i = shown[choice][position - 1]
        return draw_prediction(
            images[i], probabilities[i], int(labels[i]), classes, names[i]
        )

    units = {"position": f"of the {len(images)}, or of the wrong ones"}
    return explorer(draw, {"choice": choice, "position": position}, units)


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
