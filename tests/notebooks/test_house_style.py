"""What every notebook of the series keeps to, checked on the committed files."""

import json
import re
import statistics
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ABSOLUTE_PATH = re.compile(
    r"(?<![\w./:])/(home|root|tmp|work|usr|opt|var|private|Users)/|[A-Z]:\\\\?Users"
)
IGNORED = "nbval-ignore-output"


class Notebook:
    def __init__(self, path: Path):
        book = json.loads(path.read_text(encoding="utf-8"))
        self.metadata, self.cells = book["metadata"], book["cells"]
        self.number = path.name[:2]
        self.code = [c for c in self.cells if c["cell_type"] == "code"]
        self.prose = ["".join(c["source"]) for c in self.cells if c not in self.code]
        self.sources = ["".join(c["source"]) for c in self.code]
        self.outputs = [(c["id"], o) for c in self.code for o in c["outputs"]]


@pytest.fixture(params=sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def notebook(request) -> Notebook:
    return Notebook(request.param)


def test_it_was_executed_from_the_first_cell_to_the_last(notebook):
    counts = [cell["execution_count"] for cell in notebook.code]
    assert counts == list(range(1, len(counts) + 1))


def test_nothing_failed_or_was_written_to_stderr(notebook):
    for cell, output in notebook.outputs:
        assert output["output_type"] != "error", cell
        assert output.get("name") != "stderr", cell


def test_no_output_shows_where_it_was_made(notebook):
    for cell, output in notebook.outputs:
        texts = {k: v for k, v in output.get("data", {}).items() if k[:6] != "image/"}
        shown = json.dumps([texts, output.get("text", "")])
        assert not ABSOLUTE_PATH.search(shown), cell


def test_it_begins_with_a_map_of_the_network(notebook):
    found = re.search(
        r"^!\[(The network .{30,})\]\((maps/..\.png)\)$", notebook.prose[0], re.M
    )
    assert found and (FOLDER / found[2]).exists()
    assert found[2] == f"maps/{notebook.number}.png"


def test_code_cells_are_short(notebook):
    lengths = [len(source.strip().splitlines()) for source in notebook.sources]
    assert 1 <= min(lengths) and max(lengths) <= 25
    assert statistics.median(lengths) <= 6
    for source in notebook.sources:
        assert max(map(len, source.splitlines())) <= 88, source


def test_no_shell_no_magic(notebook):
    for source in notebook.sources:
        assert not re.search(r"^\s*[!%]", source, re.M), source


def test_every_figure_is_described(notebook):
    for cell, output in notebook.outputs:
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                assert kind == "image/png", cell
                alt = output["metadata"].get(kind, {}).get("alt", "")
                assert len(alt) >= 15, f"{cell}: alt text {alt!r}"
    for text in notebook.prose:
        assert "![](" not in text


def films(notebook: Notebook) -> list[tuple[str, dict]]:
    """The outputs that move, each with its cell."""
    shown = [(cell, output.get("data", {})) for cell, output in notebook.outputs]
    return [
        (c, data) for c, data in shown if "image/webp" in str(data.get("text/html"))
    ]


def test_a_film_is_small_and_stands_still_on_demand(notebook):
    """That the still has its description, the test above says."""
    for cell, data in films(notebook):
        html, still = "".join(data["text/html"]), "".join(data["image/png"]).strip()
        (film,) = re.findall(r'srcset="data:image/webp;base64,([^"]+)"', html)
        assert 10_000 < len(film) * 3 / 4 < 250_000, cell
        assert '<source media="(prefers-reduced-motion: no-preference)"' in html
        assert f'src="data:image/png;base64,{still}"' in html, cell


def test_there_are_films():
    books = map(Notebook, sorted(FOLDER.glob("*.ipynb")))
    assert sum(len(films(book)) for book in books) >= 3


def test_metadata_is_minimal(notebook):
    assert notebook.metadata == METADATA
    for cell in notebook.cells:
        assert set(cell["metadata"]) <= {"tags", "not_compared"}, cell["id"]
        assert set(cell["metadata"].get("tags", [])) <= {IGNORED}, cell["id"]


def test_cell_ids_are_stable_and_readable(notebook):
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for name in ids:
        assert re.fullmatch(rf"{notebook.number}(-[a-z0-9]+)+", name)


def test_it_opens_with_its_number_what_is_needed_and_how_long_it_takes(notebook):
    opening = notebook.prose[0]
    assert opening.startswith(f"# {notebook.number} · ")
    assert "?" in opening
    for row in ("You need", "Reading and doing", "Running"):
        assert f"\n| **{row}** | " in opening, row
    assert [c["cell_type"] for c in notebook.cells[:2]] == ["markdown", "code"]
    assert re.match(r"(from|import) ", notebook.sources[0])


def test_questions_come_before_results(notebook):
    assert sum("**Predict" in text for text in notebook.prose) >= 3


def test_at_least_three_exercises_with_a_hint_and_a_solution(notebook):
    asked = 0
    for cell, after in zip(notebook.cells, notebook.cells[1:], strict=False):
        if re.search(r"^exercises\.check\(", "".join(cell["source"]), re.M):
            asked += 1
            folded = "".join(after["source"])
            assert "<summary>Hint</summary>" in folded, cell["id"]
            assert "<summary>Solution</summary>" in folded, cell["id"]
            assert folded.count("<details>") == folded.count("</details>") == 2
    assert asked >= 3


def test_what_is_not_compared_says_why(notebook):
    """In the cell's metadata, where it doesn't get in the reader's way."""
    for cell, source in zip(notebook.code, notebook.sources, strict=True):
        ignored = IGNORED in cell["metadata"].get("tags", [])
        reason = cell["metadata"].get("not_compared", "")
        assert ignored == (len(reason.split()) >= 2), cell["id"]
        assert "not compared" not in source.lower(), cell["id"]


def test_links_lead_to_notebooks_that_are_there(notebook):
    for text in notebook.prose:
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if not link.startswith("http"):
                assert (FOLDER / link).exists(), link


def test_each_notebook_links_the_one_before_and_the_next_by_its_title():
    paths = sorted(FOLDER.glob("*.ipynb"))
    books = [Notebook(path) for path in paths]
    # "# 05 · GoogLeNet: does the paper's …"
    titles = [re.match("# (.+?):", book.prose[0])[1] for book in books]
    pairs = zip(titles, paths, strict=True)
    links = [f"{title}]({path.name})" for title, path in pairs]
    for before, book in zip(links, books[1:], strict=False):
        assert f"\n\n*[Before: {before}*\n\n" in book.prose[0], book.number
    for book, after in zip(books, links[1:], strict=False):
        assert f"*Next: [{after}" in book.prose[-1], book.number
    assert "Before:" not in books[0].prose[0] and "Next:" not in books[-1].prose[-1]
