"""Explorers: one function each, called in one line of a notebook.

The functions ``draw_…`` return the figure and its alt text: a slider and the static
figure beside it show the same function.
"""

from .bottleneck import bottleneck, draw_bottleneck
from .explorer import explorer
from .predictions import browse_predictions, draw_prediction

__all__ = [
    "bottleneck",
    "browse_predictions",
    "draw_bottleneck",
    "draw_prediction",
    "explorer",
]
