"""Exercises of 06 · Solar cells."""

import random

from ..exercise import Refused, When, calls, exercise

# The eight cells of the opening game, by number; all are training cells of seed 0.
GAME = dict(zip("ABCDEFGH", (408, 1126, 116, 682, 1127, 1646, 650, 1414), strict=True))
EXPERTS = dict(zip(GAME, (1, 0, 0, 1, 2 / 3, 1, 0, 1 / 3), strict=True))
# A test holds these to the labels; to read them here would decode all the images.
CELLS, DOUBTED, HALF_OR_MORE = 2624, 1116, 821


def letters(known: str):
    """Read answers such as "A C", "a, c" or ["A", "C"] as a set of letters."""

    def read(answer: str | list[str]) -> set[str]:
        found = {c for c in "".join(answer).upper() if c.isalnum()}
        if found - set(known):
            wrong = ", ".join(sorted(found - set(known)))
            raise Refused(f"there is no {wrong}, choose among {known}")
        return found

    return read


def missed(flagged: set[str]) -> int:
    return sum(p == 1 for letter, p in EXPERTS.items() if letter not in flagged)


def alarms(flagged: set[str]) -> int:
    return sum(EXPERTS[letter] == 0 for letter in flagged)


exercise(
    "06.1",
    "flagging cells as the experts did",
    {
        When(lambda flagged: missed(flagged) or alarms(flagged), "B E H"): (
            lambda flagged: (
                f"of the {sum(p in (0, 1) for p in EXPERTS.values())} cells that the "
                f"experts were sure about, you missed {missed(flagged)} defective and "
                f"flagged {alarms(flagged)} functional ones"
            )
        ),
    },
    read=letters("".join(GAME)),
    examples={"B E H": "missed 3", "Z": "there is no Z"},
)


exercise(
    "06.2",
    "the share with any doubt at all",
    {
        DOUBTED: "that is how many cells there are; asked is their share of all cells",
        100 * DOUBTED / CELLS: (
            "that is in percent; give the share as a number between 0 and 1"
        ),
        HALF_OR_MORE / CELLS: (
            "that is the usual rule, one half or more; here any doubt counts"
        ),
        1 - DOUBTED / CELLS: (
            "that is the share of the others, the cells without any doubt"
        ),
    },
    right=DOUBTED / CELLS,
    otherwise=(
        "count the cells with a probability above 0, and divide by the number of cells"
    ),
    within=0.005,
    examples={0.1: "divide", 1116: "share", 42.53: "percent", 0.3129: "usual rule"},
)


VARIANCE = 0.85 * 0.15
ENOUGH = VARIANCE / 0.01**2

exercise(
    "06.3",
    "images for a standard error of one point",
    {
        When(
            lambda n: abs(n - VARIANCE) < 0.01 or abs(n - VARIANCE / 0.01) < 0.1,
            0.1275,
            12.75,
        ): "square the standard error too: p (1 − p) / n is its square",
        4 * ENOUGH: ("that makes two standard errors one point; asked is a single one"),
        When(lambda n: abs(n - ENOUGH**0.5) < 1, 36): (
            "you took a root too many: n is under the root, square both sides first"
        ),
        When(lambda n: not n >= 1, 0.5): "the answer is a number of images",
    },
    right=ENOUGH,
    otherwise=lambda n: (
        f"with {n:,.0f} images the standard error would be "
        f"{100 * (VARIANCE / n) ** 0.5:.2f} points"
    ),
    examples={492: "points"},
)
exercise(
    "06.4",
    "changes that a solar cell survives",
    {
        When(lambda chosen: "D" in chosen, "A B C D F"): (
            "D: look at the bus bars of every cell above. Which way do they run?"
        ),
        When(lambda chosen: "E" in chosen, "A B C E F"): (
            "E: what if the crack was under the square? The label would stay the same"
        ),
        When(lambda chosen: not {"A", "B"} <= chosen, "C F"): (
            "a solar cell has no up and no left: is there a flip that harms it?"
        ),
        When(lambda chosen: "C" not in chosen, "A B F"): (
            "one of the others can be made from two changes that you accepted"
        ),
        When(lambda chosen: "F" not in chosen, "A B C"): (
            "would an expert judge a cell differently if the camera stood a bit aside?"
        ),
    },
    read=letters("ABCDEF"),
    examples={("A", "B", "C"): "camera"},
)


def confusions() -> list[tuple]:
    generator = random.Random(6)
    return [
        ([[generator.randint(1, 300) for _ in "ab"] for _ in "ab"],) for _ in range(5)
    ]


CONFUSIONS = confusions()


def rows(m) -> float:
    return m[0][0] / sum(m[0]) + m[1][1] / sum(m[1])


def first_wrong_matrix(given: list[float]) -> str:
    for got, (m,) in zip(given, CONFUSIONS, strict=True):
        if abs(got - rows(m) / 2) > 1e-6:
            break
    return f"it gives {got:.3f} for {m}: take the recall of each row, then the mean"


exercise(
    "06.5",
    "balanced accuracy from a confusion matrix",
    {
        lambda m: (m[0][0] + m[1][1]) / (sum(m[0]) + sum(m[1])): (
            "that is the plain accuracy: right ones over all"
        ),
        lambda m: (
            (m[0][0] / (m[0][0] + m[1][0]) + m[1][1] / (m[0][1] + m[1][1])) / 2
        ): "you divided by the columns, what was predicted; a row is a true class",
        rows: "you added the two recalls; their mean is asked",
    },
    right=[rows(m) / 2 for (m,) in CONFUSIONS],
    otherwise=first_wrong_matrix,
    read=lambda answer: [float(share) for share in calls(*CONFUSIONS)(answer)],
    within=1e-6,
    examples={lambda m: 0.0: "recall"},
)
exercise(
    "06.6",
    "habits that spoil a measurement",
    {
        When(lambda chosen: chosen & {"B", "D"}, "A C D E"): (
            "one of these uses only data that are there to choose by; read them again"
        ),
        When(lambda chosen: "C" not in chosen, "A E"): (
            "who picks the best of many epochs on a set has chosen by that set"
        ),
        When(lambda chosen: "E" not in chosen, "A C"): (
            "a flipped copy of a cell that was learned: is it a new cell?"
        ),
        When(lambda chosen: "A" not in chosen, "C E"): (
            "all the images: which sets are among them?"
        ),
    },
    read=letters("ABCDE"),
)
