"""What a learner builds is matched, kept in a file, trained, and handed on."""

import importlib
import json
import linecache
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet, GoogLeNetOutputs
from inception_lib.teaching import exercises, kept
from inception_lib.teaching.lessons import nb05
from inception_lib.teaching.own import in_the_library, ready_to_train
from inception_lib.training import TrainingConfig, fit, solar_cells, split

BOOKS = Path(__file__).parents[2] / "notebooks"


def solution(book: str, name: str) -> str:
    """The class as the notebook's folded solution has it."""
    cells = json.loads((BOOKS / f"{book}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    (found,) = re.findall(
        rf"```python\n(?:import .*|from .*|\n)*(class {name}.*?)```", text, re.S
    )
    return found


CLASSES_OF_A_LEARNER = "\n\n".join(
    [
        solution("02_inception_module", "MyInception"),
        solution("04_auxiliary_classifiers", "MyAuxiliary"),
        solution("05_googlenet", "MyStem"),
        solution("05_googlenet", "MyGoogLeNet"),
    ]
)
NAMES: dict[str, Any] = {
    "torch": torch,
    "nn": nn,
    "F": F,
    "GOOGLENET_WIDTHS": GOOGLENET_WIDTHS,
    "GoogLeNetOutputs": GoogLeNetOutputs,
    "__name__": "my_googlenet",
}


@pytest.fixture(scope="module")
def own():
    names = dict(NAMES)
    exec(CLASSES_OF_A_LEARNER, names)
    return names


class Blank(nn.Module):
    def __init__(self):
        super().__init__()
        ...

    def forward(self, x): ...


def test_branches_that_run_in_another_order_are_told_apart(own, capsys):
    """3b's 1×1 and its reduction have the same shape: what follows tells them apart."""
    text = CLASSES_OF_A_LEARNER
    one = "        one = F.relu(self.one(x))\n"
    assert one in text
    text = text.replace(one, "").replace(
        "        pool = F.relu(self.p", one + "        pool = F.relu(self.p"
    )
    names = dict(NAMES)
    exec(text, names)
    for number, name in {"02.6": "MyInception", "05.7": "MyGoogLeNet"}.items():
        exercises.check(number, names[name])
        assert capsys.readouterr().out.startswith(f"✓ {number} ")


def cell(source: str, name: str) -> Any:
    """A class as a notebook's cell defines it, with the source where IPython has it."""
    file = f"<cell of {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names = dict(NAMES, exercises=exercises)
    exec(compile(source, file, "exec"), names)
    return names[name]


def test_what_is_kept_can_be_imported_edited_and_replaced(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    stem = solution("05_googlenet", "MyStem")
    exercises.keep(cell(f"{stem}\n\nexercises.progress()\n", "MyStem"))
    exercises.keep(cell(solution("02_inception_module", "MyInception"), "MyInception"))
    assert "kept in my_googlenet.py: MyInception\n" in capsys.readouterr().out
    text = kept.FILE.read_text()
    assert "progress" not in text
    kept.FILE.write_text(text + "\n# mine\n")
    exercises.keep(cell(stem.replace("7, stride", "9, stride"), "MyStem"))
    text = kept.FILE.read_text()
    assert "64, 9, stride" in text and "64, 7" not in text and "# mine" in text
    monkeypatch.delitem(sys.modules, "my_googlenet", raising=False)
    module = importlib.import_module("my_googlenet")
    assert module.MyInception(8, GOOGLENET_WIDTHS["3a"])(torch.zeros(1, 8, 4, 4)).shape
    sys.modules.pop("my_googlenet")


def test_what_only_another_cell_defines_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stem = solution("05_googlenet", "MyStem").replace("F.relu(", "activate(")
    exercises.keep(cell(stem, "MyStem"))
    told = capsys.readouterr().out.splitlines()
    assert told[1] == "add to the file what other cells define: activate"


def test_a_file_that_is_no_python_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept.FILE.write_text("x = (\n")
    with pytest.raises(ValueError, match="my_googlenet.py, line 1, isn't Python"):
        exercises.keep(cell(solution("05_googlenet", "MyStem"), "MyStem"))
    assert kept.FILE.read_text() == "x = (\n"


CONFIG = TrainingConfig(
    image_size=64, grow=False, epochs=1, batch_size=4, precision="float32"
)


def test_the_learners_network_is_trained_and_then_the_librarys(own, capsys):
    train, validation, _ = split(solar_cells(64), seed=0)
    few = train.subset(slice(None, 8)), validation.subset(slice(None, 4))
    model = ready_to_train(own["MyGoogLeNet"], CONFIG, 2)
    assert "In training: your own MyGoogLeNet" in capsys.readouterr().out
    run = fit(*few, CONFIG, model, progress=None)
    handed_on = in_the_library(own["MyGoogLeNet"], run)
    assert isinstance(handed_on.model, GoogLeNet)
    assert handed_on.predict(few[1]).allclose(run.predict(few[1]), atol=1e-5)
    assert len(handed_on.history) == 1


@pytest.mark.parametrize("cls", [None, Blank])
def test_without_a_class_the_librarys_network_is_trained(cls, capsys):
    assert ready_to_train(cls, CONFIG, 2) is None
    assert "In training: the library's GoogLeNet" in capsys.readouterr().out


def test_a_network_that_is_not_right_is_not_trained(own, capsys):
    text = CLASSES_OF_A_LEARNER.replace("self.head2(d), self.head1(a)", "d, a")
    names = dict(NAMES)
    exec(text, names)
    assert ready_to_train(names["MyGoogLeNet"], CONFIG, 2) is None
    assert "yours isn't right yet: " in capsys.readouterr().out


def test_their_network_is_drawn_from_its_modules(own):
    drawing = nb05.draw_tree(own["MyGoogLeNet"])
    assert "Your network" in drawing.alt and "m4a 7" in drawing.alt
    names = {text.get_text() for text in drawing.figure.axes[0].texts}
    assert {"MyGoogLeNet", "stem", "m5b", "head1"} <= names
    assert "yours is still empty" in nb05.draw_tree(Blank).alt
