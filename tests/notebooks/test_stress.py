"""Notebooks as they are treated: twice, out of order, interrupted, in odd places."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from threading import Thread
from time import monotonic, sleep

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TIMEOUT = 300  # seconds for a cell
IGNORED = "nbval-ignore-output"
WIDGET = "application/vnd.jupyter.widget-view+json"
# Containers run as root, whom no permission stops. Without these two capabilities it is
# bound by the permissions of what it owns, like everybody else.
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
# Nothing but ASCII, as on an old server: Python would else choose UTF-8 by itself.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ODD_PLACE = "Übung 1 – mit Leerzeichen, 電池"

Cell = Callable[[NotebookNode], list]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns
    monkeypatch.setenv("INCEPTION_LIB_FAST_TRAINING", "1")


@contextmanager
def kernel(notebook: NotebookNode, folder: Path, env=None) -> Iterator[Cell]:
    """A kernel of its own in ``folder``; it gives a function that runs a cell."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=TIMEOUT,
        allow_errors=True,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    if bound_by_permissions():
        kernelspec = client.create_kernel_manager().kernel_spec
        # "python" alone means this one only where it comes first.
        kernelspec.argv = [*BOUND, sys.executable, *kernelspec.argv[1:]]

    def run(cell: NotebookNode) -> list:
        if cell not in notebook.cells:
            notebook.cells.append(cell)
        client.execute_cell(cell, notebook.cells.index(cell))
        return shown(cell)

    environment = {**os.environ, **(env or {})}
    with client.setup_kernel(env=environment, cleanup_kc=True):
        yield run


def bound_by_permissions() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which(BOUND[0]))


def shown(cell: NotebookNode) -> list:
    """What nbval compares: texts, tables and errors, but no pictures."""
    outputs = []
    for output in cell.outputs:
        if output.output_type == "error":
            outputs.append(("error", output.ename, output.evalue))
        elif output.output_type == "stream":
            outputs.append((output.name, output.text))
        else:
            kinds = {k for k in output.data if k != WIDGET and k[:6] != "image/"}
            outputs.append(("data", {kind: output.data[kind] for kind in kinds}))
    return outputs


