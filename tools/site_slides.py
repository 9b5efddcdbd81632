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
FULL = 25  # lines, at most, on a slide: code that needs more starts a new one
WIDTH = 84  # characters in a line
FIGURE, TITLE = 16, 5  # as high as so many lines


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
        about = {"metadata": {"name": name}}  # for the link back to its page
        html, _ = exporter.from_notebook_node(deck(notebook), about)
        (folder / f"{name}.html").write_text(html, encoding="utf-8")


def deck(notebook: NotebookNode) -> NotebookNode:
    """The notebook, its text cut where a slide begins, each piece with its slide type.

    Sections go to the right, what belongs to one goes down.
    """
    cells: list[NotebookNode] = []
    lines = 0  # on the present slide
    asked = False  # a prediction whose answer must not stand beside it
    for cell in notebook.cells:
        if cell.cell_type == "code":
            more = height(cell)
            answers = asked and bool(cell.outputs)
            fits = lines + more <= FULL and not shows_result(cells) and not answers
            asked = asked and not answers
            kind = "-" if fits else "subslide"
            add(cells, nbformat.v4.new_code_cell(**code_of(cell)), kind)
            lines = lines + more if fits else more
            continue
        for text in pieces(cell.source):
            section = text.startswith(("# ", "## "))
            kind = "slide" if section else "subslide"
            add(cells, nbformat.v4.new_markdown_cell(prepared(text)), kind)
            lines = rows(text) + (TITLE if text.startswith("# ") else 0)
            asked = "**Predict" in text
    deck = nbformat.v4.new_notebook(cells=cells)
    deck.metadata = {**notebook.metadata, "title": title(notebook)}
    return deck


def rows(text: str) -> int:
    """Lines that a text takes, about: long ones are wrapped."""
    return sum(1 + len(line) // WIDTH for line in text.splitlines())


def height(cell: NotebookNode) -> int:
    """Lines that code takes with its outputs, about."""
    lines = rows(cell.source)
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text", data.get("text/plain", ""))
        lines += FIGURE if "image/png" in data else rows(text)
    return lines


def code_of(cell: NotebookNode) -> dict:
    return {key: cell[key] for key in ("source", "outputs", "execution_count")}


def add(cells: list[NotebookNode], cell: NotebookNode, kind: str) -> None:
    cell.metadata["slideshow"] = {"slide_type": kind}
    cells.append(cell)


def shows_result(cells: list[NotebookNode]) -> bool:
    return bool(cells and cells[-1].get("outputs"))


def pieces(markdown: str) -> list[str]:
    """Cut before headings and questions, and where the slide is more than half full
    before a paragraph that begins in bold; not within a block of code.
    """
    found: list[list[str]] = [[]]
    code = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            code = not code
        text = "\n".join(found[-1])
        long = rows(text) > FULL // 2 and "<details>" not in text
        starts = line.startswith(("#", "> **Predict", "**Predict"))
        starts |= long and line.startswith("**") and not found[-1][-1]
        if starts and not code and found[-1]:
            found.append([])
        found[-1].append(line)
    texts = ["\n".join(lines).strip() for lines in found]
    return [text for text in texts if text]


def prepared(markdown: str) -> str:
    """Formulas become MathML; links to notebooks and pages lead to what they became."""
    markdown = replace_maths(markdown).replace(".ipynb)", ".html)")
    markdown = markdown.replace("](maps/", "](../notebooks/maps/")
    return markdown.replace(".md)", ".html)")
