"""Numbers that a notebook's text states and no cell beside it prints.

A case is a piece of the text with {} for its numbers, and the function that computes
them.
"""

from pathlib import Path

import nbformat
import pytest

from inception_lib.analysis import costs
from inception_lib.model import GOOGLENET_WIDTHS

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CASES = [
    # ------------------------------------------------------------------ 00 start here
    # ------------------------------------------------------------------ 01 bottleneck
    # ---------------------------------------------------------- 02 inception module
    # ---------------------------------------------------- 03 global average pooling
    # ----------------------------------------------------- 04 auxiliary classifiers
    # ------------------------------------------------------------------- 05 googlenet
    # ----------------------------------------------------------------- 06 solar cells
    # -------------------------------------------------------------------- 07 training
    # -------------------------------------------------------------- 08 looking inside
    # ------------------------------------------------------------- 09 your own images
]


@pytest.mark.parametrize(("name", "text", "compute"), CASES, ids=lambda x: str(x)[:60])
def test_the_text_states_what_is_computed(name, text, compute):
    notebook = nbformat.read(next(NOTEBOOKS.glob(f"{name}_*.ipynb")), as_version=4)
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    values = compute()
    stated = text.format(*values) if isinstance(values, tuple) else text.format(values)
    assert stated in " ".join(" ".join(prose).split())
