"""Exercises of 09 · Your own images."""

from ...model import GoogLeNet
from ...training.finetune import freeze
from ..exercise import Refused, exercise

exercise(
    "09.1",
    "crops of an eager colleague",
    {
        5 * 3 * 6: "each crop is flipped, too",
        5 * 3 * 5 * 2: "besides five crops, the whole square is taken: six of each",
        5 * 6 * 2: "at every scale there are three squares: left, middle, right",
        144: "that is for the paper's four scales; here there are five",
    },
    right=180,
    otherwise="not yet: scales × squares × (corners, centre, whole) × flips",
)
exercise(
    "09.2",
    "how far a classifier's word can be trusted",
    {
        0.1: "that is the plain mean; each distance counts as often as it occurs",
        -0.075: "distances have no sign",
        7.5: "that is in percent; give it as a number between 0 and 1",
    },
    right=0.075,
    otherwise="not yet: |confidence − accuracy| of both groups, weighted by their size",
    within=0.013,
)
exercise(
    "09.3",
    "a probability at temperature 2",
    {
        0.45: "the temperature divides the logits, not the probability",
        81 / 82: "a temperature above 1 makes it less sure, and this is surer",
        3: "these are the odds; the probability is odds / (1 + odds)",
    },
    right=0.75,
    otherwise="not yet: the odds are 9 to 1; half the logit is the root of the odds",
    within=0.007,
)


SETS = {"views": "validation", "temperature": "validation", "report": "test"}


def read_sets(answer) -> dict[str, str]:
    answered = dict(answer)
    if unknown := set(answered) ^ set(SETS):
        listed = ", ".join(map(str, unknown))
        raise Refused(f"name exactly {', '.join(SETS)}: {listed} is off")
    return answered


@exercise(
    "09.4",
    "what may be chosen with which set",
    read=read_sets,
    examples={
        tuple((SETS | {"views": "test"}).items()): "makes its score too good",
        tuple((SETS | {"temperature": "train"}).items()): "far too sure",
        tuple((SETS | {"report": "validation"}).items()): "flatters",
        (("views", "test"),): "name exactly",
    },
)
def wrong_set(answered: dict[str, str]) -> str | None:
    for name, right in SETS.items():
        if answered[name] == "train":
            return f"{name}: on the training set the network is far too sure of itself"
        if answered[name] != right == "validation":
            return f"{name}: what is chosen on the test set makes its score too good"
        if answered[name] != right:
            return f"{name}: validation has been used for choosing: its score flatters"
    return None


MODEL = GoogLeNet(2, aux_logits=False, image_size=64)
freeze(MODEL, "4")
LEFT = sum(p.numel() for p in MODEL.parameters() if p.requires_grad)
WHOLE = sum(p.numel() for p in MODEL.parameters())

exercise(
    "09.5",
    "what is trained when the stages up to 4 are frozen",
    {
        1 - LEFT / WHOLE: "that is the share that is frozen",
        100 * LEFT / WHOLE: "that is in percent; asked is a number between 0 and 1",
        LEFT: "that is their number; asked is the share",
    },
    right=LEFT / WHOLE,
    otherwise="not yet: count p.numel() where p.requires_grad, over all",
    within=0.005,
)