def read(name: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def compared(cells: list[NotebookNode]) -> dict[str, list]:
    """The outputs that must not change, by the cell's name."""
    tagged = [cell for cell in cells if IGNORED in cell.metadata.get("tags", [])]
    return {cell.id: shown(cell) for cell in cells if cell not in tagged}


def failures(outputs: list) -> list:
    return [output for output in outputs if output[0] == "error"]


@pytest.mark.parametrize("name", ["02_inception_module", "05_googlenet"])
def test_run_all_twice_and_then_out_of_order_in_one_kernel(name):
    notebook = read(name)
    cells = code(notebook)
    with kernel(notebook, NOTEBOOKS) as run:
        for _ in range(2):
            for cell in cells:
                assert failures(run(cell)) == [], cell.id
        twice = compared(cells)
        for cell in random.Random(0).sample(cells, len(cells)):
            outputs = run(cell)
            for _, kind, message in failures(outputs):
                assert kind and message and "\n" not in message, cell.id
            if cell.id in twice and not failures(outputs):
                assert outputs == twice[cell.id], cell.id
        assert run(new_code_cell("print(6 * 7)")) == [("stdout", "42\n")]
    assert twice == compared(code(read(name)))


@pytest.fixture(scope="module")
def decimal_comma(tmp_path_factory) -> dict[str, str]:
    """A German locale, where 1.5 is written 1,5; made here, as few machines have it."""
    folder = tmp_path_factory.mktemp("locales")
    make = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    if not shutil.which(make[0]):
        return {"LC_ALL": "C"}
    done = subprocess.run(make, capture_output=True)
    if done.returncode or not (folder / "de_DE.UTF-8").exists():
        return {"LC_ALL": "C"}
    return {"LC_ALL": "de_DE.UTF-8", "LOCPATH": str(folder)}


def test_restart_and_run_all_gives_the_same_wherever_it_is_done(
    tmp_path, decimal_comma
):
    """Three times, each in a worse place, and each equal to the committed outputs."""
    name = "02_inception_module"
    odd, closed = tmp_path / ODD_PLACE, tmp_path / "closed"
    for folder in (odd, closed):
        folder.mkdir()
    closed.chmod(0o555)
    german = "import locale; locale.setlocale(locale.LC_ALL, ''); f'{1.5:n}'"
    comma = "'1,5'" if "LOCPATH" in decimal_comma else "'1.5'"
    encoding = "import locale, os; open('a', 'w')"
    for folder, env, first, answer in (
        (odd, {}, "import os; os.path.basename(os.getcwd())", repr(ODD_PLACE)),
        (odd, decimal_comma, german, comma),
        (closed, ASCII, encoding, "PermissionError"),
    ):
        notebook = read(name)
        cells = code(notebook)
        with kernel(notebook, folder, env) as run:
            assert answer in str(run(new_code_cell(first)))
            for cell in cells:
                assert failures(run(cell)) == [], cell.id
        assert compared(cells) == compared(code(read(name)))
    assert list(closed.iterdir()) == []


def test_the_first_notebook_runs_where_nothing_can_be_written(tmp_path):
    """Its check of the environment too, in ASCII, in a path that isn't."""
    name, folder = "00_start_here", tmp_path / ODD_PLACE
    folder.mkdir()
    folder.chmod(0o555)
    notebook = read(name)
    with kernel(notebook, folder, ASCII) as run:
        for cell in code(notebook):
            assert failures(run(cell)) == [], cell.id
    assert compared(code(notebook)) == compared(code(read(name)))
    assert list(folder.iterdir()) == []


TINY = """
import tempfile
from pathlib import Path
from inception_lib.teaching.live import LiveTraining
from inception_lib.training import TrainingConfig, fit, solar_cells
cells = solar_cells(64)
train, validation = cells.subset(range(0, 640, 40)), cells.subset(range(20, 660, 40))
options = {"image_size": 64, "batch_size": 8, "precision": "float32", "grow": False}
config = TrainingConfig(epochs=10_000, **options)
checkpoint = Path(tempfile.mkdtemp()) / "checkpoint.safetensors"
"""
GO_ON = """
def stop(history):
    if len(history) == epochs + 1:
        raise KeyboardInterrupt
epochs = len(run.history)
more = fit(train, validation, config, progress=None, on_epoch=stop,
           checkpoint=checkpoint, resume=True)
print(run.interrupted, tuple(run.predict(validation).shape), epochs >= 1)
print(list(more.history["epoch"]) == list(range(1, epochs + 2)))
"""


def test_an_interrupted_training_leaves_a_model_and_can_go_on(monkeypatch):
    """The cell of 07, with little data, a checkpoint, and epochs without an end."""
    monkeypatch.delenv("INCEPTION_LIB_FAST_TRAINING")
    notebook = read("07_training")
    (cell,) = [cell for cell in code(notebook) if cell.id == "07-fit"]
    cell.source = cell.source.replace("live.draw", "live.draw, checkpoint=checkpoint")
    cell.outputs = []
    with kernel(notebook, NOTEBOOKS) as run:
        assert run(new_code_cell(TINY)) == []
        [(_, number)] = run(new_code_cell("import os; print(os.getpid())"))
        reader = Thread(target=interrupt_at_a_picture, args=(cell, int(number)))
        reader.start()
        assert failures(run(cell)) == []
        reader.join()
        said = "True (16, 2) True\nTrue\n"
        assert run(new_code_cell(GO_ON)) == [("stdout", said)]


def interrupt_at_a_picture(cell: NotebookNode, process: int) -> None:
    """What Kernel → Interrupt sends, as soon as the cell shows the curves."""
    end = monotonic() + TIMEOUT
    while not any("image/png" in output.get("data", {}) for output in cell.outputs):
        if monotonic() > end:
            return
        sleep(0.1)
    os.kill(process, SIGINT)
