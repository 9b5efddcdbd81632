"""The parts of the website's making that need no browser."""

import re
import runpy
import sys
import tomllib
from collections import Counter
from pathlib import Path

import nbformat
import pytest
import site_maths
import site_notebooks
import site_slides
import site_teachers
from jinja2 import DictLoader, Environment

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def notebooks():
    return {path.stem: site_notebooks.read(path) for path in NOTEBOOKS}


def test_formulas_become_mathml_and_code_is_left_alone():
    replace = site_maths.replace_maths
    text = replace("A $k^2$ and `$no$` and\n```\n$x$\n```\n$$a\n+ b$$")
    assert text.count("<math") == 2 and text.count('display="block"') == 1
    assert "<msup><mi>k</mi><mn>2</mn></msup>" in text
    assert "`$no$`" in text and "```\n$x$\n```" in text


@pytest.mark.parametrize(
    "call, shown",
    [
        ("nb01.explore_bottleneck()", 'data-kind="bottleneck"'),
        ('nb02.explore_module("3b")', 'data-kind="module" data-start="3b"'),
        ("nb04.explore_heads(measured)", 'data-kind="heads"'),
        ("nb07.explore_speed(measured)", "Run this notebook to move its sliders"),
    ],
)
def test_a_widgets_text_is_replaced(call, shown):
    text = "VBox(children=(HBox(children=(IntSlider(value=512"
    output = nbformat.v4.new_output("display_data", {"text/plain": text})
    cell = nbformat.v4.new_code_cell(call, outputs=[output])
    site_notebooks.wake_or_replace_widgets(cell)
    (html,) = cell.outputs[0]["data"].values()
    assert shown in html and "VBox" not in html


def test_slides_begin_at_headings_and_questions_but_not_in_code():
    text = "# A\nx\n```python\n# comment\n```\n> **Predict.** b?\n## C\n"
    pieces = site_slides.pieces(text)
    assert [piece.splitlines()[0] for piece in pieces] == [
        "# A",
        "> **Predict.** b?",
        "## C",
    ]
    assert "# comment" in pieces[0]


def test_what_does_not_fit_starts_another_slide():
    v4 = nbformat.v4
    long = "\n\n".join(["A line."] * 10)
    assert len(site_slides.pieces(f"{long}\n\n**So.** x")) == 2
    assert len(site_slides.pieces(f"<details>\n\n{long}\n\n**So.** x")) == 1
    figure = v4.new_output("display_data", {"image/png": ""})
    code = v4.new_code_cell("show()", outputs=[figure])
    for text, kind in {"# Title": "-", f"# Title\n{long}": "subslide"}.items():
        cells = [v4.new_markdown_cell(text), code]
        deck = site_slides.deck(v4.new_notebook(cells=cells))
        assert deck.cells[1].metadata["slideshow"]["slide_type"] == kind


def test_every_exercise_has_its_task_solution_and_wrong_answers(notebooks):
    for notebook in notebooks.values():
        text = site_teachers.all_exercises(notebook)
        found = site_notebooks.exercises(notebook)
        assert len(found) >= 3
        assert text.count("<summary>Solution</summary>") == len(found)
        for number, task, _ in found:
            assert 40 < len(task) < 1200, (number, task)
            assert f"#### {number} " in text
            wrong = text.split(f"wrong answers to {number}</summary>")[1]
            wrong = wrong.partition("</details>")[0]
            assert re.match(r"\n\n- .*\*\n", wrong, re.DOTALL), number
            assert "✗" not in wrong
            # In front of every diagnosis, the answer that it is for.
            assert len(re.findall(r"^- `", wrong, re.M)) == wrong.count("\n- ") > 0


def test_a_diagnosis_is_what_the_check_says():
    known = site_teachers.wrong_answers("00")["00.1"]
    (line,) = [answer for answer in known if answer.startswith("`0.114541`")]
    assert "upside down" in line


def test_an_answer_is_shown_in_front_of_its_diagnosis():
    answers = site_teachers.wrong_answers("04")
    assert any(a.startswith("```python\n  def squared_norm(") for a in answers["04.3"])
    assert any("\n    (6): Dropout(p=0.4" in answer for answer in answers["04.2"])


def test_the_lesson_takes_90_minutes_and_each_notebook_has_goals_and_a_day():
    plan = tomllib.loads((ROOT / "docs" / "teaching.toml").read_text())
    assert sum(step["minutes"] for step in plan["lesson"]) == 90
    assert {path.name[:2] for path in NOTEBOOKS} == set(plan["goals"])


