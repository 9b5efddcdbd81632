"""The 144 looks of section 7 at one picture, square by square."""

import numpy as np
from ipywidgets import ToggleButtons, VBox
from matplotlib.patches import Rectangle

from ...training.views import SHORTER_SIDES, Crop, paper_crops
from .. import style
from .explorer import Drawing, explorer

SIZE = 224
SCALES = [str(side) for side in SHORTER_SIDES]
SQUARES = ["first", "middle", "last"]


def coverage(height: int, width: int, crops: list[Crop]) -> np.ndarray:
    """The share of the crops that see each pixel of the picture: height × width."""
    seen = np.zeros((height, width))
    for crop in crops:
        y, x = height / crop.height, width / crop.width
        rows = slice(round(crop.top * y), round((crop.top + crop.side) * y))
        columns = slice(round(crop.left * x), round((crop.left + crop.side) * x))
        seen[rows, columns] += 1
    return seen / len(crops)


def draw_crops(
    picture: np.ndarray, scale: str = "320", square: str = "middle"
) -> Drawing:
    """Of a picture (H×W×3 uint8) at one ``scale``, the shorter side in pixels: one
    square, whole and in five crops; beside it how often each place is seen in all 144.
    """
    rows, columns = picture.shape[:2]
    crops = paper_crops(rows, columns, SIZE)
    here = [c for c in crops if min(c.height, c.width) == int(scale)]
    third = len(here) // len(SQUARES)
    own = here[third * SQUARES.index(square) :][:third]
    boxes = dict.fromkeys((c.top, c.left, c.side) for c in own)
    height, width = own[0].height, own[0].width

    fig, (left, right) = style.figure(3.0, columns=2)
    style.fixed_layout(fig, left=0.01, right=0.98, bottom=0.03, top=0.92, wspace=0.04)
    title = f"{width}×{height}, the {square} square: {len(own)} crops"
    style.picture(left, picture, title, extent=(0, width, height, 0))
    for top, x, side in boxes:
        whole = side == int(scale)
        left.add_patch(
            Rectangle(
                (x, top),
                side,
                side,
                fill=False,
                ec=style.COLOURS["3x3" if whole else "5x5"],
                ls="-" if whole else "--",
                lw=3 if whole else 2,
            )
        )
    seen = 100 * coverage(rows, columns, crops)
    middle, corner = seen[rows // 2, columns // 2], seen[0, 0]
    style.picture(right, seen, "how often each place is seen", vmin=0, vmax=100)
    fig.colorbar(right.images[0], ax=right, label="% of the 144 crops", shrink=0.8)
    return fig, (
        f"A picture scaled to {width}×{height}. Solid: the {square} square, {scale} "
        f"pixels wide; dashed: its four corners and its centre at {SIZE}×{SIZE}; each "
        f"is taken as it is and mirrored. Of all 144 crops {middle:.0f} % see the "
        f"middle of the picture and {corner:.0f} % its corner."
    )


def browse_crops(picture: np.ndarray) -> VBox:
    """Walk through the paper's crops of a picture (H×W×3 uint8): scale and square."""
    controls = {
        "scale": ToggleButtons(options=SCALES, value="320", description="scale"),
        "square": ToggleButtons(options=SQUARES, value="middle", description="square"),
    }

    def draw(scale: str, square: str) -> Drawing:
        return draw_crops(picture, scale, square)

    return explorer(draw, controls, {})
