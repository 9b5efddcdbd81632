"""Hand a picture to a trained network, from the notebook."""

import tempfile
from html import escape
from pathlib import Path

from ipywidgets import HTML, FileUpload, VBox

from ..training import Run, load_picture
from .own_figures import draw_answer
from .sliders.explorer import img

SUFFIX = ".picture"  # formats are told by content, whatever the name says


def try_picture(run: Run) -> VBox:
    """A button that takes a picture file and shows the run's answer to it.

    Odd and broken files are handled as ``load_picture`` handles them: each is either
    decoded properly or refused in one sentence, and the last answer stays.
    """
    button = FileUpload(accept="image/*", description="choose a picture")
    button.layout.width = "auto"
    note, picture = HTML(), HTML()

    def answer(change) -> None:
        if not change["new"]:
            return
        file = change["new"][-1]
        try:
            picture.value = img(*_answer(run, file["name"], bytes(file["content"])))
            note.value = ""
        except ValueError as error:
            note.value = f"<b role='alert'>⚠ {escape(str(error))}</b>"

    button.observe(answer, "value")
    return VBox([button, note, picture])


def _answer(run: Run, name: str, content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload" + SUFFIX)
        path.write_bytes(content)
        try:
            pixels = load_picture(path, run.config.image_size)
        except ValueError as error:
            # Speak of the reader's file, not of the copy.
            raise ValueError(str(error).replace(str(path), name)) from error
    return draw_answer(run, pixels, name)
