"""The small map at the top of every notebook: the network, today's part lit.

The picture of 05 without its words, in ``notebooks/maps/NN.png``. Run it again if the
picture changes.
"""

from pathlib import Path

import numpy as np
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from inception_lib import GoogLeNet
from inception_lib.model import GOOGLENET_WIDTHS
from inception_lib.teaching.drawing import BRANCHES, COLOURS
from inception_lib.teaching.lessons import nb05

MAPS = Path(__file__).parents[1] / "notebooks/maps"
MODULES = [(name, branch) for name in GOOGLENET_WIDTHS for branch in BRANCHES]
STEM = [("image", "light"), ("conv1", "trunk"), ("conv2", "trunk")]
CLASSIFIER = [("average", "light"), ("linear", "trunk")]
HEADS = ("head 1", "head 2")
WHOLE = [*STEM, *MODULES, *CLASSIFIER, HEADS]
DIM = 0.15
LIT: dict[str, list] = {
    "00": WHOLE,
    # What a 1×1 convolution stands in front of.
    "01": [STEM[2], *(part for part in MODULES if part[1] in ("3x3", "5x5"))],
    "02": MODULES,
    "03": CLASSIFIER,
    "04": [HEADS],
    "05": WHOLE,
    "06": STEM[:1],
    "07": WHOLE,
    "08": [*STEM[1:], *MODULES],
    "09": [STEM[0], CLASSIFIER[-1]],
    "10": MODULES,
    "11": [STEM[0], *MODULES],
}


def draw_map(lit: list, path: Path) -> None:
    drawing = nb05.draw_network(GoogLeNet())
    fig, (ax,) = drawing.figure, drawing.figure.axes
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    for part, box in zip([*STEM, *MODULES, *CLASSIFIER], boxes, strict=True):
        box.set_alpha(1 if part in lit else DIM)
        if part in lit and part[1] == "light":  # palest grey, and one a sliver
            box.set(facecolor="#777", edgecolor="#777", linewidth=2)
    fig.legends[0].remove()
    ax.set(title="", ylim=(-8.2, 8.2))
    alpha = 1 if HEADS in lit else DIM
    for line in list(ax.lines):
        if same_color(line.get_color(), COLOURS["auxiliary"]):
            line.set_alpha(alpha)
        elif min(np.ravel(line.get_ydata())) < -8:  # a stage's bracket
            line.remove()
    for text in list(ax.texts):
        if frame := text.get_bbox_patch():  # a head's
            text.set_alpha(alpha)
            frame.set_alpha(alpha)
        else:
            text.remove()
    fig.set_size_inches(7.5, 1.45)
    fig.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.02)


if __name__ == "__main__":
    MAPS.mkdir(exist_ok=True)
    for number, lit in LIT.items():
        draw_map(lit, MAPS / f"{number}.png")
