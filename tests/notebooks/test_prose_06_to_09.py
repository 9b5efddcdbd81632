"""Numbers that the text of these notebooks states and no cell beside it prints."""

import re
from functools import cache

import lesson_tables
import prose
import torch

from inception_lib.analysis import costs
from inception_lib.analysis.receptive_field import first_centres, receptive_fields
from inception_lib.model import GOOGLENET_WIDTHS, GoogLeNet
from inception_lib.teaching import results
from inception_lib.teaching.trained import QUICK
from inception_lib.training import TrainingConfig, baseline, metrics
from inception_lib.training.config import image_sizes
from inception_lib.training.step import AUGMENTATION

RECIPE = TrainingConfig()


def points(accuracy, n):
    """The standard error of an accuracy on n images, in points."""
    return f"{100 * metrics.standard_error(accuracy, n):.1f}"


def grown():
    """The size of the images in each epoch of the recipe."""
    return image_sizes(RECIPE)


def runs(name, column):
    """A score of the repeated runs of that name."""
    seeds = results.table("seeds")
    return seeds.loc[seeds["run"] == name, column]


def as_long_as_45_epochs():
    """The minutes of AdamW's five runs, at the pace of the first of the short runs."""
    row = results.table("time_to_accuracy").loc[0]
    assert row["optimizer"] == "AdamW"
    return row["core_minutes"] / row["epochs"] * runs("AdamW", "epochs").iloc[0]


def after_3_epochs():
    """The lowest accuracy of 04's five runs with AdamW after 3 epochs."""
    heads = results.table("heads")
    runs = heads[heads["heads"] & heads["batch_norm"] & (heads["epoch"] == 3)]
    assert len(runs) == 5
    return f"{runs['accuracy'].min():.2f}"


def on_splits(recipe):
    """The accuracy and the AUC of a recipe on random splits, and on whole panels."""
    table = results.table("record").set_index(["recipe", "split"])
    scores = table.loc[recipe, ["accuracy", "AUC"]]
    return scores.loc["random"], scores.loc["whole panels"]


def majority():
    """The accuracy of "always functional" on panels, if the file number's is lower."""
    majority = on_splits("majority")[1]["accuracy"]
    assert on_splits("file number")[1]["accuracy"] < majority
    return majority


def ahead(split):
    """By how much the default is ahead of HOG + SVM, and the error by block."""
    page = (prose.NOTEBOOKS.parent / "docs" / "record.md").read_text(encoding="utf-8")
    header, row = (
        re.findall(rf"^\| {start} \|.*", page, re.M)[-1].split(" | ")
        for start in (r"split \| default minus", rf"{split} \| HOG \+ SVM")
    )
    return row[header.index("difference")], row[header.index("by block")]


@cache
def fields():
    model = GoogLeNet(2, image_size=QUICK.image_size, aux_logits=False)
    return receptive_fields(model), first_centres(model)


