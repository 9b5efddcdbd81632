"""Checks of 00 · Start here."""

from . import exercise

ALEXNET, GOOGLENET, WITH_HEADS = 61_100_840, 6_998_552, 13_378_280


@exercise("00.1", "how many times smaller than AlexNet")
def _(answer) -> str | None:
    value = float(answer)
    right = ALEXNET / GOOGLENET
    if abs(value - right) < 0.06:
        return None
    if abs(value - 1 / right) < 0.006:
        return "upside down: that is GoogLeNet's share of AlexNet"
    if abs(value - ALEXNET / WITH_HEADS) < 0.06:
        return (
            "you counted the two auxiliary heads, which are thrown away after training"
        )
    if value == 12:
        return "that is what the paper says; what do the two counts above say?"
    if value > 1000:
        return "that is a difference; asked is a ratio"
    return "divide one of the two counts by the other"


@exercise("00.2", "the widest bottleneck that still saves")
def _(answer) -> str | None:
    value = int(answer)
    if value != answer:
        return "a width is a whole number of channels"
    direct, behind = 25 * 192 * 32, value * (192 + 25 * 32)
    if value == 387:
        return "that is for 512 → 64 channels; set the sliders to 192 → 32"
    if value == 16:
        return (
            "that is what the paper chose, far on the safe side; it saves at wider ones"
        )
    if behind >= direct:
        return f"at {value} it has {behind:,} weights, the direct one {direct:,}"
    if behind + 192 + 25 * 32 < direct:
        return f"{value} saves, but so does the next wider one"
    return None


@exercise("00.3", "the parameters with two classes")
def _(answer) -> str | None:
    value = int(answer)
    right = GOOGLENET - 998 * (1024 + 1)
    if value == right:
        return None
    if value == GOOGLENET:
        return "that is with 1000 classes; which layer depends on their number?"
    if value == GOOGLENET - 998 * 1024:
        return "close: each output has a bias, too, beside its 1024 weights"
    if value == GOOGLENET - 1000 * 1025:
        return "that is without any last layer; two outputs remain"
    if value > 10_000_000:
        return "that includes the auxiliary heads: ask for aux_logits=False"
    return "let the library build it, with num_classes=2, and add up the numel()"


@exercise("00.4", "first aid for a slider that is text")
def _(answer) -> str | None:
    choice = str(answer).strip().upper()
    if choice == "B":
        return None
    if choice == "A":
        return "a new installation takes minutes; what costs one key press?"
    if choice == "C":
        return (
            "the browser is fine: it shows what was stored, and a slider isn't stored"
        )
    return f"choose A, B or C, not {choice}"


WRONG = [
    ("00.1", 0.1145, "upside down"),
    ("00.1", 4.57, "heads"),
    ("00.1", 12, "paper"),
    ("00.1", 54_102_288, "difference"),
    ("00.1", 3, "divide"),
    ("00.1", "many", "could not be checked"),
    ("00.2", 154.5, "whole number"),
    ("00.2", 387, "192"),
    ("00.2", 16, "paper"),
    ("00.2", 155, "153,760"),
    ("00.2", 153, "next wider"),
    ("00.3", 6_998_552, "1000 classes"),
    ("00.3", 5_976_600, "bias"),
    ("00.3", 5_973_552, "remain"),
    ("00.3", 10_309_430, "heads"),
    ("00.3", 7, "num_classes=2"),
    ("00.4", "a", "minutes"),
    ("00.4", "C", "stored"),
    ("00.4", "D", "choose"),
]
