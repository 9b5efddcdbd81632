"""Which outputs of a notebook must be the same after every run, and what they are."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
IGNORED = "nbval-ignore-output"
WIDGET = "application/vnd.jupyter.widget-view+json"


def read(name: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def compared(cells: list[NotebookNode]) -> dict[str, list]:
    """The outputs that must not change, by the cell's name."""
    tagged = [cell for cell in cells if IGNORED in cell.metadata.get("tags", [])]
    return {cell.id: shown(cell) for cell in cells if cell not in tagged}


def shown(cell: NotebookNode) -> list:
    """What nbval compares: texts, tables and errors, but no pictures."""
    outputs: list[tuple] = []
    for output in cell.outputs:
        if output.output_type == "error":
            outputs.append(("error", output.ename, output.evalue))
        elif output.output_type == "stream":
            outputs.append((output.name, output.text))
        else:
            kinds = {k for k in output.data if k != WIDGET and k[:6] != "image/"}
            outputs.append(("data", {kind: output.data[kind] for kind in kinds}))
    return outputs
