"""Exercises of 00 · Start here."""

from ..exercise import When, exercise

ALEXNET, GOOGLENET, WITH_HEADS = 61_100_840, 6_998_552, 13_378_280
DIRECT = 25 * 192 * 32  # the weights of 00.2's 5×5 without a bottleneck


def weights(width: float) -> int:
    """The weights of 00.2's bottleneck of this width."""
    return int(width) * (192 + 25 * 32)


exercise(
    "00.1",
    "how many times smaller than AlexNet",
    {
        When(lambda v: abs(v - GOOGLENET / ALEXNET) < 0.006, 0.1145): (
            "upside down: that is GoogLeNet's share of AlexNet"
        ),
        ALEXNET / WITH_HEADS: (
            "you counted the two auxiliary heads, which are thrown away after training"
        ),
        12: "that is what the paper says; what do the two counts above say?",
        When(lambda v: v > 1000, 54_102_288): "that is a difference; asked is a ratio",
    },
    right=ALEXNET / GOOGLENET,
    otherwise="divide one of the two counts by the other",
    within=0.007,
    examples={3: "divide", "many": "could not be checked"},
)
exercise(
    "00.2",
    "the widest bottleneck that still saves",
    {
        When(lambda v: v % 1, 154.5): "a width is a whole number of channels",
        387: "that is for 512 → 64 channels; set the sliders to 192 → 32",
        16: (
            "that is what the paper chose, far on the safe side; it saves at wider ones"
        ),
        When(lambda v: weights(v) >= DIRECT, 155): lambda v: (
            f"at {v:.0f} it has {weights(v):,} weights, the direct one {DIRECT:,}"
        ),
        When(lambda v: weights(v + 1) < DIRECT, 153): lambda v: (
            f"{v:.0f} saves, but so does the next wider one"
        ),
    },
    right=154,
    otherwise="asked is the widest one that still saves",
)
exercise(
    "00.3",
    "the parameters with two classes",
    {
        GOOGLENET: "that is with 1000 classes; which layer depends on their number?",
        GOOGLENET - 998 * 1024: (
            "close: each output has a bias, too, beside its 1024 weights"
        ),
        GOOGLENET - 1000 * 1025: "that is without any last layer; two outputs remain",
        When(lambda n: n > 10_000_000, 10_309_430): (
            "that includes the auxiliary heads: ask for aux_logits=False"
        ),
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
    otherwise=lambda choice: f"choose A, B or C, not {choice}",
    read=lambda answer: str(answer).strip().upper(),
    examples={"a": "minutes", "D": "choose"},
)
