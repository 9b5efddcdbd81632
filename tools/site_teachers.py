"""Parts of the teachers' page, out of the notebooks and the checks of the exercises."""

import ast
import importlib
import inspect
import io
import textwrap
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

from nbformat import NotebookNode
from site_notebooks import exercises, minutes, sections, title
from torch import nn

from inception_lib.teaching.exercises import EXERCISES, check

LONGEST = 76  # characters of an answer that is shown in a line

Notebooks = dict[str, NotebookNode]  # by name: "01_bottleneck"


def parts(notebooks: Notebooks, teaching: Path) -> dict[str, str]:
    """Markdown by file name; ``teaching`` is docs/teaching.toml."""
    plan = tomllib.loads(teaching.read_text(encoding="utf-8"))
    return {
        "_series.md": series(notebooks),
        "_goals.md": goals(notebooks, plan["goals"]),
        "_lesson.md": lesson(notebooks, plan["lesson"]),
        "_course.md": course(notebooks, plan["day"]),
        "_slides.md": slides(notebooks),
        "_exercises.md": "\n\n".join(map(all_exercises, notebooks.values())),
    }


def link(name: str, notebook: NotebookNode) -> str:
    return f"[{title(notebook)}](notebooks/{name}.ipynb)"


def table(head: list[str], rows: list[list]) -> str:
    lines: list[list] = [head, ["---"] * len(head), *rows]
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
    rows, clock = [], 0
    for step in steps:
        end = clock + step["minutes"]
        rows.append([f"{clock} to {end}", step["what"], where(notebooks, step)])
        clock = end
    return table(["minutes", "what", "notebook"], rows)


def where(notebooks: Notebooks, step: dict) -> str:
    """The link to a step's notebook; nothing for a break."""
    if "notebook" not in step:
        return ""
    number = step["notebook"]
    return f"[{number}](notebooks/{numbered(notebooks)[number]}.ipynb)"


def course(notebooks: Notebooks, days: list[dict]) -> str:
    """A timetable per day, each row with the time at which it begins."""
    texts = []
    for number, day in enumerate(days, 1):
        clock, rows = minutes_of_day(day["start"]), []
        for step in day["session"]:
            row = [time_of_day(clock), step["minutes"], step["what"]]
            rows.append([*row, where(notebooks, step)])
            clock += step["minutes"]
        rows.append([time_of_day(clock), "", "End", ""])
        head = ["time", "minutes", "what", "notebook"]
        texts.append(f"### Day {number}\n\n{table(head, rows)}")
    return "\n\n".join(texts)


def minutes_of_day(time: str) -> int:
    hours, minutes = map(int, time.split(":"))
    return 60 * hours + minutes


def time_of_day(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


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

    A function is shown as it is written in the table; where that is the name of a
    helper, as what it stands for. Of a class the change of the solution is shown, with
    a part of the diagnosis.
    """
    module = importlib.import_module(f"inception_lib.teaching.exercises.nb{number}")
    keys = written(module)
    found: dict[str, list[str]] = {}
    for name, task in EXERCISES.items():
        if not name.startswith(number):
            continue
        answers = [answer for answer, _ in task.wrong_answers()]
        codes = keys.get(name, map(repr, answers))
        found[name] = []
        for answer, code in zip(answers, codes, strict=True):
            with redirect_stdout(io.StringIO()) as line:
                check(name, answer)
            diagnosis = line.getvalue().strip().removeprefix(f"✗ {name} ")
            found[name].append(f"{shown(code, answer)}*{escape(diagnosis)}*")
        for (old, new), word in task.edits.items():
            change = " ".join(f"{old} → {new or 'left out'}".split())
            found[name].append(f"`{change}`: *… {escape(word)} …*")
    return found


def shown(code: str, answer: object) -> str:
    """An answer in front of its diagnosis: in the line, or in a block of its own."""
    if isinstance(answer, float | int):
        code = f"{answer:.6g}" if isinstance(answer, float) else f"{answer}"
    elif code.isidentifier() and inspect.isfunction(answer):
        code = inspect.getsource(answer)
    elif isinstance(answer, nn.Module):
        code = repr(answer)
    if "\n" not in code.strip() and len(code) <= LONGEST:
        return f"`{code.strip()}`: "
    return textwrap.indent(f"```python\n{code.strip()}\n```\n\n", "  ").lstrip() + "  "


def written(module) -> dict[str, list[str]]:
    """By exercise: the source of each wrong answer, in the order of the table."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(ast.Name("exercise"), [ast.Constant(name), *more], options):
                tables = more + [o.value for o in options if o.arg == "examples"]
                keys = [k for t in tables if isinstance(t, ast.Dict) for k in t.keys]
                found[str(name)] = [ast.unparse(key) for key in keys if key]
    return found


def escape(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join("\\" + c if c in "\\`*_[]<>$|" else c for c in text)
