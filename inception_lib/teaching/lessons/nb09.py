"""09 · Your own images: answers, crops and views, calibration, uploads."""

import tempfile
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ipywidgets import HTML, FileUpload, VBox
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from ...analysis.attribution import contrast, ranking, without
from ...training import Run, load_picture, prepare
from ...training.metrics import calibration_error, reliability
from ...training.run import folder_files, name_in
from ...training.views import SHORTER_SIDES, Crop, paper_crops
from .. import heatmap
from ..drawing import (
    COLOURS,
    Drawing,
    figure,
    fixed_layout,
    log_axis,
    series,
    show_image,
)
from ..explorer import Choice, Slider, explorer

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


def _bars(
    ax: Axes, values: dict[str, float], colours: list[str], digits: int, label: str
) -> None:
    """Numbers as bars, each with its name above it, however long that is."""
    fills = [COLOURS[colour] for colour in colours]
    ax.barh(range(len(values)), list(values.values()), 0.4, color=fills)
    for place, (name, value) in enumerate(values.items()):
        ax.text(0, place - 0.28, name)
        ax.text(max(value, 0), place, f" {value:.{digits}f}", va="center")
    low, high = min(0, *values.values()), max(1, *values.values())
    ax.set_xlim(1.05 * low, max(1.25 * high, -low))  # the names begin at 0
    ax.set(ylim=(len(values) - 0.6, -0.7), yticks=[], xlabel=label)
    ax.axvline(0, color="black", lw=0.8)
    ax.spines["left"].set_visible(False)


def draw_answer(run: Run, picture: Tensor, name: str) -> Drawing:
    """What a run says to one picture (1×C×H×W uint8), which places spoke for it, and
    what becomes of the answer without them.
    """
    picture = run.fitted(picture)
    probabilities, evidence = explain(run, picture)
    fig, (bare, left, middle, right) = figure(2.4, columns=4)
    fixed_layout(fig, left=0.01, right=0.98, bottom=0.2, top=0.9, wspace=0.15)
    show_image(bare, picture[0], name)
    large = heatmap.enlarged(evidence, picture.shape[-1])
    third = large.quantile(2 / 3).item()  # a line goes around the highest third
    heatmap.overlay(left, picture[0], evidence, outline=third)
    left.set_title("with the evidence", fontsize=9)
    heatmap.legend(left)
    shown = probabilities.topk(min(5, len(probabilities)))
    names = [run.classes[i] for i in shown.indices.tolist()]
    values = dict(zip(names, shown.values.tolist(), strict=True))
    _bars(middle, values, ["1x1"] * len(names), 2, "predicted probability")
    middle.set_xticks([0, 0.5, 1])
    left_over = without_a_third(run, picture, evidence, int(shown.indices[0]))
    whole, gone, anywhere = left_over.values()
    _bars(right, left_over, ["1x1", "3x3", "light"], 1, f"score of {names[0]!r}")
    return Drawing(
        fig,
        f"{name}: {names[0]} with probability {values[names[0]]:.2f}. Laid over a "
        "copy: orange where the evidence speaks for this answer, purple against it. "
        f"Its score is {whole:.1f}, without the third that the map ranks highest "
        f"{gone:.1f}, without any third {anywhere:.1f}.",
    )


def draw_views(table: pd.DataFrame, error: float) -> Drawing:
    """Accuracy and ROC AUC against cost, from ``results.table("views")``: the mean of
    single networks, and all of them together; ``error`` is the standard error of one
    accuracy.
    """
    fig, axes = figure(5.4, rows=2)
    together = table["seed"] == "all"
    count = table["seed"].nunique() - 1
    groups = {"one network": table[~together], f"{count} networks": table[together]}
    told = []
    for i, (name, rows) in enumerate(groups.items()):
        scores = ["passes", "accuracy", "roc_auc"]
        kinds = rows.groupby("views", sort=False)[scores].mean()
        kinds.index = kinds.index.str.replace("_", " ")
        label = f"{name}, averaged" if i else f"{name}, mean"
        look = series(i) | {"ls": ""}
        # Beside the bar: above for several networks, below for one.
        place = {"xytext": (-4, 4), "ha": "left", "va": "bottom"}
        if not i:
            place = {"xytext": (4, -4), "ha": "right", "va": "top"}
        for ax, score, bar in zip(axes, scores[1:], (error, 0), strict=True):
            ax.errorbar(kinds["passes"], kinds[score], bar, label=label, **look)
            ends = kinds[score] + (bar if i else -bar)
            for kind, passes, end in zip(
                kinds.index, kinds["passes"], ends, strict=True
            ):
                text = {"fontsize": 8, "color": look["color"], **place}
                ax.annotate(kind, (passes, end), textcoords="offset points", **text)
        told += [
            f"{name}, {kind} {row['accuracy']:.3f} and {row['roc_auc']:.3f}"
            for kind, row in kinds.iterrows()
        ]
    most = table["passes"].max()
    for ax, name in zip(axes, ("accuracy", "ROC AUC"), strict=True):
        log_axis(ax, [t for t in (1, 2, 4, 8, 16, 32, 64, 128) if t < 1.5 * most])
        ax.set_ylabel(f"validation {name}")
        ax.margins(x=0.1, y=0.2)
    axes[1].set_xlabel("forward passes per picture")
    axes[1].legend(fontsize=8, loc="lower left")
    return Drawing(
        fig,
        f"Accuracy and ROC AUC against forward passes per picture: {', '.join(told)}.",
    )


