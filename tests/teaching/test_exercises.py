"""The mechanism, every mistake's diagnosis, every folded solution's check."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

from inception_lib.teaching import exercises

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MODULES = [
    importlib.import_module(f"{exercises.__name__}.{module.name}")
    for module in pkgutil.iter_modules(exercises.__path__)
]
MISTAKES = [mistake for module in MODULES for mistake in module.WRONG]
CHECK = re.compile(
    r"(\w+) = \.\.\..*\n(?:.*\n)*?exercises\.check\(\"([\d.]+)\", (\w+)\)"
)


def cells(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    return [(c["cell_type"], "".join(c["source"])) for c in book["cells"]]


def folded_solutions():
    """(notebook, number, variable, solution) of each exercise cell and its next."""
    for path in NOTEBOOKS:
        book = cells(path)
        for (_, cell), (_, after) in zip(book, book[1:], strict=False):
            if (asked := CHECK.search(cell)) and cell.startswith(asked[1]):
                block = re.search(
                    r"Solution</summary>\s*```python\n(.*?)```", after, re.S
                )
                yield path, asked[2], asked[3], block and block[1]


SOLUTIONS = list(folded_solutions())
NUMBERS = [number for _, number, _, _ in SOLUTIONS]


@pytest.fixture(scope="module")
def set_up():
    """The names that a notebook's set-up cell, its first code cell, defines."""
    known: dict[Path, dict] = {}

    def run(path):
        if path not in known:
            first = next(source for kind, source in cells(path) if kind == "code")
            known[path] = {}
            exec(first, known[path])
        return dict(known[path])

    return run


@pytest.mark.parametrize("path, number, variable, solution", SOLUTIONS, ids=NUMBERS)
def test_every_folded_solution_is_right(
    path, number, variable, solution, set_up, capsys
):
    assert solution, f"{path.name}: no solution is folded below {number}"
    names = set_up(path)
    exec(solution, names)
    capsys.readouterr()
    exercises.check(number, names[variable])
    assert capsys.readouterr().out.startswith(f"✓ {number} ")


@pytest.mark.parametrize(
    "number, answer, word", MISTAKES, ids=[f"{m[0]}-{m[2]}" for m in MISTAKES]
)
def test_every_typical_mistake_is_diagnosed(number, answer, word, capsys):
    exercises.check(number, answer)
    line = capsys.readouterr().out
    assert line.startswith(f"✗ {number} ") and line.count("\n") == 1
    assert word in line


def test_every_check_belongs_to_a_notebook_and_has_a_diagnosed_mistake():
    assert len(set(NUMBERS)) == len(NUMBERS)
    assert set(NUMBERS) == set(exercises.EXERCISES)
    assert {number for number, _, _ in MISTAKES} == set(exercises.EXERCISES)


@pytest.mark.parametrize("number", sorted(exercises.EXERCISES))
@pytest.mark.parametrize("answer", [None, "", "?", -1, [], {}, float("nan"), object()])
def test_no_answer_ever_raises_or_is_right_by_accident(number, answer, capsys):
    exercises.check(number, answer)
    assert capsys.readouterr().out.startswith(f"✗ {number} ")


@pytest.mark.parametrize("answer", [..., [1, ...], {"a": ...}, (1, [..., 2])])
def test_unanswered_says_what_to_do(answer, capsys):
    exercises.check("00.1", answer)
    assert capsys.readouterr().out == (
        "○ 00.1 not answered yet: replace the ... above and run the cell again\n"
    )


@pytest.mark.parametrize("number", ["00.99", "99.1", "", "nonsense"])
def test_an_unknown_number_is_a_value_error(number):
    with pytest.raises(ValueError, match="there is no exercise"):
        exercises.check(number, 1)


def test_progress_follows_the_latest_answer(monkeypatch, capsys):
    fresh = {"50.1": exercises.Exercise("add", lambda x: None if x == 2 else "no")}
    monkeypatch.setattr(exercises, "EXERCISES", fresh)
    monkeypatch.setattr(exercises, "_find", fresh.__getitem__)
    told = []
    for answer in (2, 3, 2, ...):
        exercises.check("50.1", answer)
        capsys.readouterr()
        exercises.progress()
        told.append(capsys.readouterr().out.splitlines())
    done, open_ = ["✓ 50.1 add", "1 of 1 solved"], ["○ 50.1 add", "0 of 1 solved"]
    assert told == [done, open_, done, done]
