"""The mechanism, every mistake's diagnosis, every folded solution's check."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from importlib import resources
from pathlib import Path

import pytest
import torch

from inception_lib.teaching import exercises
from inception_lib.teaching.exercise import Exercise
from inception_lib.teaching.exercises import nb06

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MODULES = [
    importlib.import_module(f"{exercises.__name__}.{module.name}")
    for module in pkgutil.iter_modules(exercises.__path__)
]
WRONG = [
    (number, answer, diagnosis)
    for number, task in sorted(exercises.EXERCISES.items())
    for answer, diagnosis in task.wrong_answers()
]
CHECK = re.compile(
    r"(?:class )?(\w+)(?: = \.\.\.|\(nn\.Module\):).*\n"
    r"(?:.*\n)*?exercises\.check\(\"([\d.]+)\", (\w+)\)"
)


def cells(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    return [(c["cell_type"], "".join(c["source"])) for c in book["cells"]]


def folded_solutions():
    """(notebook, number, variable, solution) of each exercise cell and its next."""
    for path in NOTEBOOKS:
        book = cells(path)
        for (_, cell), (_, after) in zip(book, book[1:], strict=False):
            if asked := CHECK.match(cell):
                block = re.search(
                    r"Solution</summary>\s*```python\n(.*?)```", after, re.S
                )
                yield path, asked[2], asked[3], block and block[1]


SOLUTIONS = list(folded_solutions())
NUMBERS = [number for _, number, _, _ in SOLUTIONS]


@pytest.fixture(scope="module")
def set_up():
    """The names that a notebook's set-up cell, its first code cell, defines; and the
    parts that a class of the learner's is made of.
    """
    known: dict[Path, dict] = {}

    def run(path):
        if path not in known:
            sources = [source for kind, source in cells(path) if kind == "code"]
            known[path] = {}
            exec(sources[0], known[path])
            for source in sources:
                if "from my_googlenet import" in source and path.name[:2] != "07":
                    exec(source, known[path])
        return dict(known[path])

    return run


@pytest.mark.parametrize(
    "number, answer, diagnosis", WRONG, ids=[f"{w[0]}-{w[2]}" for w in WRONG]
)
def test_every_wrong_answer_meets_its_own_diagnosis(number, answer, diagnosis, capsys):
    exercises.check(number, answer)
    line = capsys.readouterr().out
    assert line.startswith(f"✗ {number} ") and line.count("\n") == 1
    assert diagnosis in line


EDITS = [
    (number, edit, diagnosis)
    for number, task in sorted(exercises.EXERCISES.items())
    for edit, diagnosis in task.edits.items()
]
TEXTS = {number: (path, name, text) for path, number, name, text in SOLUTIONS}


@pytest.fixture(scope="module")
def solved(set_up):
    """What a solution defines, with an edit; on top of the solutions before it."""

    def run(number, old="", new=""):
        path, name, text = TEXTS[number]
        names = set_up(path) | {"replace": dataclasses.replace}
        for earlier, (other, _, solution) in sorted(TEXTS.items()):
            if other == path and earlier < number and "class My" in solution:
                exec(solution, names)
        assert old in text, (number, old)
        exec(text.replace(old, new), names)
        return names[name]

    return run


@pytest.mark.parametrize("number", sorted(TEXTS))
def test_every_folded_solution_is_right(number, solved, capsys):
    assert TEXTS[number][2], f"no solution is folded below {number}"
    answer = solved(number)
    capsys.readouterr()
    exercises.check(number, answer)
    assert capsys.readouterr().out.startswith(f"✓ {number} ")


@pytest.mark.parametrize(
    "number, edit, diagnosis", EDITS, ids=[f"{e[0]}-{e[2]}" for e in EDITS]
)
def test_every_wrong_class_meets_its_own_diagnosis(
    number, edit, diagnosis, solved, capsys
):
    exercises.check(number, solved(number, *edit))
    line = capsys.readouterr().out
    assert line.startswith(f"✗ {number} ") and line.count("\n") == 1
    assert diagnosis in line and "could not be checked" not in line


@pytest.mark.parametrize("number", sorted(exercises.EXERCISES))
def test_every_sentence_of_the_rules_has_a_wrong_answer(number):
    task = exercises.EXERCISES[number]
    sentences = inspect.getsource(task.rules).count("return ")
    sentences -= inspect.getsource(task.rules).count("return None")
    known = len(task.examples) + len(task.edits)
    assert known >= sentences or "lambda" in inspect.getsource(task.rules)


def test_every_check_belongs_to_a_notebook_and_has_a_diagnosed_mistake():
    assert len(set(NUMBERS)) == len(NUMBERS)
    assert set(NUMBERS) == set(exercises.EXERCISES)
    assert {number for number, _, _ in WRONG + EDITS} == set(exercises.EXERCISES)


def test_the_experts_probabilities_are_the_labels_of_the_data_set():
    file = resources.files("elpv_dataset") / "data" / "labels.csv"
    labels = [float(line.split()[1]) for line in file.read_text().splitlines()]
    assert len(labels) == nb06.CELLS
    assert sum(p > 0 for p in labels) == nb06.DOUBTED
    assert sum(p >= 0.5 for p in labels) == nb06.HALF_OR_MORE
    for letter, number in nb06.GAME.items():
        assert labels[number - 1] == pytest.approx(nb06.EXPERTS[letter])


def test_no_wrong_answer_is_lost():
    assert len(WRONG) >= 270


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


def test_a_check_leaves_the_random_numbers_of_the_notebook_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    exercises.check("01.2", lambda linear: torch.nn.Conv2d(5, 3, 1))
    assert torch.rand(3).equal(expected)


def test_progress_follows_the_latest_answer(monkeypatch, capsys):
    task = Exercise("50.1", "add", {3: "no"}, right=2, otherwise="neither")
    fresh = {"50.1": task}
    monkeypatch.setattr(exercises, "EXERCISES", fresh)
    monkeypatch.setattr(exercises, "_find", fresh.__getitem__)
    shown = []
    for answer in (2, 3, 2, ...):
        exercises.check("50.1", answer)
        capsys.readouterr()
        exercises.progress()
        shown.append(capsys.readouterr().out.splitlines())
    done, open_ = ["✓ 50.1 add", "1 of 1 solved"], ["○ 50.1 add", "0 of 1 solved"]
    assert shown == [done, open_, done, done]


def test_what_is_no_function_is_told(capsys):
    exercises.check("01.1", 6)
    assert "asked is a function, got int" in capsys.readouterr().out
