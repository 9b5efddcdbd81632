"""The checks of notebook 06, solar cells."""

import random

from ...training.data import solar_cells
from . import exercise

# The eight cells of the opening game, by number; all are training cells of seed 0.
GAME = dict(zip("ABCDEFGH", (408, 1126, 116, 682, 1127, 1646, 650, 1414), strict=True))


def letters(answer: str | list[str], known: str) -> set[str]:
    """The letters of an answer such as "A C", "a, c" or ["A", "C"]."""
    found = {c for c in "".join(answer).upper() if c.isalnum()}
    if found - set(known):
        wrong = ", ".join(sorted(found - set(known)))
        raise ValueError(f"there is no {wrong}, choose among {known}")
    return found


@exercise("06.1", "flagging cells as the experts did")
def _(answer) -> str | None:
    flagged = letters(answer, "".join(GAME))
    probability = solar_cells().targets[:, 1].tolist()
    experts = {letter: probability[number - 1] for letter, number in GAME.items()}
    sure = {letter for letter, p in experts.items() if p in (0, 1)}
    missed = sum(experts[letter] == 1 for letter in sure - flagged)
    alarms = sum(experts[letter] == 0 for letter in sure & flagged)
    if missed == alarms == 0:
        return None
    return (
        f"of the {len(sure)} cells that the experts were sure about, you missed "
        f"{missed} defective and flagged {alarms} functional ones"
    )


@exercise("06.2", "the share with any doubt at all")
def _(answer) -> str | None:
    probability = solar_cells().targets[:, 1]
    n = len(probability)
    right = int((probability > 0).sum())
    answer = float(answer)
    if abs(answer - right / n) < 0.002:
        return None
    if abs(answer - right) < 0.5:
        return "that is how many cells there are; asked is their share of all cells"
    if abs(answer - 100 * right / n) < 0.2:
        return "that is in percent; give the share as a number between 0 and 1"
    if abs(answer - int((probability >= 0.5).sum()) / n) < 0.002:
        return "that is the usual rule, one half or more; here any doubt counts"
    if abs(answer - 1 + right / n) < 0.002:
        return "that is the share of the others, the cells without any doubt"
    return (
        "count the cells with a probability above 0, and divide by the number of cells"
    )


@exercise("06.3", "images for a standard error of one point")
def _(answer) -> str | None:
    variance = 0.85 * 0.15
    right = variance / 0.01**2
    answer = float(answer)
    if abs(answer - right) <= 1:
        return None
    if abs(answer - variance) < 0.01 or abs(answer - variance / 0.01) < 0.1:
        return "square the standard error too: p (1 − p) / n is its square"
    if abs(answer - 4 * right) <= 4:
        return "that makes two standard errors one point; asked is a single one"
    if abs(answer - right**0.5) < 1:
        return "you took a root too many: n is under the root, square both sides first"
    return (
        f"with {answer:,.0f} images the standard error would be "
        f"{100 * (variance / answer) ** 0.5:.2f} points"
        if answer >= 1
        else "the answer is a number of images"
    )


@exercise("06.4", "changes that a solar cell survives")
def _(answer) -> str | None:
    chosen = letters(answer, "ABCDEF")
    if "D" in chosen:
        return "D: look at the bus bars of every cell above. Which way do they run?"
    if "E" in chosen:
        return (
            "E: what if the crack was under the square? The label would stay the same"
        )
    if not {"A", "B"} <= chosen:
        return "a solar cell has no up and no left: is there a mirroring that harms it?"
    if "C" not in chosen:
        return "one of the others can be made from two changes that you accepted"
    if "F" not in chosen:
        return (
            "would an expert judge a cell differently if the camera stood a bit aside?"
        )
    return None


@exercise("06.5", "balanced accuracy from a confusion matrix")
def _(answer) -> str | None:
    generator = random.Random(6)
    for _ in range(5):
        (a, b), (c, d) = m = [[generator.randint(1, 300) for _ in "ab"] for _ in "ab"]
        got = float(answer(m))
        if abs(got - (a / (a + b) + d / (c + d)) / 2) < 1e-6:
            continue
        if abs(got - (a + d) / (a + b + c + d)) < 1e-6:
            return "that is the plain accuracy: right ones over all"
        if abs(got - (a / (a + c) + d / (b + d)) / 2) < 1e-6:
            return (
                "you divided by the columns, what was predicted; a row is a true class"
            )
        if abs(got - (a / (a + b) + d / (c + d))) < 1e-6:
            return "you added the two recalls; their mean is asked"
        return f"it gives {got:.3f} for {m}: take the recall of each row, then the mean"
    return None


@exercise("06.6", "habits that spoil a measurement")
def _(answer) -> str | None:
    chosen = letters(answer, "ABCDE")
    if chosen & {"B", "D"}:
        return (
            "one of these uses only data that are there to choose by; read them again"
        )
    if "C" not in chosen:
        return "who picks the best of many epochs on a set has chosen by that set"
    if "E" not in chosen:
        return "a mirrored copy of a cell that was learned: is it a new cell?"
    if "A" not in chosen:
        return "all the images: which sets are among them?"
    return None


WRONG = [
    ("06.1", "B E H", "missed 3"),
    ("06.1", "Z", "there is no Z"),
    ("06.2", 1116, "share"),
    ("06.2", 42.53, "percent"),
    ("06.2", 0.3129, "usual rule"),
    ("06.2", 0.5747, "others"),
    ("06.2", 0.1, "divide"),
    ("06.3", 0.1275, "square"),
    ("06.3", 5100, "two standard errors"),
    ("06.3", 36, "root"),
    ("06.3", 492, "points"),
    ("06.3", 0.5, "number of images"),
    ("06.4", "A B C D F", "bus bars"),
    ("06.4", "A B C E F", "crack"),
    ("06.4", "C F", "mirroring"),
    ("06.4", "A B F", "two changes"),
    ("06.4", ["A", "B", "C"], "camera"),
    ("06.5", lambda m: (m[0][0] + m[1][1]) / (sum(m[0]) + sum(m[1])), "plain accuracy"),
    (
        "06.5",
        lambda m: (m[0][0] / (m[0][0] + m[1][0]) + m[1][1] / (m[0][1] + m[1][1])) / 2,
        "columns",
    ),
    ("06.5", lambda m: m[0][0] / sum(m[0]) + m[1][1] / sum(m[1]), "mean"),
    ("06.5", lambda m: 0.0, "recall"),
    ("06.6", "A C D E", "read them again"),
    ("06.6", "A E", "epochs"),
    ("06.6", "A C", "mirrored"),
    ("06.6", "C E", "which sets"),
]
