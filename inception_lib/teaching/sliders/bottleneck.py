"""A convolution, direct and behind a 1×1."""

from ipywidgets import IntSlider, VBox
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...analysis import costs
from .. import style
from .explorer import Drawing, explorer

LARGEST_MAP = 112  # of GoogLeNet at 224 pixels


def draw_bottleneck(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    width: int,
    map_size: int = 14,
) -> Drawing:
    """A k×k convolution on a map, direct and behind a 1×1 to ``width`` channels.

    Top: both routes, blocks as wide as their channels. Below: what they cost, and how
    the second grows with its width. Biases are left out, stride is 1.
    Raises ValueError on an even kernel or a number below 1.
    """
    if kernel_size % 2 == 0:
        raise ValueError(
            f"a {kernel_size}×{kernel_size} kernel has no middle, so that no padding "
            "keeps the map's size: take an odd one"
        )
    shape = (in_channels, out_channels, kernel_size)
    direct = costs.convolution(*shape, map_size, bias=False)
    first = costs.convolution(in_channels, width, 1, map_size, bias=False)
    second = costs.convolution(width, out_channels, kernel_size, map_size, bias=False)
    total, even = first + second, costs.break_even_width(*shape)
    k = f"{kernel_size}×{kernel_size}"
    verdict = _verdict(direct.parameters, total.parameters)
    colour = style.COLOURS.get(f"{kernel_size}x{kernel_size}", style.COLOURS["trunk"])

    fig, (bars, line, routes) = style.figure(4.6, columns=3)
    fig.set_layout_engine(None)  # fixed places: to find them takes too long here
    routes.set_position([0.02, 0.69, 0.96, 0.22])
    bars.set_position([0.11, 0.11, 0.50, 0.47])
    line.set_position([0.73, 0.11, 0.25, 0.47])
    fig.suptitle(
        f"{in_channels} → {out_channels} channels through {width}: {verdict}",
        fontsize=11,
    )
    _routes(routes, in_channels, out_channels, k, width, map_size, colour)

    w1, w2 = first.parameters, second.parameters
    bars.barh(1, direct.parameters, color=colour, height=0.4)
    bars.barh(0, w1, color=style.COLOURS["1x1"], hatch="//", ec="white", height=0.4)
    bars.barh(0, w2, left=w1, color=colour, height=0.4)
    bars.set_yticks([1, 0], ["direct", f"through\n{width}"])
    bars.text(0, 1.25, f"{k}: {direct.parameters:,}", fontsize=9)
    bars.text(0, 0.25, f"1×1: {w1:,}  +  {k}: {w2:,}  =  {w1 + w2:,}", fontsize=9)
    for place, cost in ((1, direct), (0, total)):
        told = f"× {map_size}·{map_size} places = {cost.multiply_adds:,} multiply-adds"
        bars.text(0, place - 0.25, told, fontsize=9, va="top")
    bars.set_ylim(-0.55, 1.5)
    bars.set_xlabel("weights", fontsize=9)

    end = max(2 * even, round(1.2 * width), 2)
    line.plot([0, end], [0, end * total.parameters / width], color=colour)
    line.axhline(direct.parameters, color=style.COLOURS["trunk"], ls="--")
    line.text(0, direct.parameters, "direct", va="bottom", fontsize=9)
    cross = width * direct.parameters / total.parameters  # both are straight lines
    line.axvspan(cross, end, color=style.COLOURS["light"], alpha=0.5, lw=0)
    line.text(cross, 0, " costs more", fontsize=9, va="bottom")
    marker = "X" if total.parameters > direct.parameters else "o"
    line.plot(width, total.parameters, marker, color=colour, ms=10, mec="black")
    line.set_title(f"cheaper up to a width of {even}", fontsize=10)
    line.set_xlabel("bottleneck width (channels)", fontsize=9)
    for axis in (bars.xaxis, line.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        axis.set_major_formatter(_short)
    return fig, (
        f"{in_channels} to {out_channels} channels on {map_size}×{map_size} maps. A "
        f"direct {k} convolution has {direct.parameters:,} weights; a 1×1 to {width} "
        f"channels and the {k} have {w1:,} + {w2:,} = {w1 + w2:,}: {verdict}. "
        f"Multiply-adds: {direct.multiply_adds:,} and {total.multiply_adds:,}. "
        f"The bottleneck is cheaper up to a width of {even}."
    )


def _verdict(direct: int, total: int) -> str:
    if total == direct:
        return "exactly as many weights"
    if total < direct:
        return f"{direct / total:.1f} times fewer weights"
    return f"costs more: {total / direct:.2f} times as many weights"


def _short(number: float, _position=None) -> str:
    """A tick label: 1.5M for 1,500,000."""
    for unit, name in ((1e6, "M"), (1e3, "K")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return f"{number:g}"


def _routes(
    ax: Axes, c_in: int, c_out: int, k: str, width: int, map_size: int, colour: str
) -> None:
    """Blocks as wide as their channels, as high as the root of their map's side."""
    ax.axis("off")
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.9, 0.55)
    gap, between = 0.12, 0.06
    channels = [c_in, c_out, c_in, width, c_out]
    kernels = [k, "", "1×1", k, ""]
    scale = (1 - 3 * gap - between) / sum(channels)
    height = (map_size / LARGEST_MAP) ** 0.5
    trunk, blue = style.COLOURS["trunk"], style.COLOURS["1x1"]
    left, x = [], 0.0
    for n, kernel in zip(channels, kernels, strict=True):
        left.append(x)
        place = x + n * scale / 2, -height / 2 - 0.06
        ax.text(*place, str(n), ha="center", va="top", fontsize=9)
        x += n * scale + (gap if kernel else between)
        ax.text(x - gap / 2, 0.06, kernel, ha="center", fontsize=9)
    starts = [left[i] - gap + 0.01 for i in (1, 3, 4)]
    ends = [left[i] - 0.01 for i in (1, 3, 4)]
    ax.hlines([0] * 3, starts, ends, [colour, blue, colour], lw=2)
    widths = [n * scale for n in channels]
    blocks = [trunk, colour, trunk, blue, colour]
    ax.bar(left, height, widths, -height / 2, align="edge", color=blocks)


def bottleneck(
    in_channels: int = 512,
    out_channels: int = 64,
    kernel_size: int = 5,
    width: int = 24,
    map_size: int = 14,
) -> VBox:
    """Explore ``draw_bottleneck`` with five sliders."""
    controls = {
        "in_channels": IntSlider(in_channels, 1, 1024, description="input"),
        "out_channels": IntSlider(out_channels, 1, 1024, description="output"),
        "kernel_size": IntSlider(kernel_size, 1, 11, description="kernel size"),
        "width": IntSlider(width, 1, 1024, description="bottleneck"),
        "map_size": IntSlider(map_size, 1, LARGEST_MAP, description="map size"),
    }
    pixels = "pixels a side"
    units = {name: "channels" for name in controls}
    units |= {"kernel_size": pixels, "map_size": pixels}
    return explorer(draw_bottleneck, controls, units)
