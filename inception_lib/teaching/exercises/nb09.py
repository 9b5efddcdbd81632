"""Checks of 09 · Your own images."""

import math

from . import exercise


@exercise("09.1", "crops of an eager colleague")
def _(answer) -> str | None:
    value = float(answer)
    if value == 5 * 3 * 6:
        return "each crop is mirrored, too"
    if value == 5 * 3 * 5 * 2:
        return "besides five crops, the whole square is taken as well: six of each"
    if value == 5 * 6 * 2:
        return "at every scale there are three squares: left, middle, right"
    if value == 144:
        return "that is for the paper's four scales; here there are five"
    if value != 180:
        return "not yet: scales × squares × (corners, centre, whole) × mirrorings"


@exercise("09.2", "how far a classifier's word can be trusted")
def _(answer) -> str | None:
    value = float(answer)
    if math.isclose(value, 0.1, abs_tol=1e-3):
        return (
            "you took the plain mean of the two distances; each counts as often as it "
            "occurs"
        )
    if math.isclose(value, -0.075, abs_tol=1e-3):
        return "distances have no sign"
    if math.isclose(value, 7.5, abs_tol=0.1):
        return "that is in percent; give it as a number between 0 and 1"
    if not math.isclose(value, 0.075, abs_tol=1e-3):
        return "not yet: |confidence − accuracy| of both groups, weighted by their size"


@exercise("09.3", "a probability at temperature 2")
def _(answer) -> str | None:
    value = float(answer)
    if math.isclose(value, 0.45, abs_tol=0.005):
        return "the temperature divides the logits, not the probability"
    if math.isclose(value, 81 / 82, abs_tol=0.003):
        return "a temperature above 1 makes it less sure, and this is surer"
    if math.isclose(value, 3, abs_tol=0.01):
        return "these are the odds; the probability is odds / (1 + odds)"
    if not math.isclose(value, 0.75, abs_tol=0.005):
        return "not yet: the odds are 9 to 1; half the logit is the root of the odds"


@exercise("09.4", "what may be chosen with which set")
def _(answer) -> str | None:
    wanted = {"views": "validation", "temperature": "validation", "report": "test"}
    chosen = dict(answer)
    unknown = set(chosen) ^ set(wanted)
    if unknown:
        return (
            f"name exactly {', '.join(wanted)}: {', '.join(map(str, unknown))} is off"
        )
    for name, right in wanted.items():
        if chosen[name] == "train":
            return f"{name}: on the training set the network is far too sure of itself"
        if chosen[name] != right:
            why = (
                "whatever is chosen on the test set makes its score too good"
                if right == "validation"
                else "the validation set has been used for choosing: its score flatters"
            )
            return f"{name}: {why}"


@exercise("09.5", "what is trained when the stages up to 4 are frozen")
def _(answer) -> str | None:
    from ...model import GoogLeNet
    from ...training.finetune import freeze

    model = GoogLeNet(2, aux_logits=False, image_size=64)
    whole = sum(p.numel() for p in model.parameters())
    freeze(model, "4")
    left = sum(p.numel() for p in model.parameters() if p.requires_grad)
    value = float(answer)
    if math.isclose(value, 1 - left / whole, abs_tol=0.005):
        return "that is the share that is frozen"
    if math.isclose(value, 100 * left / whole, abs_tol=0.5):
        return "that is in percent; give the share as a number between 0 and 1"
    if math.isclose(value, left, rel_tol=0.001):
        return "that is their number; asked is the share"
    if not math.isclose(value, left / whole, abs_tol=0.005):
        return "not yet: count p.numel() where p.requires_grad, over all"


WRONG = [
    ("09.1", 90, "mirrored"),
    ("09.1", 150, "whole square"),
    ("09.1", 144, "five"),
    ("09.2", 0.1, "plain mean"),
    ("09.2", 7.5, "percent"),
    ("09.3", 0.45, "divides the logits"),
    ("09.3", 81 / 82, "surer"),
    (
        "09.4",
        {"views": "test", "temperature": "validation", "report": "test"},
        "too good",
    ),
    (
        "09.4",
        {"views": "validation", "temperature": "train", "report": "test"},
        "too sure",
    ),
    ("09.5", 0.583, "frozen"),
    ("09.5", 41.66, "percent"),
]