def whole_image(every, branch, size=QUICK.image_size):
    """The first stage in which every place, or at least one, sees the whole image."""
    squares, firsts = fields()
    for stage in squares:
        if branch in squares[stage]:
            field = squares[stage][branch]
            places = [firsts[stage] + i * field.jump for i in range(size // field.jump)]
            half = (field.largest - 1) / 2
            sees = [p - half <= 0 and p + half >= size - 1 for p in places]
            if all(sees) if every else any(sees):
                return stage


def head_1_leads():
    """In how many epochs from the start the first head is ahead by both scores."""
    table = results.table("heads_over_training")
    scores = table.pivot(index="epoch", columns="output")
    best = [scores[s].idxmax(axis=1) == "head 1" for s in ("accuracy", "roc_auc")]
    return int((best[0] & best[1]).cumprod().sum())


def crops():
    """Whether crops are worse than one look for each network, and how bad 144 are."""
    scores = results.table("views").pivot(index="seed", columns="views")["accuracy"]
    assert (scores["ten_crops"] < scores["one"]).all()
    return "worst" if (scores.idxmin(axis=1) == "paper").all() else "better"


def borrowed():
    """The fewest and the most images of 09's table, and the steps of its tool."""
    images = results.table("finetuning")["images"]
    return images.min(), images.max(), lesson_tables.STEPS


CASES: prose.Cases = {
    "06": {
        "Shrink the cell to {0}×{0} pixels": lambda: (baseline.HOG_SIZE,),
        "in each square of {}×{}": lambda: baseline.HOG["pixels_per_cell"],
        "in which of {} directions": lambda: baseline.HOG["orientations"],
        "that makes {:,} numbers per cell": lambda: baseline.HOG_FEATURES,
        "{} the test set.": lambda: ["", "About", "About twice"][
            round(0.85 * 0.15 / 0.01**2 / prose.sets()[2])
        ],
    },
    "07": {
        "The loop did it {:,} times": lambda: (
            RECIPE.epochs * (prose.sets()[0] // RECIPE.batch_size)
        ),
        "By row 0 they would have taken {:.0f} minutes": as_long_as_45_epochs,
        "steps of {} images with a learning rate of {}": lambda: (
            RECIPE.batch_size,
            RECIPE.peak_lr,
        ),
        "shifts of up to {:.0f} %": lambda: 100 * AUGMENTATION["light"]["shift"],
        "shifts {} as far, and also scales, turns by up to {:.0f} degrees": lambda: (
            {2: "twice"}[
                AUGMENTATION["strong"]["shift"] / AUGMENTATION["light"]["shift"]
            ],
            AUGMENTATION["strong"]["rotate"],
        ),
        "An accuracy on {} images has a standard error of about {} points": lambda: (
            prose.sets()[1],
            points(0.85, prose.sets()[1]),
        ),
        "{} of its {} bits of precision": lambda: tuple(
            round(1 - torch.tensor(torch.finfo(kind).eps).log2().item())
            for kind in (torch.bfloat16, torch.float32)
        ),
        "is {} convolutions forward": lambda: sum(
            isinstance(layer, torch.nn.Conv2d)
            for layer in GoogLeNet(2, image_size=96).modules()
        ),
        "were all at {} or above after 3 passes": after_3_epochs,
        "After epochs {} and {} the images grow": lambda: tuple(
            epoch
            for epoch in range(1, RECIPE.epochs)
            if grown()[epoch] > grown()[epoch - 1]
        ),
        'below what "always functional" gets ({:.2f} on these splits)': majority,
        "it is ahead of HOG + SVM by {} ± {}": lambda: ahead("whole panels"),
        "on random splits by {} ± {}": lambda: ahead("random"),
    },
    "08": {
        "{} epochs, {} of 07's, at up to {} pixels": lambda: (
            QUICK.epochs,
            {2: "half"}[RECIPE.epochs / QUICK.epochs],
            QUICK.image_size,
        ),
        "({} epochs at {} pixels) after every epoch": lambda: (
            lesson_tables.RECIPE.epochs,
            lesson_tables.RECIPE.image_size,
        ),
        "maps is {0} pixels, so that a 5×5 adds 4 × {0} = {1} to the {2}": lambda: (
            fields()[0]["3a"]["1x1"].jump,
            fields()[0]["3a"]["5x5"].largest - fields()[0]["3a"]["1x1"].largest,
            fields()[0]["3a"]["1x1"].largest,
        ),
        "in the middle of {} has the whole image in the square of every": lambda: (
            whole_image(every=False, branch="1x1")
        ),
        "from {} on the 3×3, the 5×5 and the pool branch have it, from {} on": lambda: (
            *{whole_image(every=True, branch=b) for b in ("3x3", "5x5", "pool")},
            whole_image(every=True, branch="1x1"),
        ),
        "{} × 4 experiments": lambda: len(GOOGLENET_WIDTHS),
        "In 5a and 5b the map has {0}×{0} places": lambda: costs.module_inputs(
            QUICK.image_size
        )["5b"][1:],
        "wobbles by {}, and the mean of 24 of them by about {:.2f}": lambda: (
            {1 / 4: "a quarter"}[round(15**-0.5 * 4) / 4],
            (15 * 24) ** -0.5,
        ),
        "In the first {} epochs head 1 is ahead by both scores": head_1_leads,
        "an accuracy on {} cells has a standard error of {} points": lambda: (
            prose.sets()[1],
            points(0.82, prose.sets()[1]),
        ),
    },
    "09": {
        "did worse on crops as well, and {} on the paper's 144": crops,
        "{} to {} poly cells to learn from, {} steps for everybody": borrowed,
        "python benchmarks/lesson_tables.py finetuning {} {} {}`": lambda: tuple(
            results.table("finetuning")["seed"].unique()
        ),
    },
}


@prose.parametrize(CASES)
def test_the_text_states_what_is_computed(name, piece, compute):
    prose.check(name, piece, compute)
