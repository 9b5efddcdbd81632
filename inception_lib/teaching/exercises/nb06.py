"""Exercises of 06 · Solar cells."""

import random

from ..exercise import calls, choice, chosen, exercise

# The eight cells of the opening game, by number; all are training cells of seed 0.
GAME = dict(zip("ABCDEFGH", (408, 1126, 116, 682, 1127, 1646, 650, 1414), strict=True))
EXPERTS = dict(zip(GAME, (1, 0, 0, 1, 2 / 3, 1, 0, 1 / 3), strict=True))
# A test holds these to the labels; to read them here would decode all the images.
CELLS, DOUBTED, HALF_OR_MORE = 2624, 1116, 821


@exercise(
    "06.1",
    "flagging cells as the experts did",
    read=chosen("".join(GAME)),
    examples={"B E H": "missed 3", "Z": "there is no Z"},
)
def mistaken(flagged: set[str]) -> str | None:
    sure = [letter for letter, p in EXPERTS.items() if p in (0, 1)]
    missed = sum(EXPERTS[letter] == 1 and letter not in flagged for letter in sure)
    alarms = sum(EXPERTS[letter] == 0 and letter in flagged for letter in sure)
    if missed or alarms:
        return (
            f"of the {len(sure)} cells that the experts were sure about, you missed "
            f"{missed} defective and flagged {alarms} functional ones"
        )
    return None


exercise(
    "06.2",
    "the share with any doubt at all",
    {
        DOUBTED: "that is how many cells there are; asked is their share of all cells",
        100 * DOUBTED / CELLS: "that is in percent; asked is a number from 0 to 1",
        HALF_OR_MORE / CELLS: "that is the usual rule; here any doubt counts",
        1 - DOUBTED / CELLS: "that is the share of the cells without any doubt",
    },
    right=DOUBTED / CELLS,
    otherwise="count the probabilities above 0, and divide by the number of cells",
    within=0.005,
    examples={0.1: "divide", 42.53: "percent", 0.3129: "usual rule"},
)


VARIANCE = 0.85 * 0.15
ENOUGH = VARIANCE / 0.01**2


SQUARE = "square the standard error too: p (1 − p) / n is its square"


@exercise(
    "06.3",
    "images for a standard error of one point",
    {
        VARIANCE: SQUARE,
        VARIANCE / 0.01: SQUARE,
        4 * ENOUGH: "that makes two standard errors one point; asked is a single one",
        36: "you took a root too many: n is under the root, square both sides first",
    },
    examples={0.5: "number of images", 492: "points"},
)
def points(n: float) -> str | None:
    if not n >= 1:
        return "the answer is a number of images"
    if abs(n / ENOUGH - 1) > 0.001:
        error = 100 * (VARIANCE / n) ** 0.5
        return f"with {n:,.0f} images the standard error would be {error:.2f} points"
    return None


FLIP = "a solar cell has no up and no left: is there a flip that harms it?"

choice(
    "06.4",
    "changes that a solar cell survives",
    "ABCF",
    {
        "D": "D: look at the bus bars of every cell above. Which way do they run?",
        "E": "E: what if the crack was under the square? The label would stay the same",
        "A": FLIP,
        "B": FLIP,
        "C": "one of the others can be made from two changes that you accepted",
        "F": "would an expert judge a cell differently if the camera stood aside?",
    },
)


GENERATOR = random.Random(6)
CONFUSIONS = [
    ([[GENERATOR.randint(1, 300) for _ in "ab"] for _ in "ab"],) for _ in range(5)
]


def added(m) -> float:
    return m[0][0] / sum(m[0]) + m[1][1] / sum(m[1])


def by_column(m) -> float:
    return (m[0][0] / (m[0][0] + m[1][0]) + m[1][1] / (m[0][1] + m[1][1])) / 2


@exercise(
    "06.5",
    "balanced accuracy from a confusion matrix",
    {
        lambda m: (m[0][0] + m[1][1]) / (sum(m[0]) + sum(m[1])): (
            "that is the plain accuracy: right ones over all"
        ),
        by_column: "you divided by the columns, the predictions; a row is a true class",
        added: "you added the two recalls; their mean is asked",
    },
    read=lambda answer: [float(share) for share in calls(*CONFUSIONS)(answer)],
    within=1e-6,
    examples={lambda m: 0.0: "recall"},
)
def wrong_recalls(given: list[float]) -> str | None:
    for got, (m,) in zip(given, CONFUSIONS, strict=True):
        if not abs(got - added(m) / 2) < 1e-6:
            return (
                f"it gives {got:.3f} for {m}: take the recall of each row, then the "
                "mean"
            )
    return None


TO_CHOOSE = "one of these uses only data that are there to choose by; read them again"

choice(
    "06.6",
    "habits that spoil a measurement",
    "ACE",
    {
        "B": TO_CHOOSE,
        "D": TO_CHOOSE,
        "C": "who picks the best of many epochs on a set has chosen by that set",
        "E": "a flipped copy of a cell that was learned: is it a new cell?",
        "A": "all the images: which sets are among them?",
    },
)
