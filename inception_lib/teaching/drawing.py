"""The look of every figure: colours with one meaning, one size, alt text."""

import base64
import io
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from typing import Any, NamedTuple

from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from seaborn import heatmap
from torch import Tensor

from ..training.log import tell

# Fonts for other people's names of files and classes: those of these that are there.
FONTS = (
    "Noto Sans CJK SC, Noto Sans CJK JP, Noto Sans SC, Noto Sans JP, Noto Sans KR, "
    "Source Han Sans SC, WenQuanYi Zen Hei, WenQuanYi Micro Hei, Microsoft YaHei, "
    "SimHei, PingFang SC, Hiragino Sans, Yu Gothic, MS Gothic, IPAexGothic, "
    "IPAGothic, Malgun Gothic, Apple SD Gothic Neo, NanumGothic, Arial Unicode MS, "
    "Noto Emoji, Segoe UI Emoji, Symbola"
).split(", ")
FONTS = [name for name in FONTS if name in font_manager.get_font_names()]
rcParams["font.family"] = [*rcParams["font.family"], *FONTS]

# Okabe and Ito's colour-blind-safe palette. A reduction is the lighter tint of its
# branch.
COLOURS = {
    "1x1": "#0072B2",
    "3x3": "#D55E00",
    "3x3 reduce": "#F0B98D",
    "5x5": "#009E73",
    "5x5 reduce": "#8FD6C1",
    "pool": "#8E5BA6",
    "auxiliary": "#C0392B",
    "trunk": "#6B6B6B",
    "light": "#D9D9D9",
}
BRANCHES = {"1x1": "1×1", "3x3": "3×3", "5x5": "5×5", "pool": "pool"}  # as printed
# Never colour alone: a series has its own dash and marker as well.
DASHES = ["-", "--", "-.", ":"]
MARKERS = ["o", "s", "^", "D"]

WIDTH = 8.0  # inches; at DPI 100 this fits JupyterLab's column
DPI = 100
FAST = {"compress_level": 1}  # a twentieth more bytes, in a third of the time
rcParams.update(  # the readers' own figures look like ours
    {
        "font.size": 9,
        "axes.titlesize": 10,
        "figure.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "lines.markersize": 5,
        "errorbar.capsize": 3,
        "hatch.color": "white",
        "image.cmap": "gray",
    }
)

# Of the solar cells, for every figure that shows one.
CREDIT = (
    "Images: ELPV dataset, Buerhop-Lutz et al. 2018, Deitsch et al. 2019 and 2021, "
    "CC BY-NC-SA 4.0"
)


