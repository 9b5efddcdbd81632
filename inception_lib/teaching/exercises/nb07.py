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
    "a lead in standard errors of the difference",
    {
        16: "that many cells; asked is how many standard errors they are",
        16 / 656: "that is the lead; divide it by its standard error",
        1.84: (
            "that is the standard error of one accuracy; the cells on which both are "
            "right, or both wrong, say nothing about a difference"
        ),
        1.26: "that takes the two for independent; they answered the same cells",
    },
    right=2.48,
    otherwise="not yet: the mean of 29 times +1, 13 times −1 and 614 times 0, and its "
    "standard error",
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
