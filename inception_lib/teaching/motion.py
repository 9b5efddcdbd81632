"""A figure that moves, for those who want it; for all others its last picture."""

import base64
import io
from collections.abc import Iterable
from typing import NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from .drawing import DPI, FAST, Drawing

HELD = 2500  # milliseconds for the last picture, before it begins again
LARGEST = 150_000  # bytes of a film without loss; of a photograph's maps it is more


class Motion(NamedTuple):
    """A drawing and the film (WebP) that ends with it.

    As a cell's last value it shows the film; the drawing instead where the reader's
    system asks for less motion, and in JupyterLab until the reader runs the cell.
    """

    still: Drawing
    film: bytes

    def html(self) -> str:
        film = base64.b64encode(self.film).decode()
        return (
            '<picture><source media="(prefers-reduced-motion: no-preference)" '
            f'srcset="data:image/webp;base64,{film}">{self.still.html()}</picture>'
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = self.still._repr_mimebundle_()
        return {"text/html": self.html(), **data}, metadata

    def __repr__(self) -> str:
        return "<Motion>"


def film(fig: Figure, steps: Iterable[object], alt: str, milliseconds: int) -> Motion:
    """A picture of ``fig`` after each of the ``steps``, which change it, each shown for
    ``milliseconds``; ``alt`` describes the last, and what led to it.
    """
    frames = []
    for _ in steps:
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=DPI, pil_kwargs=FAST)
        frames.append(Image.open(buffer).convert("RGB"))
    times = [milliseconds] * (len(frames) - 1) + [HELD]
    how = {"save_all": True, "append_images": frames[1:], "duration": times, "loop": 0}
    for kind in ({"lossless": True}, {"quality": 60}):  # drawings; photographs
        buffer = io.BytesIO()
        frames[0].save(buffer, "WEBP", method=4, **kind, **how)
        if buffer.tell() <= LARGEST:
            break
    return Motion(Drawing(fig, alt), buffer.getvalue())
