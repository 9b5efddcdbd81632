"""Notebooks as they are treated: twice, out of order, in odd places."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from checked_outputs import LONG, code, compared, read, shown
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


# Notebooks of a few seconds; `make test-slow` does the same with the others.
QUICK = ("00_start_here", "01_bottleneck", "02_inception_module", "05_googlenet")
# Says which of two numbers is larger, and other cells set both anew.
DEPENDS_ON_ORDER = {"01-rivals-verdict"}


@pytest.fixture
def closed(tmp_path) -> Path:
    """A folder with an odd name in which nothing can be written."""
    folder = tmp_path / ODD_PLACE
    folder.mkdir()
    folder.chmod(0o555)
    return folder


@pytest.fixture(scope="module")
def decimal_comma(tmp_path_factory) -> tuple[dict[str, str], str]:
    """A German locale, where 1.5 is written 1,5; made here, as few machines have it.

    What a kernel must know to find it, and its name.
    """
    folder = tmp_path_factory.mktemp("locales")
    make = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    if not shutil.which(make[0]):
        return {}, "C"
    done = subprocess.run(make, capture_output=True)
    if done.returncode or not (folder / "de_DE.UTF-8").exists():
        return {}, "C"
    return {"LOCPATH": str(folder)}, "de_DE.UTF-8"


def check_the_place(run: Cell) -> None:
    """That the folder is closed, and nothing but ASCII known, indeed."""
    assert "PermissionError" in str(run(new_code_cell("open('a', 'w')")))
    encoding = "import locale; print(locale.getencoding().lower())"
    [(_, answer)] = run(new_code_cell(encoding))
    assert answer.strip() in ("ansi_x3.4-1968", "us-ascii", "ascii", "646")


def speak_german(run: Cell, name: str) -> None:
    code = f"import locale; locale.setlocale(locale.LC_ALL, {name!r}); f'{{1.5:n}}'"
    assert ("'1.5'" if name == "C" else "'1,5'") in str(run(new_code_cell(code)))


def takes_no_time(run: Cell, cell: NotebookNode) -> bool:
    """Run the cell, which must work."""
    start = monotonic()
    assert failures(run(cell)) == [], cell.id
    return monotonic() - start < 1


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


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in [*LONG, "07_training"]]


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_twice_and_out_of_order_in_a_closed_folder(name, closed, decimal_comma):
    """First in ASCII, then with a decimal comma, at last what takes no time, in a
    random order.
    """
    notebook = read(name)
    cells = code(notebook)
    found, german = decimal_comma
    with kernel(notebook, closed, ASCII | found) as run:
        check_the_place(run)
        for _ in range(2):
            quick = [cell for cell in cells if takes_no_time(run, cell)]
            twice = compared(cells)
            assert twice == compared(code(read(name)))
            speak_german(run, german)
        again = run_again(run, quick)
    if name in QUICK:
        for cell in (twice.keys() & again.keys()) - DEPENDS_ON_ORDER:
            assert again[cell] == twice[cell], cell
    assert list(closed.iterdir()) == []