def test_the_days_add_up_and_each_notebook_has_its_time(notebooks):
    plan = tomllib.loads((ROOT / "docs" / "teaching.toml").read_text())

    given: Counter[str] = Counter()
    lengths = [sum(s["minutes"] for s in day["session"]) for day in plan["day"]]
    assert lengths[:2] == [8 * 60] * 2 and len(lengths) == 3 and lengths[2] <= 4 * 60
    for day in plan["day"]:
        at_work = 0
        for step in day["session"]:
            rest = step["what"] in ("Break", "Lunch")
            at_work = 0 if rest else at_work + step["minutes"]
            assert at_work <= 120, step
            if "notebook" in step:
                given[step["notebook"]] += step["minutes"]
    assert list(given) == [name[:2] for name in notebooks]  # in this order
    for name, notebook in notebooks.items():
        told = site_notebooks.minutes(notebook)
        assert 1.4 * told <= given[name[:2]] <= 2.2 * told, name


def test_the_timetable_tells_the_time(notebooks):
    session = [{"minutes": 50, "what": "A", "notebook": "00"}]
    session += [{"minutes": 15, "what": "Break"}]
    days = [{"start": "9:30", "session": session}]
    text = site_teachers.course(notebooks, days)
    assert "| 9:30 | 50 | A | [00](notebooks/00_start_here.ipynb) |" in text
    assert "| 10:20 | 15 | Break |  |\n| 10:35 |  | End |  |" in text


def test_the_slides_come_with_the_licences_of_what_is_in_them(tmp_path):
    site_slides.write({}, ROOT / "docs" / "slides", tmp_path)
    place = tmp_path / "reveal.js"
    assert "Hakim El Hattab" in (place / "LICENSE").read_text()
    fonts = place / "dist" / "theme" / "fonts" / "source-sans-pro"
    assert "SIL OPEN FONT LICENSE" in (fonts / "LICENSE").read_text()


def page_of(monkeypatch, pagename: str, variables: dict, **more) -> str:
    """What our template makes of a page, by Sphinx's settings with these variables."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # the settings add to it
    for name in ("SITE_REPOSITORY", "SITE_BRANCH", "SITE_URL"):
        monkeypatch.setenv(name, variables.get(name, ""))
    settings = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    text = (ROOT / "docs" / "_templates" / "page.html").read_text()
    blocks = (
        "{% block extrahead %}{% endblock %}{% block content %}THE PAGE{% endblock %}"
    )
    templates = Environment(
        loader=DictLoader({"!page.html": blocks, "page.html": text})
    )
    return templates.get_template("page.html").render(
        pagename=pagename,
        pathto=lambda target, resource: f"../{target}",
        **settings["html_context"],
        **more,
    )


def test_what_others_show_of_a_page(monkeypatch):
    told = {"title": "A <em>page</em> & more", "description": 'It says "so".'}
    told["pageurl"] = "https://example.org/x/glossary.html"

    def metas(**variables):
        html = page_of(monkeypatch, "glossary", variables, **told)
        return dict(
            re.findall(r'<meta (?:name|property)="(.+?)" content="(.+?)">', html)
        )

    known = metas(SITE_URL="https://example.org/x")
    assert known["og:image"] == "https://example.org/x/_static/card.png"
    assert known["og:title"] == "A page &amp; more"
    assert known["og:description"] == known["description"] == "It says &#34;so&#34;."
    assert known["og:url"] == told["pageurl"]
    assert known["twitter:card"] == "summary_large_image"
    # An image without an address would be none: so the words alone.
    assert metas()["twitter:card"] == "summary" and "og:image" not in metas()


@pytest.mark.parametrize("repository", ["", "someone/x"])
def test_links_to_a_repository_of_any_owner(monkeypatch, repository):
    """From the two variables, through Sphinx's settings, to a notebook's page."""
    variables = {"SITE_REPOSITORY": repository, "SITE_BRANCH": "spring"}
    html = page_of(monkeypatch, "notebooks/01_bottleneck", variables)
    notebook = "notebooks/01_bottleneck.ipynb"
    expected = [
        f"https://github.com/someone/x/blob/spring/{notebook}",
        f"https://mybinder.org/v2/gh/someone/x/spring?urlpath=lab/tree/{notebook}",
        f"https://colab.research.google.com/github/someone/x/blob/spring/{notebook}",
    ]
    assert re.findall('href="(https:[^"]+)"', html) == (expected if repository else [])
    install = "[lab] @ git+https://github.com/someone/x@spring"
    assert (install in html) == bool(repository)
    assert "THE PAGE" in html and 'href="01_bottleneck.ipynb"' in html
