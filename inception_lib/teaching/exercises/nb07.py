"""Exercises of 07 · Training."""

import math

from ..exercise import Refused, When, exercise


def names(*known: str):
    """Read an answer as a set of these names, given alone or as several."""

    def read(answer) -> set[str]:
        chosen = {answer} if isinstance(answer, str) else set(answer)
        if unknown := chosen - set(known):
            listed = ", ".join(map(str, unknown))
            raise Refused(f"there is no {listed}: see the names in the task")
        return chosen

    return read


exercise(
    "07.1",
    "the loss of a fair guess with three outputs",
    {
        math.log(5): (
            "that is what one output costs; the two heads are in the loss as well"
        ),
        3 * math.log(5): (
            "you gave the heads the weight of the output; the paper gives them 0.3 each"
        ),
        1.3 * math.log(5): "you counted one head; there are two",
        1.6 * math.log(2): "that is for 2 classes; here there are 5",
        1.6 * math.log2(5): (
            "that is in bits; PyTorch's cross-entropy uses the natural logarithm (nats)"
        ),
    },
    right=1.6 * math.log(5),
    otherwise=(
        "not yet: a fair guess costs the logarithm of the class count, weighted"
    ),
)
exercise(
    "07.2",
    "the share of defective cells that are found",
    {
        125 / 146: (
            "you divided by the column: how many alarms were right (precision). "
            "Asked is: of the defective cells, how many were found"
        ),
        555 / 656: "that is the accuracy, over both classes",
        430 / 451: (
            "that is the functional class; the defective cells are in the second row"
        ),
        80 / 205: "that share of the defective cells is missed",
        When(lambda v: v > 1, 61): "a share lies between 0 and 1",
    },
    right=125 / 205,
    otherwise="not yet: stay in the row of the defective cells",
    within=0.003,
)
exercise(
    "07.3",
    "images needed for half a point of standard error",
    {
        When(lambda n: n <= 1, 0.005): "asked is a number of images, not an error",
        0.85 * 0.15 / 0.005: (
            "the error falls with the square root of n, so that it enters squared"
        ),
        0.85 * 0.15 / 0.05**2: "half a point is 0.005, not 0.05",
        0.5**2 / 0.005**2: "that is the worst case p = 0.5; here p is 0.85",
    },
    right=0.85 * 0.15 / 0.005**2,
    otherwise="not yet: solve sqrt(p (1 − p) / n) = 0.005 for n",
    within=0.01,
)
exercise(
    "07.4",
    "which of five runs may be reported",
    {
        When(lambda chosen: "best" in chosen, "best"): (
            "to know which run is best on the test set you must look at it: the "
            "maximum of five noisy numbers is too high by about one standard deviation"
        ),
    },
    right={"mean", "validation"},
    otherwise="right as far as it goes, but one more never looks at the test set first",
    read=names("best", "mean", "validation"),
    examples={("mean",): "one more", "worst": "there is no worst"},
)
exercise(
    "07.5",
    "how much faster a step becomes when a part of it does",
    {
        0.6: "that is the time that is left; asked is how many times as fast",
        3: "only the convolutions become faster: the other 40 % take what they took",
        1.8: "only the convolutions become faster: the other 40 % take what they took",
        2.5: "that is the limit, for convolutions that take no time at all",
    },
    right=5 / 3,
    otherwise="not yet: what is the new time, if the old one is 1?",
    within=0.01,
)
