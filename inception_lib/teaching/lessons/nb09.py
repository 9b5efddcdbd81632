"""09 · Your own images: answers and their check, calibration, uploads."""

import tempfile
from html import escape
from pathlib import Path

import torch
from ipywidgets import HTML, FileUpload, VBox
from torch import Tensor

from ...analysis.attribution import contrast, ranking, without
from ...training import Run, load_picture, prepare
from ...training.metrics import calibration_error, reliability
from ...training.run import folder_files, name_in
from .. import heatmap
from ..drawing import (
    COLOURS,
    Drawing,
    bars,
    figure,
    fixed_layout,
    full_contrast,
    series,
    show_image,
)
from ..explorer import Slider, explorer

GRID = 6  # squares along a side, of which a third are taken away


def explain(run: Run, picture: Tensor) -> tuple[Tensor, Tensor]:
    """K probabilities of a 1×C×S×S picture, and the h×w evidence for the likeliest
    class: what each place adds to its logit, against the mean of the other classes.
    """
    probabilities = run.predict(picture)
    return probabilities[0], run.evidence(picture, probabilities.argmax(1))[0]


@torch.no_grad()
def without_a_third(
    run: Run, picture: Tensor, evidence: Tensor, answer: int
) -> dict[str, float]:
    """The score of the class ``answer`` of a 1×C×S×S picture: whole, and without a
    third of its squares, those that the evidence ranks highest or any.

    The score is the ``contrast`` of the logits: a probability near 1 would hardly move.

    A check that the map can fail (notebook 08): what it points at should matter more
    than other places do. "Any" is the mean of three random draws.
    """
    x = prepare(picture, run.pixel_std)
    chance = torch.rand(3, *[GRID] * 2, generator=torch.Generator().manual_seed(0))
    orders = torch.cat([ranking(evidence[None], GRID), ranking(chance, GRID)])
    fill = prepare(run.fill(picture), run.pixel_std)
    pictures = torch.cat([x, without(x, orders, GRID**2 // 3, fill)])
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    logits = run.model.eval()(pictures)
    whole, by_map, *by_chance = contrast(logits, answer).tolist()
    return {
        "whole": whole,
        "map's third gone": by_map,
        "random third gone": sum(by_chance) / len(by_chance),
    }


def draw_answer(run: Run, picture: Tensor, name: str) -> Drawing:
    """What a run says to one picture (1×C×H×W uint8), which places spoke for it, and
    what becomes of the answer without them.
    """
    picture = run.fitted(picture)
    probabilities, evidence = explain(run, picture)
    fig, (bare, left, middle, right) = figure(2.8, columns=4)
    fixed_layout(fig, left=0.01, right=0.98, bottom=0.2, top=0.9, wspace=0.15)
    show_image(bare, picture[0], name, **full_contrast(picture))
    large = heatmap.enlarged(evidence, picture.shape[-1])
    third = large.quantile(2 / 3).item()  # a line goes around the highest third
    heatmap.overlay(left, picture[0], evidence, outline=third)
    left.set_title("with the evidence", fontsize=9)
    heatmap.legend(left)
    shown = probabilities.topk(min(5, len(probabilities)))
    names = [run.classes[i] for i in shown.indices.tolist()]
    values = dict(zip(names, shown.values.tolist(), strict=True))
    bars(middle, values, ["1x1"] * len(names), 2, "predicted probability")
    middle.set_xticks([0, 0.5, 1])
    left_over = without_a_third(run, picture, evidence, int(shown.indices[0]))
    whole, gone, anywhere = left_over.values()
    bars(right, left_over, ["1x1", "3x3", "light"], 1, f"score of {names[0]!r}")
    return Drawing(
        fig,
        f"{name}: {names[0]} with probability {values[names[0]]:.2f}. Laid over a "
        "copy: orange where the evidence speaks for this answer, purple against it. "
        f"Its score is {whole:.1f}, without the third that the map ranks highest "
        f"{gone:.1f}, without any third {anywhere:.1f}.",
    )


def draw_reliability(answers: dict[str, Tensor], labels: Tensor) -> Drawing:
    """Accuracy against confidence for each set of N×K probabilities: on the diagonal,
    a probability means what it says. Each group has its standard error and its number
    of images.
    """
    fig, ax = figure(3.8)
    told, lowest = [], 1.0
    for i, (name, probabilities) in enumerate(answers.items()):
        table = reliability(probabilities, labels)
        off = calibration_error(probabilities, labels)
        # What chance does to a group of this size that is right as often as it says.
        sure, right, count = (table[c] for c in ("confidence", "accuracy", "count"))
        error = (sure * (1 - sure) / count) ** 0.5
        label = f"{name}: off by {off:.3f} on average"
        ax.errorbar(sure, right, error, label=label, **series(i))
        below = {"transform": ax.get_xaxis_transform(), "color": series(i)["color"]}
        for x, n in zip(sure, count, strict=True):
            ax.text(x, 0.02 + 0.05 * i, f"{n}", fontsize=8, ha="center", **below)
        groups = ", ".join(
            f"{x:.2f} {y:.2f} of {n}"
            for x, y, n in zip(sure, right, count, strict=True)
        )
        told.append(f"{name} is off by {off:.3f} (confidence, accuracy: {groups})")
        lowest = min(lowest, sure.min())
    ax.plot([lowest, 1], [lowest, 1], ":", color=COLOURS["trunk"], zorder=0)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.15 * (top - bottom), top)  # room for the numbers
    ax.set_xlabel("how sure it is (largest probability); below: number of images")
    ax.set_ylabel("how often it is right")
    ax.set_title("reliability diagram; on the dotted line it is as it says")
    ax.legend(loc="upper left")
    return Drawing(fig, "Accuracy against confidence; " + "; ".join(told) + ".")


LARGEST_UPLOAD = (
    "up to 200 MiB, or 10 MiB if JupyterLab was started without make lab; a larger "
    "file doesn't arrive, and nothing below changes"
)


def try_picture(run: Run) -> VBox:
    """A button that takes a picture file and shows the run's answer to it.

    Odd and broken files are handled as ``load_picture`` handles them: each is either
    decoded properly or refused in one sentence, and the last answer stays. Jupyter
    drops a file over its limit before it is here to be refused: a line says so.
    """
    button = FileUpload(accept="image/*", description="choose a picture")
    button.layout.width = "auto"
    hint, note, picture = HTML(LARGEST_UPLOAD), HTML(), HTML()

    def answer(change) -> None:
        if not change["new"]:
            return
        file = change["new"][-1]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "upload")  # the content decides the format, not a name
            path.write_bytes(file["content"])
            try:
                if len(file["content"]) != file["size"]:
                    raise ValueError(f"{file['name']} arrived in part: choose it again")
                pixels = _pixels(run, path, file["name"])
            except ValueError as error:
                note.value = f"<b role='alert'>⚠ {escape(str(error))}</b>"
                return
        picture.value = draw_answer(run, pixels, file["name"]).html()
        note.value = ""

    button.observe(answer, "value")
    return VBox([button, hint, note, picture])


def browse_folder(run: Run, folder: str | Path) -> VBox:
    """Walk through the pictures in ``folder``: the run's answer to each, and where it
    looked. What can't be read is named in one sentence, and the last picture stays.

    Raises what ``Run.answer_folder`` raises, and ValueError if no file is a picture.
    """
    files = {name_in(folder, path): path for path in folder_files(folder)}
    names = list(files)

    def draw(picture: int) -> Drawing:
        name = names[picture - 1]
        return draw_answer(run, _pixels(run, files[name], name), name)

    first = next((i for i, n in enumerate(names, 1) if _is_picture(files[n])), None)
    if first is None:
        raise ValueError(f"no file in {folder} is a picture: choose another folder")
    count = len(names)
    return explorer(draw, picture=Slider("picture", first, 1, count, f"of {count}"))


def _is_picture(path: Path) -> bool:
    try:
        load_picture(path, 32)
    except ValueError:
        return False
    return True


def _pixels(run: Run, path: Path, name: str) -> Tensor:
    """The picture at ``path``; an error speaks of it by the reader's ``name``."""
    try:
        return load_picture(path, run.config.image_size, run.full_scale)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), name)) from error
