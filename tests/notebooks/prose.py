"""Does a notebook's text state a number that is computed here?"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# Of each notebook pieces of its text, with {} for the numbers, and the functions that
# compute them.
Cases = dict[str, dict[str, Callable[[], object]]]


@cache
def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(next(NOTEBOOKS.glob(f"{name}_*.ipynb")), as_version=4)


@cache
def text(name: str) -> str:
    prose = [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]
    return " ".join(" ".join(prose).split())


def shown(name: str, cell: str) -> str:
    """All that a cell put out: texts, tables, descriptions of pictures."""
    (outputs,) = [c.outputs for c in read(name).cells if c.id == cell]
    return str(outputs)


def sets() -> list[int]:
    """How many cells there are to learn from, to choose with, to test."""
    return [int(n) for n in re.findall(r"(\d+) to ", shown("07", "07-data"))]


def parametrize(cases: Cases):
    rows = [(name, *case) for name, pieces in cases.items() for case in pieces.items()]
    ids = [f"{name}-{piece[:40]}" for name, piece, _ in rows]
    return pytest.mark.parametrize(("name", "piece", "compute"), rows, ids=ids)


def filled(piece: str, compute: Callable[[], object]) -> str:
    values = compute()
    return piece.format(*(values if isinstance(values, tuple) else (values,)))


def check(name: str, piece: str, compute: Callable[[], object]) -> None:
    assert filled(piece, compute) in text(name)
