"""Every notebook in a real JupyterLab, in a real Chromium, as a reader uses it."""

from contextlib import suppress
from pathlib import Path
from statistics import median

import nbformat
import pytest
from checked_outputs import code, compared
from films import check_films
from PIL import Image
from playwright.sync_api import Page, TimeoutError, expect

NOTEBOOKS = sorted(Path(__file__).resolve().parents[2].glob("notebooks/*.ipynb"))
SCRIPT = (Path(__file__).parent / "lab.js").read_text()
RUN_ALL_MS = 600_000
REDRAW_MS = 5_000
KEYS = 30
UPLOAD = "choose a picture"


@pytest.fixture(scope="module")
def window(browser):
    """For all notebooks, one after the other: JupyterLab itself takes long to load."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield page
    page.close()


@pytest.fixture
def page(window):
    yield window
    window.evaluate("lab.leave()")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_its_sliders_move(notebook, lab, page, capsys, tmp_path):
    open_notebook(page, lab, notebook)
    log_start = lab.log.stat().st_size
    run_all(page)

    assert page.evaluate("lab.errors()") == []
    assert page.evaluate("lab.missingWidgets()") == []
    text = page.locator(".jp-Notebook").inner_text()
    assert "Error displaying widget" not in text
    assert "interactive(children=" not in text
    outputs = compared(code(on_the_page(page)))
    committed = compared(code(nbformat.read(notebook, as_version=4)))
    assert outputs == {cell: committed[cell] for cell in outputs} and outputs

    films = notebook.read_text(encoding="utf-8").count("data:image/webp")
    assert check_films(page) == films

    # The buttons first: a slider at its end may leave them nothing to change.
    clicks = [
        click_button(page, number)
        for number in range(page.evaluate("lab.buttons().length"))
    ]
    moved = [milliseconds for milliseconds in clicks if milliseconds is not None]
    assert moved or not clicks
    latencies = []
    for number in range(page.evaluate("lab.handles().length")):
        latencies.append(move_slider(page, number))
    held = 0.0
    if notebook == NOTEBOOKS[0]:
        held = hold_a_key(page)
        assert held < KEYS / 3 * latencies[0]  # those still drawn are a few, not all
    if page.get_by_role("button", name=UPLOAD).count():
        upload_a_picture(page, tmp_path)
    page.screenshot(path=lab.log.with_name(f"{notebook.stem}.png"))
    with capsys.disabled():
        print(f"\n{notebook.stem}, ms to the picture:", end=" ")
        print("slider", *map(round, latencies), "· button", *map(round, moved), end=" ")
        print(f"· {KEYS} keys, the last after {held:.0f}" if held else "")

    assert page.evaluate("[...lab.errors(), ...lab.messages]") == []
    with lab.log.open() as log:
        log.seek(log_start)
        assert "Traceback" not in log.read()
    if notebook == NOTEBOOKS[0]:
        saving_fails_in_words(page, lab.folder)


def saving_fails_in_words(page: Page, folder: Path) -> None:
    """The folder is closed: the reader's page stays, and so does what lies there."""
    path = folder / NOTEBOOKS[0].name
    before = path.read_bytes()
    page.evaluate("void jupyterapp.commands.execute('docmanager:save')")
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Document is read-only")
    dialog.get_by_role("button", name="Ok").click()
    assert page.evaluate("lab.errors()") == []
    assert page.evaluate("lab.handles().length") > 0
    assert path.read_bytes() == before
    assert len(list(folder.iterdir())) == len(NOTEBOOKS)


def open_notebook(page: Page, lab, notebook: Path) -> None:
    if page.url == "about:blank":
        page.goto(lab.address(notebook))
        page.evaluate(SCRIPT)
    else:
        page.evaluate("path => lab.open(path)", notebook.name)
    page.wait_for_function("lab.idle()", timeout=60_000)
    page.evaluate("lab.listen()")


def run_all(page: Page) -> None:
    """By the menu's command."""
    page.evaluate("void jupyterapp.commands.execute('runmenu:run-all')")
    page.wait_for_function("lab.finished()", timeout=RUN_ALL_MS, polling=200)
    expect(page.get_by_text("Loading widget...")).to_have_count(0)


def on_the_page(page: Page) -> nbformat.NotebookNode:
    """The notebook with the outputs that it has now."""
    return nbformat.reads(page.evaluate("lab.notebook()"), as_version=4)


def upload_a_picture(page: Page, folder: Path) -> None:
    """A large one of 12 MB, a good one, then a broken one: pictures, then a sentence
    below the last.
    """
    large, good, broken = (
        folder / name for name in ("l.bmp", "mine.png", "broken.png")
    )
    Image.new("RGB", (2000, 2000), "grey").save(large)
    Image.new("RGB", (80, 60), "grey").save(good)
    broken.write_text("no picture")
    for path in (large, good, broken):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=UPLOAD).click()
        chooser.value.set_files(path)
        if path == broken:
            expect(page.get_by_role("alert")).to_contain_text("broken.png can't be")
        name = large.name if path == large else good.name
        expect(page.locator(f'img[alt^="{name}: "]')).to_have_count(1)


def click_button(page: Page, number: int) -> float | None:
    """Click on one that isn't pressed in; the milliseconds until the cell changed.

    None if it doesn't: "only wrong" may begin with the picture that "all" begins with.
    """
    page.evaluate(f"lab.watch(lab.buttons()[{number}], 'click')")
    page.evaluate_handle("lab.control").as_element().click()
    milliseconds = None
    with suppress(TimeoutError):
        changed = page.wait_for_function("lab.changed()", timeout=REDRAW_MS)
        milliseconds = changed.json_value()
    page.wait_for_function("lab.idle()")
    wrong = page.evaluate("[...lab.errors(), ...lab.messages]")
    assert wrong == [], f"row of buttons {number + 1}"
    return milliseconds


def move_slider(page: Page, number: int) -> float:
    """Press keys on a slider's handle; the median milliseconds until the cell changed.

    At its upper end a slider can't go right: then left is what changes the cell.
    Home and End come last: all that is asked of them is that nothing is raised.
    """
    latencies = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "End", "Home"):
        page.evaluate(f"lab.watch(lab.handles()[{number}])")
        before = page.evaluate("lab.value()")
        page.keyboard.press(key)
        if page.evaluate("lab.value()") == before:
            continue  # it stands at its end
        try:
            changed = page.wait_for_function("lab.changed()", timeout=REDRAW_MS)
            latencies.append(changed.json_value())
        except TimeoutError:
            continue
        page.wait_for_function("lab.idle()")
        wrong = page.evaluate("[...lab.errors(), ...lab.messages]")
        assert wrong == [], f"slider {number + 1}, {key}"
    assert latencies, f"slider {number + 1} changes nothing in its cell"
    return median(latencies)


def hold_a_key(page: Page) -> float:
    """Hold a key on the first slider; the milliseconds from the last of its repeats to
    the last picture.
    """
    page.evaluate("lab.watchHeld(0)")
    for _ in range(KEYS):
        page.keyboard.down("ArrowRight")
        page.wait_for_timeout(30)  # as a keyboard repeats
    page.keyboard.up("ArrowRight")
    milliseconds = page.wait_for_function("lab.settled()", timeout=60_000).json_value()
    value, description = page.evaluate("lab.valueAndDescription(0)")
    assert value > KEYS / 2 and description.startswith(f"{value} to ")
    return milliseconds