def draw_finetuning(table: pd.DataFrame) -> Drawing:
    """ROC AUC against the number of images, from ``results.table("finetuning")``: a
    line per way, the mean over its seeds and their standard deviation.
    """
    fig, ax = figure(3.4)
    told = []
    for i, (way, rows) in enumerate(table.groupby("way", sort=False)):
        scores = rows.groupby("images")["roc_auc"].agg(["mean", "std"])
        sizes = scores.index * 1.06 ** (i - 1.5)  # beside each other
        ax.errorbar(sizes, scores["mean"], scores["std"], label=str(way), **series(i))
        values = ", ".join(f"{n}: {auc:.2f}" for n, auc in scores["mean"].items())
        told.append(f"{way} {values}")
    log_axis(ax, sorted(table["images"].unique()))
    ax.set_xlabel("images to learn from")
    ax.set_ylabel("validation ROC AUC")
    ax.set_title("another task, the same number of steps")
    ax.legend()
    return Drawing(fig, f"ROC AUC by the number of images: {'; '.join(told)}.")


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


SIZE = 224
SCALES = [str(side) for side in SHORTER_SIDES]
SQUARES = ["first", "middle", "last"]


def coverage(height: int, width: int, crops: list[Crop]) -> np.ndarray:
    """The share of the crops that see each pixel of the picture: height × width."""
    seen = np.zeros((height, width))
    for crop in crops:
        y, x = height / crop.height, width / crop.width
        rows = slice(round(crop.top * y), round((crop.top + crop.side) * y))
        columns = slice(round(crop.left * x), round((crop.left + crop.side) * x))
        seen[rows, columns] += 1
    return seen / len(crops)


def draw_crops(
    picture: np.ndarray, scale: str = "320", square: str = "middle"
) -> Drawing:
    """Of a picture (H×W×3 uint8) at one ``scale``, the shorter side in pixels: one
    square, whole and in five crops; beside it how often each place is seen in all 144.
    """
    rows, columns = picture.shape[:2]
    crops = paper_crops(rows, columns, SIZE)
    here = [c for c in crops if min(c.height, c.width) == int(scale)]
    third = len(here) // len(SQUARES)
    own = here[third * SQUARES.index(square) :][:third]
    boxes = dict.fromkeys((c.top, c.left, c.side) for c in own)
    height, width = own[0].height, own[0].width

    fig, (left, right) = figure(3.0, columns=2)
    fixed_layout(fig, left=0.01, right=0.98, bottom=0.03, top=0.92, wspace=0.04)
    title = f"{width}×{height}, the {square} square: {len(own)} crops"
    show_image(left, picture, title, extent=(0, width, height, 0))
    for top, x, side in boxes:
        look: dict[str, Any] = {"ec": COLOURS["5x5"], "ls": "--", "lw": 2}
        if side == int(scale):
            look = {"ec": COLOURS["3x3"], "ls": "-", "lw": 3}
        left.add_patch(Rectangle((x, top), side, side, fill=False, **look))
    seen = 100 * coverage(rows, columns, crops)
    middle, corner = seen[rows // 2, columns // 2], seen[0, 0]
    show_image(right, seen, "how often each place is seen", vmin=0, vmax=100)
    fig.colorbar(right.images[0], ax=right, label="% of the 144 crops", shrink=0.8)
    return Drawing(
        fig,
        f"A picture scaled to {width}×{height}. Solid: the {square} square, {scale} "
        f"pixels wide; dashed: its four corners and its centre at {SIZE}×{SIZE}; each "
        f"is taken as it is and flipped. Of all 144 crops {middle:.0f} % see the "
        f"middle of the picture and {corner:.0f} % its corner.",
    )


def browse_crops(picture: np.ndarray) -> VBox:
    """Walk through the paper's crops of a picture (H×W×3 uint8): scale and square."""
    return explorer(
        partial(draw_crops, picture),
        scale=Choice("scale", SCALES, value="320"),
        square=Choice("square", SQUARES, value="middle"),
    )


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
