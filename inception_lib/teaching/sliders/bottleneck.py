"""A convolution, direct and behind a 1×1."""

from ipywidgets import IntSlider, VBox
from matplotlib.ticker import MaxNLocator

from ...analysis import costs
from .. import style
from .explorer import Drawing, explorer


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
