"""Exercises of 00 · Start here."""

from ..exercise import exercise

ALEXNET, GOOGLENET, WITH_HEADS = 61_100_840, 6_998_552, 13_378_280
DIRECT = 25 * 192 * 32  # the weights of 00.2's 5×5 without a bottleneck


def weights(width: float) -> int:
    """The weights of 00.2's bottleneck of this width."""
    return int(width) * (192 + 25 * 32)


exercise(
    "00.1",
    "how many times smaller than AlexNet",
    {
        GOOGLENET / ALEXNET: "upside down: that is GoogLeNet's share of AlexNet",
        ALEXNET / WITH_HEADS: (
            "you counted the two auxiliary heads, which are thrown away after training"
        ),
        12: "that is what the paper says; what do the two counts above say?",
        ALEXNET - GOOGLENET: "that is a difference; asked is a ratio",
    },
    right=ALEXNET / GOOGLENET,
    otherwise="divide one of the two counts by the other",
    within=0.007,
    examples={3: "divide", "many": "could not be checked"},
)


@exercise(
    "00.2",
    "the widest bottleneck that still saves",
    {
        387: "that is for 512 → 64 channels; set the sliders to 192 → 32",
        16: "the paper's choice is far on the safe side; it saves at wider ones",
    },
    examples={154.5: "whole number", 155: "direct one", 153: "next wider"},
)
def not_the_widest(v: float) -> str | None:
    if v % 1:
        return "a width is a whole number of channels"
    if weights(v) >= DIRECT:
        return f"at {v:.0f} it has {weights(v):,} weights, the direct one {DIRECT:,}"
    if weights(v + 1) < DIRECT:
        return f"{v:.0f} saves, but so does the next wider one"
    return None


exercise(
    "00.3",
    "the parameters with two classes",
    {
        GOOGLENET: "that is with 1000 classes; which layer depends on their number?",
        GOOGLENET - 998 * 1024: "close: each output has a bias, too, beside its 1024",
        GOOGLENET - 1000 * 1025: "that is without any last layer; two outputs remain",
        10_309_430: "that includes the auxiliary heads: ask for aux_logits=False",
    },
    right=GOOGLENET - 998 * 1025,
    otherwise="let the library build it, with num_classes=2, and add up the numel()",
    read=int,
    examples={7: "num_classes=2"},
)
exercise(
    "00.4",
    "first aid for a slider that is text",
    {
        "A": "a new installation takes minutes; what costs one key press?",
        "C": "the browser is fine: it shows what was stored, and a slider isn't stored",
    },
    right="B",
    otherwise="choose A, B or C",
    read=lambda answer: str(answer).strip().upper(),
    examples={"a": "minutes", "D": "choose"},
)
