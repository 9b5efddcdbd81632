"""What the site's sliders start from, out of the library: nothing is typed twice."""

import json

from inception_lib import GOOGLENET_WIDTHS
from inception_lib.teaching.drawing import COLOURS
from inception_lib.teaching.lessons.nb01 import LARGEST_MAP
from inception_lib.teaching.lessons.nb02 import LIMITS, paper_module


def script() -> str:
    """JavaScript that puts the paper's modules, limits and colours into INCEPTION."""
    data = {
        "modules": {name: paper_module(name) for name in GOOGLENET_WIDTHS},
        "limits": LIMITS,
        "largestMap": LARGEST_MAP,
        "colours": COLOURS,
    }
    return f"const INCEPTION = {json.dumps(data)};"
