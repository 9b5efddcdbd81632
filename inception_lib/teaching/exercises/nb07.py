"""Exercises of 07 · Training."""

import math

from ..exercise import choice, exercise

exercise(
    "07.1",
    "the loss of a fair guess with three outputs",
    {
        math.log(5): "that is what one output costs; the two heads add theirs",
        3 * math.log(5): "the heads don't weigh as much as the output; the paper: 0.3",
        1.3 * math.log(5): "you counted one head; there are two",
        1.6 * math.log(2): "that is for 2 classes; here there are 5",
        1.6 * math.log2(5): "that is in bits; the cross-entropy takes the natural log",
    },
    right=1.6 * math.log(5),
    otherwise="not yet: a fair guess costs the logarithm of the class count, weighted",
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
        430 / 451: "that is the functional class; the defective cells are in row two",
        80 / 205: "that share of the defective cells is missed",
        61: "a share lies between 0 and 1",
    },
    right=125 / 205,
    otherwise="not yet: stay in the row of the defective cells",
    within=0.003,
)
exercise(
    "07.3",
    "images needed for half a point of standard error",
    {
        0.005: "asked is a number of images, not an error",
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


ONE_MORE = "right as far as it goes, but one more never looks at the test set first"

choice(
    "07.4",
    "which of five runs may be reported",
    ("mean", "validation"),
    {
        "best": (
            "to know which run is best on the test set you must look at it: the "
            "maximum of five noisy numbers is too high by about one standard deviation"
        ),
        "mean": ONE_MORE,
        "validation": ONE_MORE,
    },
)
REST = "only the convolutions become faster: the other 40 % take what they took"

exercise(
    "07.5",
    "how much faster a step becomes when a part of it does",
    {
        0.6: "that is the time that is left; asked is how many times as fast",
        3: REST,
        1.8: REST,
        2.5: "that is the limit, for convolutions that take no time at all",
    },
    right=5 / 3,
    otherwise="not yet: what is the new time, if the old one is 1?",
    within=0.01,
)
