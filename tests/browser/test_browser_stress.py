"""JupyterLab where it is hard: an odd path, a folder that is closed, an interrupt."""

import os
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from playwright.sync_api import Page, expect
from test_browser import (
    NOTEBOOKS,
    RUN_ALL_MS,
    move_slider,
    open_notebook,
)

FIRST, TRAINING = "00_start_here.ipynb", "07_interrupted.ipynb"
# Root, as whom containers run, is bound by permissions only without these.
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
DATA = """\
from inception_lib.teaching.live import LiveTraining
from inception_lib.training import TrainingConfig, fit, solar_cells
fit = fit.__wrapped__  # not cut short
cells = solar_cells(64)
train, validation = cells.subset(range(0, 640, 40)), cells.subset(range(20, 660, 40))
config = TrainingConfig(image_size=64, batch_size=8, epochs=10_000, grow=False)
model = None  # the library's own
"""
AFTER = "print('usable:', run.interrupted, tuple(run.predict(validation).shape))"
GO_ON = """\
short = TrainingConfig(image_size=64, batch_size=8, epochs=1)
more = fit(train, validation, short, progress=None)
print('trained again:', len(more.history))
"""


def lesson(name: str) -> NotebookNode:
    """A notebook of the series without its outputs."""
    (path,) = [path for path in NOTEBOOKS if path.name == name]
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


@pytest.fixture(scope="module")
def lab(start_lab, tmp_path_factory):
    """A server on a folder with spaces and non-ASCII letters that can't be written."""
    home = tmp_path_factory.mktemp("Kurs – 電池")
    folder = home / "Mein Projekt, Größe 1" / "notebooks"
    folder.mkdir(parents=True)
    nbformat.write(lesson(FIRST), folder / FIRST)
    training = lesson("07_training.ipynb")
    (fit,) = [cell.source for cell in training.cells if cell.id == "07-fit"]
    training.cells = [new_code_cell(source) for source in (DATA, fit, AFTER, GO_ON)]
    nbformat.write(training, folder / TRAINING)
    for path in (*folder.iterdir(), folder):
        path.chmod(0o444 if path.is_file() else 0o555)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with start_lab(home, folder, BOUND if root else ()) as lab:
        yield lab


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield page
    page.close()


def test_in_a_closed_folder_all_runs_and_saving_fails_in_words(lab, page):
    path = lab.folder / FIRST
    before = path.read_bytes()
    open_notebook(page, lab, path)
    restart_and_run_all(page)
    page.wait_for_function("lab.finished()", timeout=RUN_ALL_MS, polling=200)
    assert page.evaluate("[...lab.errors(), ...lab.missingWidgets()]") == []
    move_slider(page, 0)
    page.evaluate("void jupyterapp.commands.execute('docmanager:save')")
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Document is read-only")
    dialog.get_by_role("button", name="Ok").click()
    # The reader's page is as it was, and so is what lies in the folder.
    assert page.evaluate("lab.errors()") == []
    assert page.evaluate("lab.handles().length") > 0
    assert path.read_bytes() == before
    assert {p.name for p in lab.folder.iterdir()} == {FIRST, TRAINING}
    page.evaluate("lab.panel().sessionContext.shutdown()")


def test_an_interrupted_training_goes_on_to_the_next_cell(lab, page):
    open_notebook(page, lab, Path(TRAINING))
    restart_and_run_all(page)
    curves = page.locator(".jp-RenderedImage img")
    expect(curves).to_have_count(1, timeout=RUN_ALL_MS)
    page.evaluate("void jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.wait_for_function("lab.finished()", timeout=RUN_ALL_MS, polling=200)
    assert page.evaluate("lab.messages") == []
    notebook = page.locator(".jp-Notebook")
    expect(notebook).to_contain_text("usable: True (16, 2)")
    expect(notebook).to_contain_text("trained again: 1")
    page.evaluate("lab.panel().sessionContext.shutdown()")


def restart_and_run_all(page: Page) -> None:
    """By the menu's command, with a click on its question."""
    page.evaluate("void jupyterapp.commands.execute('runmenu:restart-and-run-all')")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
