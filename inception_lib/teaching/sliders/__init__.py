"""Explorers: one function each, called in one line of a notebook.

The functions ``draw_…`` return the figure and its alt text: a slider and the static
figure beside it show the same function.
"""

from .bottleneck import bottleneck, draw_bottleneck
from .crops import browse_crops, draw_crops
from .explorer import explorer
from .heads import draw_heads, heads
from .looking import (
    browse_attributions,
    browse_features,
    browse_views,
    draw_attribution,
    draw_features,
    draw_views,
)
from .module import draw_module, module, paper_module
from .pooling import (
    browse_activation_maps,
    colour_scale,
    draw_activation_map,
    draw_pooling,
    pooling,
)
from .predictions import browse_predictions, draw_prediction
from .speed import draw_speed, measure_speed, speed

__all__ = [
    "bottleneck",
    "browse_activation_maps",
    "browse_attributions",
    "browse_crops",
    "browse_features",
    "browse_predictions",
    "browse_views",
    "colour_scale",
    "draw_activation_map",
    "draw_attribution",
    "draw_bottleneck",
    "draw_crops",
    "draw_features",
    "draw_heads",
    "draw_module",
    "draw_pooling",
    "draw_prediction",
    "draw_speed",
    "draw_views",
    "explorer",
    "heads",
    "measure_speed",
    "module",
    "paper_module",
    "pooling",
    "speed",
]
