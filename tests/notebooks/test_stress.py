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

import pytest
from checked_outputs import NOTEBOOKS, code, compared, read, shown
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

TIMEOUT = 300  # seconds for a cell
# Containers run as root, whom no permission stops. Without these two capabilities it is
# bound by the permissions of what it owns, like everybody else.
FAST_TRAINING = Path(__file__).parents[1] / "fast_training.py"
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
# Nothing but ASCII, as on an old server: Python would else choose UTF-8 by itself.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ODD_PLACE = "Übung 1 – mit Leerzeichen, 電池"

Cell = Callable[[NotebookNode], list]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns
    monkeypatch.setenv("PYTHONSTARTUP", str(FAST_TRAINING))


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


def failures(outputs: list) -> list:
    return [output for output in outputs if output[0] == "error"]


# Notebooks of a few seconds; `make test-slow` does it with the others.
QUICK = ("00_start_here", "01_bottleneck", "02_inception_module", "05_googlenet")
SLOW = sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - {*QUICK})
# Says which of two numbers is larger, and other cells set both anew.
DEPENDS_ON_ORDER = {"01-rivals-verdict"}


@pytest.fixture
def closed(tmp_path) -> Path:
    """A folder with an odd name in which nothing can be written."""
    folder = tmp_path / ODD_PLACE
    folder.mkdir()
    folder.chmod(0o555)
    return folder


def run_again(run: Cell, cells: list[NotebookNode]) -> dict[str, list]:
    """Run the cells in a random order: each works, or fails in one clear line. The
    outputs of those that work.
    """
    worked = {}
    for cell in random.Random(0).sample(cells, len(cells)):
        outputs = run(cell)
        for _, kind, message in failures(outputs):
            assert kind and message and "\n" not in message, cell.id
        if not failures(outputs):
            worked[cell.id] = outputs
    assert run(new_code_cell("print(6 * 7)")) == [("stdout", "42\n")]
    return worked


def takes_no_time(run: Cell, cell: NotebookNode) -> bool:
    """Run the cell, which must work."""
    start = monotonic()
    assert failures(run(cell)) == [], cell.id
    return monotonic() - start < 1


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_twice_and_out_of_order_in_a_closed_folder_in_ascii(name, closed):
    """Of the quick notebooks, what takes over a second isn't run a second time."""
    notebook = read(name)
    cells = code(notebook)
    with kernel(notebook, closed, ASCII) as run:
        quick = [cell for cell in cells if takes_no_time(run, cell)]
        committed = compared(code(read(name)))
        assert compared(cells) == committed
        for cell in quick if name in QUICK else cells:
            assert failures(run(cell)) == [], cell.id
        assert compared(cells) == committed
        again = run_again(run, quick)
    for cell_id in (committed.keys() & again.keys()) - DEPENDS_ON_ORDER:
        if name in QUICK:
            assert again[cell_id] == committed[cell_id], cell_id
    assert list(closed.iterdir()) == []


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


def test_run_all_gives_the_same_with_a_decimal_comma(tmp_path, decimal_comma):
    name = "02_inception_module"
    german = "import locale; locale.setlocale(locale.LC_ALL, ''); f'{1.5:n}'"
    comma = "'1,5'" if "LOCPATH" in decimal_comma else "'1.5'"
    notebook = read(name)
    cells = code(notebook)
    with kernel(notebook, tmp_path, decimal_comma) as run:
        assert comma in str(run(new_code_cell(german)))
        for cell in cells:
            assert failures(run(cell)) == [], cell.id
    assert compared(cells) == compared(code(read(name)))


def test_the_closed_folder_is_closed_indeed(closed):
    notebook = read("00_start_here")
    with kernel(notebook, closed, ASCII) as run:
        assert "PermissionError" in str(run(new_code_cell("open('a', 'w')")))
        encoding = "import locale; print(locale.getencoding().lower())"
        [(_, answer)] = run(new_code_cell(encoding))
    assert answer.strip() in ("ansi_x3.4-1968", "us-ascii", "ascii", "646")


TINY = """
import tempfile
from pathlib import Path
from inception_lib.teaching.live import LiveTraining
from inception_lib.training import TrainingConfig, fit, solar_cells
cells = solar_cells(64)
train, validation = cells.subset(range(0, 640, 40)), cells.subset(range(20, 660, 40))
options = {"image_size": 64, "batch_size": 8, "precision": "float32", "grow": False}
config = TrainingConfig(epochs=10_000, **options)
model = None
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
    monkeypatch.delenv("PYTHONSTARTUP")
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
