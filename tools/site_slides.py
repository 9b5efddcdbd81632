"""A deck of slides per notebook, with reveal.js beside it: no network is needed."""

import shutil
from pathlib import Path

import nbformat
import sphinx_revealjs
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from site_maths import replace_maths
from site_notebooks import title

# sphinx-revealjs is here for this folder alone: a copy of reveal.js, from a package.
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"
FILES = {
    "dist/reveal.js": "reveal.js",
    "plugin/notes/notes.js": "notes.js",
    "dist/reveal.css": "dist/reveal.css",
    "dist/theme/white.css": "dist/theme/white.css",
    "dist/theme/fonts/source-sans-pro": "dist/theme/fonts/source-sans-pro",
    "LICENSE": "LICENSE",
}
FULL = 14  # lines on a slide after which code starts a new one


def write(notebooks: dict[str, NotebookNode], template: Path, folder: Path) -> None:
    """``folder``/NAME.html for every notebook; ``template`` is the folder of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in FILES.items():
        place = folder / "reveal.js" / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (REVEAL / source).is_dir():
            shutil.copytree(REVEAL / source, place, dirs_exist_ok=True)
        else:
            shutil.copyfile(REVEAL / source, place)
    exporter = SlidesExporter(
        extra_template_basedirs=[str(template.parent)],
        template_name=template.name,
        reveal_url_prefix="reveal.js",
        reveal_theme="white",
        exclude_anchor_links=True,
    )
    for name, notebook in notebooks.items():
        html, _ = exporter.from_notebook_node(deck(notebook))
        (folder / f"{name}.html").write_text(html, encoding="utf-8")


def deck(notebook: NotebookNode) -> NotebookNode:
    """The notebook, its text cut where a slide begins, each piece with its slide type.

    Sections go to the right, what belongs to one goes down.
    """
    cells: list[NotebookNode] = []
    lines = 0  # on the present slide
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kind = "-" if lines <= FULL and not shows_result(cells) else "subslide"
            add(cells, nbformat.v4.new_code_cell(**code_of(cell)), kind)
            length = len(cell.source.splitlines())
            lines = length if kind == "subslide" else lines + length
            continue
        for text in pieces(cell.source):
            section = text.startswith(("# ", "## "))
            kind = "slide" if section else "subslide"
            add(cells, nbformat.v4.new_markdown_cell(prepared(text)), kind)
            lines = len(text.splitlines())
    deck = nbformat.v4.new_notebook(cells=cells)
    deck.metadata = {**notebook.metadata, "title": title(notebook)}
    return deck


def code_of(cell: NotebookNode) -> dict:
    return {key: cell[key] for key in ("source", "outputs", "execution_count")}


def add(cells: list[NotebookNode], cell: NotebookNode, kind: str) -> None:
    cell.metadata["slideshow"] = {"slide_type": kind}
    cells.append(cell)


def shows_result(cells: list[NotebookNode]) -> bool:
    return bool(cells and cells[-1].get("outputs"))


def pieces(markdown: str) -> list[str]:
    """Cut before headings and before questions, not within a block of code."""
    found, code = [[]], False
    for line in markdown.splitlines():
        if line.startswith("```"):
            code = not code
        starts = line.startswith(("#", "> **Predict", "**Predict"))
        if starts and not code and found[-1]:
            found.append([])
        found[-1].append(line)
    texts = ["\n".join(lines).strip() for lines in found]
    return [text for text in texts if text]


def prepared(markdown: str) -> str:
    """Formulas become MathML; links to notebooks lead to their slides."""
    return replace_maths(markdown).replace(".ipynb)", ".html)")
