"""Notebooks as the site shows them: described figures, sliders that live or say why
not.
"""

import json
import re
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from site_data import EXPLORERS
from site_explorers import KINDS

# What a notebook prints for a widget, without a kernel.
WIDGET = re.compile(r"^[A-Z]\w*\(children=")
# The sliders that live in the page, from tools/site_data.py or tools/site_explorers.py:
# the function of inception_lib.teaching.lessons, with or without a start.
LIVE = "|".join((*EXPLORERS, *KINDS))
EXPLORER = re.compile(rf'nb\d\d\.explore_({LIVE})\((?:"(\w+)")?')
ASLEEP = (
    '<p class="asleep">Run this notebook to move its sliders: '
    '<a href="../index.html#on-your-computer">how to</a>.</p>'
)


def read(path: Path) -> NotebookNode:
    """The notebook at ``path``, ready for the site."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            wake_or_replace_widgets(cell)
            alts = figure_descriptions(cell)
            if alts:
                cell.metadata["mystnb"] = {"image": {"alt": " ".join(alts)}}
        else:  # the pages of docs/ are at the top of the site
            cell.source = cell.source.replace("](../docs/", "](../")
    return notebook


def wake_or_replace_widgets(cell: NotebookNode) -> None:
    for output in cell.outputs:
        if WIDGET.match(output.get("data", {}).get("text/plain", "")):
            known = EXPLORER.search(cell.source)
            html = explorer(*known.groups()) if known else ASLEEP
            output["data"] = nbformat.from_dict({"text/html": html})


def explorer(kind: str, start: str | None = None) -> str:
    """The place where explorers.js puts sliders; what stands in it shows without."""
    state = f' data-start="{escape(start)}"' if start else ""
    return f'<div class="explorer" data-kind="{kind}"{state}>{ASLEEP}</div>'


def figure_descriptions(cell: NotebookNode) -> list[str]:
    return [
        output.metadata["image/png"]["alt"]
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def title(notebook: NotebookNode) -> str:
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ")


def minutes(notebook: NotebookNode) -> int:
    """Of reading and doing, as the notebook's opening tells it."""
    opening = notebook.cells[0].source
    (told,) = re.findall(r"Reading and doing\W+(\d+) minutes", opening)
    return int(told)


def sections(notebook: NotebookNode) -> list[str]:
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def exercises(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    """By exercise: its number, its task and the folded hint and solution."""
    found, task = [], ""
    for cell, after in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "markdown":
            task = cell.source
        check = re.search(r'^exercises\.check\("([\d.]+)"', cell.source, re.M)
        if cell.cell_type == "code" and check:
            number = check[1]
            start = task.rfind(f"**{number}")
            # Without its number a task is the last paragraph.
            asked = task[start if start >= 0 else task.rfind("\n\n") + 2 :]
            found.append((number, asked, after.source))
    return found


def write(notebook: NotebookNode, path: Path) -> None:
    # Sorted, as nbformat does it: a page that didn't change isn't built again.
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True))
