"""Hand a picture to a trained network, from the notebook."""

import tempfile
from html import escape
from pathlib import Path

import pandas as pd
from ipywidgets import HTML, FileUpload, IntSlider, VBox

from ..training import Run, load_picture
from .own_figures import draw_answer, explain, fitting
from .sliders.explorer import Drawing, explorer, img

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


def answer_folder(run: Run, folder: str | Path) -> pd.DataFrame:
    """A row per file in ``folder`` and its subfolders: the run's answer and its
    probability, or why there is none.

    Hidden files and links are passed over. Raises FileNotFoundError if there is no such
    folder, and ValueError if it holds no file.
    """
    rows = {}
    for name, path in _files(folder).items():
        row: dict[str, object] = {"answer": "", "probability": None, "problem": ""}
        try:
            picture = load_picture(path, run.config.image_size)
            probabilities, _ = explain(run, fitting(run, picture))
            likeliest = int(probabilities.argmax())
            row["answer"] = run.classes[likeliest]
            row["probability"] = round(probabilities[likeliest].item(), 3)
        except ValueError as error:
            row["problem"] = str(error).replace(str(path), name)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def browse_folder(run: Run, folder: str | Path) -> VBox:
    """Walk through the pictures in ``folder``: the run's answer to each, and where it
    looked. What can't be read is named in one sentence, and the last picture stays.

    Raises what ``answer_folder`` raises, and ValueError if no file is a picture.
    """
    files = _files(folder)
    names = list(files)

    def draw(picture: int) -> Drawing:
        name = names[picture - 1]
        try:
            pixels = load_picture(files[name], run.config.image_size)
        except ValueError as error:
            raise ValueError(str(error).replace(str(files[name]), name)) from error
        return draw_answer(run, pixels, name)

    readable = (i for i, name in enumerate(names, 1) if _is_picture(files[name]))
    first = next(readable, None)
    if first is None:
        raise ValueError(f"no file in {folder} is a picture: choose another folder")
    position = IntSlider(first, 1, len(names), description="picture")
    return explorer(draw, {"picture": position}, {"picture": f"of {len(names)}"})


def _files(folder: str | Path) -> dict[str, Path]:
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: check its name")
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            files[name.as_posix()] = path
    if not files:
        raise ValueError(f"there is no file in {folder}: put pictures into it")
    return files


def _is_picture(path: Path) -> bool:
    try:
        load_picture(path, 32)
    except ValueError:
        return False
    return True


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
