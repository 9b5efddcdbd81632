"""Checks of 07 · Training."""

import math

from . import exercise


@exercise("07.1", "the loss of a fair guess with three outputs")
def _(answer) -> str | None:
    value = float(answer)
    if math.isclose(value, math.log(5), rel_tol=1e-3):
        return "that is what one output costs; the two heads are in the loss as well"
    if math.isclose(value, 3 * math.log(5), rel_tol=1e-3):
        return (
            "you gave the heads the weight of the output; the paper gives them 0.3 each"
        )
    if math.isclose(value, 1.3 * math.log(5), rel_tol=1e-3):
        return "you counted one head; there are two"
    if math.isclose(value, 1.6 * math.log(2), rel_tol=1e-3):
        return "that is for 2 classes; here there are 5"
    if math.isclose(value, 1.6 * math.log2(5), rel_tol=1e-3):
        return (
            "that is in bits; PyTorch's cross-entropy uses the natural logarithm (nats)"
        )
    if not math.isclose(value, 1.6 * math.log(5), rel_tol=1e-3):
        return "not yet: a fair guess costs the logarithm of the class count, weighted"


@exercise("07.2", "the share of defective cells that are found")
def _(answer) -> str | None:
    value = float(answer)
    if math.isclose(value, 125 / 146, abs_tol=2e-3):
        return (
            "you divided by the column: how many alarms were right (precision). "
            "Asked is: of the defective cells, how many were found"
        )
    if math.isclose(value, 555 / 656, abs_tol=2e-3):
        return "that is the accuracy, over both classes"
    if math.isclose(value, 430 / 451, abs_tol=2e-3):
        return "that is the functional class; the defective cells are in the second row"
    if math.isclose(value, 80 / 205, abs_tol=2e-3):
        return "that share of the defective cells is missed"
    if value > 1:
        return "a share lies between 0 and 1"
    if not math.isclose(value, 125 / 205, abs_tol=2e-3):
        return "not yet: stay in the row of the defective cells"


@exercise("07.3", "images needed for half a point of standard error")
def _(answer) -> str | None:
    value = float(answer)
    if value <= 1:
        return "asked is a number of images, not an error"
    if math.isclose(value, 0.85 * 0.15 / 0.005, rel_tol=0.01):
        return "the error falls with the square root of n, so that it enters squared"
    if math.isclose(value, 0.85 * 0.15 / 0.05**2, rel_tol=0.02):
        return "half a point is 0.005, not 0.05"
    if math.isclose(value, 0.5**2 / 0.005**2, rel_tol=0.01):
        return "that is the worst case p = 0.5; here p is 0.85"
    if not math.isclose(value, 5100, rel_tol=0.01):
        return "not yet: solve sqrt(p (1 − p) / n) = 0.005 for n"


@exercise("07.4", "which of five runs may be reported")
def _(answer) -> str | None:
    chosen = {answer} if isinstance(answer, str) else set(answer)
    unknown = chosen - {"best", "mean", "validation"}
    if unknown:
        return f"there is no {', '.join(map(str, unknown))}: see the names in the task"
    if "best" in chosen:
        return (
            "to know which run is best on the test set you must look at it: the "
            "maximum of five noisy numbers is too high by about one standard deviation"
        )
    if chosen != {"mean", "validation"}:
        return "right as far as it goes, but one more never looks at the test set first"


@exercise("07.5", "how much faster a step becomes when a part of it does")
def _(answer) -> str | None:
    value = float(answer)
    if math.isclose(value, 0.6, rel_tol=1e-2):
        return "that is the time that is left; asked is how many times as fast"
    if math.isclose(value, 3, rel_tol=1e-2) or math.isclose(value, 1.8, rel_tol=1e-2):
        return "only the convolutions become faster: the other 40 % take what they took"
    if math.isclose(value, 2.5, rel_tol=1e-2):
        return "that is the limit, for convolutions that take no time at all"
    if not math.isclose(value, 5 / 3, rel_tol=1e-2):
        return "not yet: what is the new time, if the old one is 1?"


WRONG = [
    ("07.1", math.log(5), "one output"),
    ("07.1", 3 * math.log(5), "0.3"),
    ("07.1", 1.6 * math.log2(5), "bits"),
    ("07.2", 125 / 146, "precision"),
    ("07.2", 555 / 656, "accuracy"),
    ("07.3", 25.5, "squared"),
    ("07.3", 10_000, "worst case"),
    ("07.4", "best", "maximum"),
    ("07.4", ("mean",), "one more"),
    ("07.5", 0.6, "time that is left"),
    ("07.5", 3, "other 40 %"),
    ("07.5", 2.5, "limit"),
]
