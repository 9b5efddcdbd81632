"""What the site's explorers show: their sliders, and the layers behind every number.

docs/_static/explorers/costs.js knows one formula, that of a convolution, and draws what
stands here; tests/browser/test_site.py compares its numbers with analysis.costs.
"""

import json

from inception_lib import GOOGLENET_WIDTHS
from inception_lib.teaching.drawing import COLOURS
from inception_lib.teaching.lessons.nb01 import LARGEST_MAP
from inception_lib.teaching.lessons.nb02 import LIMITS, paper_module

WORDS = {
    "in_channels": "input channels",
    "ch1x1": "1×1 channels",
    "ch3x3red": "3×3 reduce channels",
    "ch3x3": "3×3 channels",
    "ch5x5red": "5×5 reduce channels",
    "ch5x5": "5×5 channels",
    "pool_proj": "pool proj channels",
}
OUTPUTS = ["ch1x1", "ch3x3", "ch5x5", "pool_proj"]
# By kind: input channels, output channels, kernel size. A string is a slider's name, a
# list is a sum.
BRANCHES: dict[str, dict[str, list]] = {
    "1x1": {"1x1": ["in_channels", "ch1x1", 1]},
    "3x3": {
        "3x3 reduce": ["in_channels", "ch3x3red", 1],
        "3x3": ["ch3x3red", "ch3x3", 3],
    },
    "5x5": {
        "5x5 reduce": ["in_channels", "ch5x5red", 1],
        "5x5": ["ch5x5red", "ch5x5", 5],
    },
    "pool": {"pool": ["in_channels", "pool_proj", 1]},
}
MODULE = {kind: layer for branch in BRANCHES.values() for kind, layer in branch.items()}
NAIVE = {
    "1x1": ["in_channels", "ch1x1", 1],
    "3x3": ["in_channels", "ch3x3", 3],
    "5x5": ["in_channels", "ch5x5", 5],
}
FIRST = {"1x1": ["in_channels", "width", 1]}
SECOND = {"kernel": ["width", "out_channels", "kernel_size"]}


def row(text: str, outputs: str | list[str], layers: dict, bar: bool = True) -> dict:
    """A line of the table, with or without a bar; {field} in ``text`` is a value."""
    return {"text": text, "outputs": outputs, "layers": layers, "bar": bar}


# A slider: what it says, least, most, step, start.
EXPLORERS: dict[str, dict] = {
    "bottleneck": {
        "title": "Sliders of a bottleneck",
        "sliders": {
            "in_channels": ["input channels", 1, 1024, 1, 512],
            "out_channels": ["output channels", 1, 1024, 1, 64],
            "kernel_size": ["kernel size", 1, 11, 2, 5],
            "width": ["bottleneck width", 1, 1024, 1, 24],
            "map_size": ["map size", 1, LARGEST_MAP, 1, 14],
        },
        "measure": "parameters",
        "rows": {
            "direct": row(
                "direct, {kernel_size}×{kernel_size}",
                "out_channels",
                {"kernel": ["in_channels", "out_channels", "kernel_size"]},
            ),
            "first": row("1×1 to {width}", "width", FIRST, bar=False),
            "second": row(
                "then {kernel_size}×{kernel_size}",
                "out_channels",
                SECOND,
                bar=False,
            ),
            "through": row("both, through {width}", "out_channels", FIRST | SECOND),
        },
    },
    "module": {
        "title": "Sliders of an Inception module",
        "presetsTitle": "A module of the paper",
        "start": "3a",
        "presets": {name: paper_module(name) for name in GOOGLENET_WIDTHS},
        "sliders": {
            **{name: [text, 8, LIMITS[name], 8, 8] for name, text in WORDS.items()},
            "map_size": ["map size", 7, 28, 7, 28],
        },
        "measure": "multiplyAdds",
        "bias": True,
        "rows": {
            **{
                name: row(
                    name.replace("x", "×"), list(layers.values())[-1][1], layers, False
                )
                for name, layers in BRANCHES.items()
            },
            "all": row("this module", OUTPUTS, MODULE),
            "naive": row("naive, without 1×1s", ["in_channels", *OUTPUTS[:3]], NAIVE),
            "plain": row("plain 3×3", OUTPUTS, {"trunk": ["in_channels", OUTPUTS, 3]}),
        },
        "lanes": list(BRANCHES),
    },
    "pooling": {
        "title": "Sliders of the last pooling",
        "sliders": {
            "map": ["map size", 1, 32, 1, 7],
            "channels": ["channels", 1, 2048, 1, 1024],
            "classes": ["classes", 1, 2000, 1, 1000],
        },
        "measure": "parameters",
        # All of a map connected to each class: a kernel as large as the map.
        "rows": {
            "flat": row(
                "flatten {map}×{map}, connect",
                "classes",
                {"trunk": ["channels", "classes", "map"]},
            ),
            "averaged": row(
                "average, connect", "classes", {"1x1": ["channels", "classes", 1]}
            ),
        },
    },
}


def script() -> str:
    """JavaScript that puts the explorers and the colours into INCEPTION."""
    data = {"explorers": EXPLORERS, "colours": COLOURS}
    return f"const INCEPTION = {json.dumps(data)};"
