"""Every choice of a training run, in one place; the command line is made from it."""

import math
from dataclasses import Field, dataclass, field, fields

from ..model.device import PRECISIONS


def option(
    default, help: str, choices: tuple[str, ...] | None = None, compare: bool = True
):
    """A field with its help. One with ``compare=False`` says how to compute, not what:
    a run may go on with another.
    """
    metadata = {"help": help, "choices": choices}
    return field(default=default, compare=compare, metadata=metadata)


def check_type(f: Field, value: object) -> None:
    """Raise a ValueError unless ``value`` is of the type of the field's default."""
    finite = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )
    if f.default is None:
        kind, fits = "a number, or None", value is None or finite
    elif type(f.default) is float:
        kind, fits = "a number", finite
    else:
        kinds = {bool: "True or False", int: "a whole number", str: "a text"}
        kind, fits = kinds[type(f.default)], type(value) is type(f.default)
    if not fits:
        raise ValueError(f"{f.name} must be {kind}, got {value!r}")


@dataclass(frozen=True)
class TrainingConfig:
    """What ``fit`` needs to know; the defaults are the recipe that won on validation.

    Raises ValueError on a choice that doesn't exist or a number out of range.
    """

    data: str = option(
        "solar-cells", "solar-cells, or a folder with a subfolder per class"
    )
    image_size: int = option(128, "side of the training images, in pixels")
    epochs: int = option(24, "passes over the training images")
    grow: bool = option(
        True, "begin with smaller images, which are cheaper: 5/8, 3/4, then all"
    )
    batch_size: int = option(64, "images per step")
    lr: float | None = option(
        None,
        "peak learning rate; by default the optimizer's: Muon 0.003, AdamW 0.002, SGD "
        "0.01",
    )
    schedule: str = option(
        "cosine",
        "of the learning rate; paper: 4 %% less every 8 epochs",
        ("cosine", "paper"),
    )
    optimizer: str = option(
        "muon", "sgd is the paper's: momentum 0.9", ("muon", "adamw", "sgd")
    )
    weight_decay: float | None = option(
        None, "on weights, never on biases and norms; by default 0.05, SGD 0.0005"
    )
    batch_norm: bool = option(True, "batch norm after every convolution")
    aux: bool = option(True, "the two auxiliary heads, at weight 0.3")
    augmentation: str = option(
        "strong",
        "light: small shifts; strong: larger ones, scale, rotation, contrast; "
        "paper, for photographs: patches of 8 to 100 %% of the area, and colours",
        ("light", "strong", "paper"),
    )
    flips: str = option(
        "auto",
        "mirrorings that keep the class: auto is both for solar cells, else horizontal",
        ("auto", "both", "horizontal", "none"),
    )
    precision: str = option(
        "auto",
        "auto takes bfloat16 where it is faster; float16 on GPUs without it",
        ("auto", *PRECISIONS),
    )
    final: bool = option(
        False, "when all is chosen: train on the validation images as well"
    )
    accumulate: int = option(
        1,
        "parts that each process cuts its share of a batch into, to save memory",
        compare=False,
    )
    stream: bool = option(
        False, "leave the pictures of a large folder on disk and read them as needed"
    )
    workers: int = option(
        2, "with --stream: processes that read, per process that trains", compare=False
    )
    weights: str = option(
        "", "fine-tune: begin with the weights of the run in this folder"
    )
    freeze: str = option(
        "none",
        "fine-tune: the stages up to this one stay as they are",
        ("none", "stem", "3", "4", "5"),
    )
    stage_lr: float = option(
        1.0, "fine-tune: each stage learns at this fraction of the next one's rate"
    )
    seed: int = option(0, "of the weights, the order and the augmentation")
    split_seed: int = option(0, "of the split into training, validation and test")
    split_by: str = option(
        "class",
        "what the split deals out: class, single images, as many of each class; panel, "
        "whole panels of solar cells",
        ("class", "panel"),
    )

    def __post_init__(self):
        for f in fields(self):
            choices, value = f.metadata["choices"], getattr(self, f.name)
            check_type(f, value)
            if choices and value not in choices:
                raise ValueError(
                    f"{f.name} must be one of {', '.join(choices)}, got {value!r}"
                )
        for name in ("image_size", "epochs", "batch_size", "accumulate", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name)}"
                )
        if self.stream and self.data == "solar-cells":
            raise ValueError("stream reads a folder: name one with data")
        if self.split_by == "panel" and self.data != "solar-cells":
            raise ValueError("only the solar cells have panels: split_by class")
        if self.lr is not None and not self.lr > 0:
            raise ValueError(f"lr must be positive, got {self.lr}")
        if self.weight_decay is not None and not self.weight_decay >= 0:
            raise ValueError(
                f"weight_decay must not be negative, got {self.weight_decay}"
            )
        if not 0 < self.stage_lr <= 1:
            raise ValueError(
                f"stage_lr must be above 0 and at most 1, got {self.stage_lr}"
            )
        for name in ("seed", "split_seed"):
            if not 0 <= getattr(self, name) < 2**32:
                raise ValueError(
                    f"{name} must be 0 to 2**32 - 1, got {getattr(self, name)}"
                )

    @property
    def peak_lr(self) -> float:
        """``lr``, or what won on validation for this optimizer."""
        return self.lr or {"muon": 3e-3, "adamw": 2e-3, "sgd": 1e-2}[self.optimizer]

    @property
    def decay(self) -> float:
        """``weight_decay``, or what suits this optimizer."""
        if self.weight_decay is not None:
            return self.weight_decay
        return {"muon": 0.05, "adamw": 0.05, "sgd": 5e-4}[self.optimizer]

    @property
    def mirrored(self) -> tuple[int, ...]:
        """The image dimensions to mirror: 3 is left and right, 2 is up and down."""
        automatic = "both" if self.data == "solar-cells" else "horizontal"
        flips = automatic if self.flips == "auto" else self.flips
        return {"both": (3, 2), "horizontal": (3,), "none": ()}[flips]
