"""09 · Your own images: answers, crops and views, calibration, uploads."""

import tempfile
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from ipywidgets import HTML, FileUpload, IntSlider, ToggleButtons, VBox
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
    series,
    show_image,
)
from ..explorer import explorer

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
    values = (whole, by_map, sum(by_chance) / len(by_chance))
    return dict(
        zip(("whole", "map's third gone", "random third gone"), values, strict=True)
    )


def _bars(
    ax: Axes, values: dict[str, float], colours: list[str], digits: int = 2
) -> None:
    """Numbers as bars, each with its name above it, however long that is."""
    lengths, places = list(values.values()), range(len(values))
    fills = [COLOURS[colour] for colour in colours]
    ax.barh(places, lengths, color=fills, height=0.4)
    for place, (name, value) in zip(places, values.items(), strict=True):
        ax.text(0, place - 0.28, name, fontsize=9)
        number = f" {value:.{digits}f}"
        ax.text(max(value, 0), place, number, va="center", fontsize=9)
    ax.set_yticks([])
    ax.set_ylim(len(values) - 0.6, -0.7)
    low, high = min(0, *lengths), max(1, *lengths)
    ax.set_xlim(1.05 * low, max(1.25 * high, -low))  # the names begin at 0
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
    show_image(bare, picture[0], name, vmin=0, vmax=255)
    large = heatmap.enlarged(evidence, picture.shape[-1])
    third = large.quantile(2 / 3).item()  # a line goes around the highest third
    heatmap.overlay(left, picture[0], evidence, outline=third)
    left.set_title("with the evidence", fontsize=9)
    heatmap.legend(left)
    shown = probabilities.topk(min(5, len(probabilities)))
    names = [run.classes[i] for i in shown.indices.tolist()]
    values = shown.values.tolist()
    _bars(middle, dict(zip(names, values, strict=True)), ["1x1"] * len(names))
    middle.set_xticks([0, 0.5, 1])
    middle.set_xlabel("predicted probability")
    left_over = without_a_third(run, picture, evidence, int(shown.indices[0]))
    whole, gone, anywhere = left_over.values()
    _bars(right, left_over, ["1x1", "3x3", "light"], digits=1)
    right.set_xlabel(f"score of {names[0]!r}")
    return Drawing(
        fig,
        f"{name}: {names[0]} with probability {values[0]:.2f}. Laid over a copy: "
        "orange where the evidence speaks for this answer, purple against it. Its "
        f"score is {whole:.1f}, without the third that the map ranks highest "
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
        look = series(i) | {"ls": ""}
        for ax, score, bar in zip(axes, scores[1:], (error, None), strict=True):
            label = f"{name}, averaged" if i else f"{name}, mean"
            ax.errorbar(
                kinds["passes"], kinds[score], bar, capsize=3, label=label, **look
            )
            for kind, row in kinds.iterrows():
                # Outside of the bar: above for several networks, below for one.
                end = row[score] + (1 if i else -1) * (bar or 0)
                ax.annotate(
                    str(kind).replace("_", " "),
                    (row["passes"], end),
                    xytext=(-4, 4) if i else (4, -4),
                    textcoords="offset points",
                    fontsize=8,
                    color=look["color"],
                    ha="left" if i else "right",
                    va="bottom" if i else "top",
                )
        told += [
            f"{name}, {str(kind).replace('_', ' ')} {row['accuracy']:.3f} and "
            f"{row['roc_auc']:.3f}"
            for kind, row in kinds.iterrows()
        ]
    passes = sorted(table["passes"].unique())
    ticks = [t for t in (1, 2, 4, 8, 16, 32, 64, 128) if t < 1.5 * passes[-1]]
    for ax, name in zip(axes, ("accuracy", "ROC AUC"), strict=True):
        ax.set_xscale("log")
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_ylabel(f"validation {name}")
        ax.margins(x=0.1, y=0.2)
    axes[1].set_xlabel("forward passes per picture")
    axes[1].legend(fontsize=8, frameon=False, loc="lower left")
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
        ax.errorbar(
            scores.index * 1.06 ** (i - 1.5),  # side by side, not on top of each other
            scores["mean"],
            scores["std"],
            capsize=3,
            label=str(way),
            **series(i),
        )
        values = ", ".join(f"{n}: {auc:.2f}" for n, auc in scores["mean"].items())
        told.append(f"{way} {values}")
    sizes = sorted(table["images"].unique())
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set_xlabel("images to learn from")
    ax.set_ylabel("validation ROC AUC")
    ax.set_title("another task, the same number of steps", fontsize=10)
    ax.legend(fontsize=9, frameon=False)
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
        ax.errorbar(
            sure,
            right,
            (sure * (1 - sure) / count) ** 0.5,
            capsize=3,
            **series(i),
            label=f"{name}: off by {off:.3f} on average",
        )
        for x, n in zip(sure, count, strict=True):
            where = {"xy": (x, 0.02 + 0.05 * i), "xycoords": ("data", "axes fraction")}
            ax.annotate(
                f"{n}", **where, fontsize=8, color=series(i)["color"], ha="center"
            )
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
    ax.set_title(
        "reliability diagram; on the dotted line it is as it says", fontsize=10
    )
    ax.legend(fontsize=9, frameon=False, loc="upper left")
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
        whole = side == int(scale)
        left.add_patch(
            Rectangle(
                (x, top),
                side,
                side,
                fill=False,
                ec=COLOURS["3x3" if whole else "5x5"],
                ls="-" if whole else "--",
                lw=3 if whole else 2,
            )
        )
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
    controls = {
        "scale": ToggleButtons(options=SCALES, value="320", description="scale"),
        "square": ToggleButtons(options=SQUARES, value="middle", description="square"),
    }

    def draw(scale: str, square: str) -> Drawing:
        return draw_crops(picture, scale, square)

    return explorer(draw, controls, {})


SUFFIX = ".picture"  # the content decides the format, not the name


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
            drawing = _answer(run, file["name"], bytes(file["content"]))
            picture.value = drawing.html()
            note.value = ""
        except ValueError as error:
            note.value = f"<b role='alert'>⚠ {escape(str(error))}</b>"

    button.observe(answer, "value")
    return VBox([button, note, picture])


def browse_folder(run: Run, folder: str | Path) -> VBox:
    """Walk through the pictures in ``folder``: the run's answer to each, and where it
    looked. What can't be read is named in one sentence, and the last picture stays.

    Raises what ``Run.answer_folder`` raises, and ValueError if no file is a picture.
    """
    files = {name_in(folder, path): path for path in folder_files(folder)}
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
