"""Which outputs of a notebook must be the same after every run, and what they are;
and which of its cells need which.
"""

import ast
import dis
from pathlib import Path
from types import CodeType

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PARTS = ast.Subscript | ast.Attribute
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


def needed(cells: list[NotebookNode], chosen: set[str]) -> set[str]:
    """The chosen cells and all that set a name which these use."""
    wanted: set[str] = set()
    found = set()
    for cell in reversed(cells):
        read, written = names(cell)
        if cell.id in chosen or written & wanted:
            found.add(cell.id)
            wanted = wanted - written | read
    return found


def names(cell: NotebookNode) -> tuple[set[str], set[str]]:
    """Those that a cell reads before it sets them, if it does, and those that it sets,
    also only a part of: ``measured["a"] = 1``.

    As Python compiles it: a function's own names, and a comprehension's, aren't here.
    """
    cell_code = compile(cell.source, cell.id, "exec")
    read: set[str] = set()
    written: set[str] = set()
    todo = [cell_code]
    for one in todo:  # what is defined in the cell follows it
        own = written if one is cell_code else set()
        for step in dis.get_instructions(one):
            if step.opname == "STORE_NAME":
                own.add(step.argval)
            elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                read |= {step.argval} - written - own
        todo += [inner for inner in one.co_consts if isinstance(inner, CodeType)]
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, PARTS) and isinstance(node.ctx, ast.Store):
            while isinstance(node, PARTS):
                node = node.value
            written |= {node.id} if isinstance(node, ast.Name) else set()
    return read, written
