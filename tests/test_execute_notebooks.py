"""Executing a notebook in place: what is kept, and what happens when it fails."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

PATH = Path(__file__).resolve().parents[1] / "tools" / "execute_notebooks.py"
TOOL = SimpleNamespace(**runpy.run_path(str(PATH)))


@pytest.fixture
def notebook(tmp_path):
    """Writes a notebook with these cells and gives its path."""

    def write(*sources: str) -> Path:
        cells = [new_code_cell(s, id=f"cell-{n}") for n, s in enumerate(sources)]
        cells[0].metadata = {"tags": ["kept"], "dropped": 1}
        path = tmp_path / "example.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata={"dropped": 1}), path)
        return path

    return write


def test_two_runs_write_the_same_file(notebook):
    slider = "import ipywidgets\nipywidgets.IntSlider(description='width')"
    path = notebook("print('a')\nprint('b')", slider)
    TOOL.main([str(path)])
    first = path.read_text()
    TOOL.main([str(path)])
    assert path.read_text() == first

    written = nbformat.read(path, as_version=4)
    assert set(written.metadata) == {"kernelspec", "language_info"}
    printing, widget = written.cells
    assert printing.metadata == {"tags": ["kept"]} and printing.id == "cell-0"
    assert [output.text for output in printing.outputs] == ["a\nb\n"]
    assert widget.execution_count == 2
    assert set(widget.outputs[0].data) == {"text/plain"}


def test_a_notebook_that_fails_is_left_as_it_was(notebook):
    path = notebook("1 / 0")
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        TOOL.main([str(path)])
    assert path.read_bytes() == before


def test_a_name_without_a_notebook():
    with pytest.raises(SystemExit, match="no notebook '42_unknown'"):
        TOOL.main(["42_unknown"])
