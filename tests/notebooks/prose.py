"""Does a notebook's text state a number that is computed here?"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# The notebook's number, a piece of its text with {} for the numbers, and the function
# that computes them.
Case = tuple[str, str, Callable[[], object]]


@cache
def text(name: str) -> str:
    notebook = nbformat.read(next(NOTEBOOKS.glob(f"{name}_*.ipynb")), as_version=4)
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return " ".join(" ".join(prose).split())


def parametrize(cases: list[Case]):
    ids = [f"{name}-{piece[:40]}" for name, piece, _ in cases]
    return pytest.mark.parametrize(("name", "piece", "compute"), cases, ids=ids)


def check(name: str, piece: str, compute: Callable[[], object]) -> None:
    values = compute()
    values = values if isinstance(values, tuple) else (values,)
    assert piece.format(*values) in text(name)