class Drawing(NamedTuple):
    """A figure and its description for someone who can't see it.

    As a cell's last value it shows itself, with the description as alt text.
    """

    figure: Figure
    alt: str

    def png(self) -> str:
        """The figure as a PNG in base64; a ValueError where nothing describes it."""
        if len(self.alt.strip()) < 15:
            raise ValueError(
                "describe the figure for someone who can't see it, "
                f"got alt={self.alt!r}"
            )
        for text in texts(self.figure):
            text.set_parse_math(False)  # a $ is a $
            text.set_text(drawable(text.get_text()))
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs=FAST)
        return base64.b64encode(buffer.getvalue()).decode()

    def html(self) -> str:
        """An HTML image: a new value replaces the old one without flicker.

        Its size is given and it is decoded at once, so that nothing below it jumps.
        """
        width, height = (round(n * DPI) for n in self.figure.get_size_inches())
        return (
            f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{self.png()}" '
            f'width="{width}" height="{height}" decoding="sync" '
            'style="max-width: 100%; height: auto">'
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": self.png()}, {"image/png": {"alt": self.alt}}

    def __repr__(self) -> str:
        return "<Drawing>"  # the same on every computer, whatever the figure shows


def texts(fig: Figure) -> Iterator[Text]:
    """All that is written in a figure, except for the numbers on its axes."""
    yield from fig.texts
    for ax in fig.axes:
        yield from (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts)
        if legend := ax.get_legend():
            yield from legend.get_texts()


def drawable(words: str) -> str:
    """The same, with the code, as \\u732b, of a letter that no font has: an empty box
    would be the same for all of them.
    """
    if words.isascii():
        return words
    known = letters()
    coded = "".join(
        c if ord(c) in known else c.encode("ascii", "backslashreplace").decode()
        for c in words
    )
    if coded != words:
        miss_fonts()
    return coded


@cache
def letters() -> set[int]:
    """The characters of all the fonts that figures use."""
    fonts = (
        font_manager.findfont(FontProperties(family=[name]))
        for name in rcParams["font.family"]
    )
    return set().union(*(font_manager.get_font(f).get_charmap() for f in fonts))


@cache  # once is enough
def miss_fonts() -> None:
    tell(
        "no font here has some letters of these names, so figures show their codes: "
        "install Noto Sans CJK or Noto Emoji, for example"
    )


def figure(
    height: float = 3.4, rows: int = 1, columns: int = 1, **subplots
) -> tuple[Figure, Any]:
    """A figure of the series' width and its axes (an array of them for rows or columns
    > 1).

    It is a bare ``matplotlib.figure.Figure``: pyplot's figures come out blank when they
    are drawn inside a slider's callback in JupyterLab (jupyterlab issue 19719).
    """
    fig = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    return fig, fig.subplots(rows, columns, **subplots)


def fixed_layout(fig: Figure, **margins: float) -> None:
    """Margins by hand: computing them takes as long as all the rest of a redraw."""
    fig.set_layout_engine(None)
    fig.subplots_adjust(**margins)


def credit(fig: Figure) -> None:
    """Below the figure, the line that the licence of the solar cells asks for."""
    look: dict[str, Any] = {"fontsize": 7, "color": COLOURS["trunk"]}
    if fig.get_layout_engine() is None:
        fig.text(0.01, 0.01, CREDIT, **look)
    else:
        fig.supxlabel(CREDIT, **look)


def series(i: int) -> dict[str, Any]:
    """The look of the i-th of up to four lines: colour, dash and marker."""
    colour = COLOURS[list(BRANCHES)[i]]
    return {"color": colour, "ls": DASHES[i], "marker": MARKERS[i]}


def log_axis(ax: Axes, ticks: list[int]) -> None:
    """A logarithmic horizontal axis with these ticks, as plain numbers."""
    ax.set_xscale("log")
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()


def show_image(ax: Axes, image, title: str = "", **imshow) -> None:
    """Show an image without ticks, grey ones in grey: an array H×W or H×W×3, a tensor
    H×W or C×H×W. Those of 8 bits share a scale, 0 to 255.
    """
    if isinstance(image, Tensor):
        image = (image.permute(1, 2, 0) if image.ndim == 3 else image).numpy()
    scale = {"vmin": 0, "vmax": 255} if image.dtype == "uint8" else {}
    ax.imshow(image, **scale | imshow)
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def full_contrast(image: Tensor) -> dict[str, Any]:
    """For ``show_image``: the image's darkest grey is black, its lightest white."""
    return {"vmin": int(image.min()), "vmax": int(image.max())}


def frame(ax: Axes, branch: str, **look) -> None:
    """A frame in the colour of a branch."""
    ax.spines[:].set(visible=True, color=COLOURS[branch], lw=2, **look)


def bars(
    ax: Axes, values: dict[str, float], colours: list[str], digits: int, label: str
) -> None:
    """Numbers as bars, each with its name above it, however long that is."""
    fills = [COLOURS[colour] for colour in colours]
    ax.barh(range(len(values)), list(values.values()), 0.4, color=fills)
    for place, (name, value) in enumerate(values.items()):
        ax.text(0, place - 0.28, f" {name}")
        ax.text(max(value, 0), place, f" {value:.{digits}f}", va="center")
    low, high = min(0, *values.values()), max(1, *values.values())
    ax.set_xlim(1.05 * low, max(1.25 * high, -low))  # the names begin at 0
    ax.set(ylim=(len(values) - 0.6, -0.7), yticks=[], xlabel=label)
    ax.axvline(0, color="black", lw=0.8)
    ax.spines["left"].set_visible(False)


def gallery(images: Tensor, titles: Sequence[str], alt: str) -> Drawing:
    """N×1×H×W images (uint8) of solar cells in rows of four, on one grey scale."""
    rows = -(-len(images) // 4) or 1
    lines = max(title.count("\n") for title in [*titles, ""])
    height = rows * (WIDTH / 4 + 0.15 * (1 + lines)) + 0.2
    fig, axes = figure(height, rows, 4, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        show_image(ax, image, title)
    credit(fig)
    return Drawing(fig, alt)


def show_counts(ax: Axes, matrix: Tensor, classes, columns: str, rows: str) -> None:
    """A K×K confusion matrix as a table of counts, darker where there are more.

    ``columns`` and ``rows`` say what each of them means.
    """
    look = {"cmap": "Blues", "cbar": False, "annot_kws": {"size": 14}}
    look |= {"xticklabels": False, "yticklabels": False}
    heatmap(matrix.numpy(), ax=ax, annot=True, fmt="d", **look)
    ax.set(xlabel=columns, ylabel=rows)
    places = [i + 0.5 for i in range(len(classes))]
    shown = [drawable(name) for name in classes]
    ax.set_xticks(places, shown, parse_math=False)
    ax.set_yticks(places, shown, parse_math=False, rotation="vertical", va="center")
