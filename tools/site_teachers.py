"""Parts of the teachers' page, out of the notebooks and the checks of the exercises."""

import ast
import importlib
import inspect
import io
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

from nbformat import NotebookNode
from site_notebooks import exercises, minutes, sections, title

from inception_lib.teaching.exercises import EXERCISES, check

LONGEST = 76  # characters of an answer that is shown

Notebooks = dict[str, NotebookNode]  # by name: "01_bottleneck"


def parts(notebooks: Notebooks, plan: Path) -> dict[str, str]:
    """Markdown by file name; ``plan`` is docs/teaching.toml."""
    plan = tomllib.loads(plan.read_text(encoding="utf-8"))
    return {
        "_series.md": series(notebooks),
        "_goals.md": goals(notebooks, plan["goals"]),
        "_lesson.md": lesson(notebooks, plan["lesson"]),
        "_course.md": course(notebooks, plan["half_day"]),
        "_slides.md": slides(notebooks),
        "_exercises.md": "\n\n".join(map(all_exercises, notebooks.values())),
    }


def link(name: str, notebook: NotebookNode) -> str:
    return f"[{title(notebook)}](notebooks/{name}.ipynb)"


def table(head: list[str], rows: list[list[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def series(notebooks: Notebooks) -> str:
    rows = [[link(name, book), minutes(book)] for name, book in notebooks.items()]
    return table(["notebook", "minutes"], rows)


def goals(notebooks: Notebooks, goals: dict[str, list[str]]) -> str:
    """Each notebook needs its goals: a KeyError names the one that has none."""
    texts = []
    for name, notebook in notebooks.items():
        learned = "\n".join(f"- {goal}" for goal in goals[name[:2]])
        way = " → ".join(sections(notebook))
        texts.append(
            f"### {title(notebook)}\n\nAfterwards students can\n\n{learned}\n\n"
            f"*{minutes(notebook)} minutes, "
            f"{len(exercises(notebook))} exercises. The way: {way}.*"
        )
    return "\n\n".join(texts)


def numbered(notebooks: Notebooks) -> dict[str, str]:
    return {name[:2]: name for name in notebooks}


def lesson(notebooks: Notebooks, steps: list[dict]) -> str:
    names, rows, clock = numbered(notebooks), [], 0
    for step in steps:
        where = f"[{step['notebook']}](notebooks/{names[step['notebook']]}.ipynb)"
        end = clock + step["minutes"]
        rows.append([f"{clock} to {end}", step["what"], where])
        clock = end
    return table(["minutes", "what", "notebook"], rows)


def course(notebooks: Notebooks, half_days: list[dict]) -> str:
    names, rows = numbered(notebooks), []
    for half_day in half_days:
        there = [names[n] for n in half_day["notebooks"] if n in names]
        read = sum(minutes(notebooks[name]) for name in there)
        tasks = sum(len(exercises(notebooks[name])) for name in there)
        links = ", ".join(f"[{name[:2]}](notebooks/{name}.ipynb)" for name in there)
        rows.append([half_day["name"], links, f"{read} minutes", tasks])
    return table(["half a day", "notebooks", "reading and doing", "exercises"], rows)


def slides(notebooks: Notebooks) -> str:
    # Links as HTML: the decks are made after Sphinx, which would miss them.
    items = [
        f'<li><a href="slides/{name}.html">{title(book)}</a></li>'
        for name, book in notebooks.items()
    ]
    return f"<ul>\n{chr(10).join(items)}\n</ul>"


def all_exercises(notebook: NotebookNode) -> str:
    number = title(notebook)[:2]
    wrong = wrong_answers(number)
    texts = [f"### {title(notebook)}"]
    for name, task, folded in exercises(notebook):
        known = "\n".join(f"- {answer}" for answer in wrong[name])
        texts.append(
            f"#### {name} {EXERCISES[name].title}\n\n{task}\n\n{folded}\n\n"
            f"<details><summary>Typical wrong answers to {name}</summary>\n\n"
            f"{known}\n</details>"
        )
    return "\n\n".join(texts)


def wrong_answers(number: str) -> dict[str, list[str]]:
    """By exercise: the wrong answers of a notebook's checks, each with its diagnosis.

    An answer is shown as it is written in the list WRONG, unless it calls a helper,
    whose name would say nothing here.
    """
    module = importlib.import_module(f"inception_lib.teaching.exercises.nb{number}")
    found: dict[str, list[str]] = {}
    for (name, answer, _), code in zip(module.WRONG, written(module), strict=True):
        with redirect_stdout(io.StringIO()) as line:
            check(name, answer)
        diagnosis = line.getvalue().strip().removeprefix(f"✗ {name} ")
        shown = f"`{code}`: " if code else ""
        found.setdefault(name, []).append(f"{shown}*{escape(diagnosis)}*")
    return found


def written(module) -> list[str | None]:
    """The source of each answer in the module's list WRONG."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WRONG":
            codes = [ast.unparse(row.elts[1]) for row in node.value.elts]
            return [c if len(c) <= LONGEST and "_" != c[0] else None for c in codes]
    raise ValueError(f"{module.__name__} has no list WRONG: write one")


def escape(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join("\\" + c if c in "\\`*_[]<>$|" else c for c in text)
