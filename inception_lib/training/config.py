"""Every choice of a training run, in one place; the command line is made from it."""

import math
from dataclasses import dataclass, field, fields
from typing import Literal, get_args, get_type_hints

from ..model.googlenet import map_sizes, smallest_image_size

SOLAR_CELLS = "solar-cells"  # the name of the data that this package brings
KINDS = {bool: "True or False", int: "a whole number", str: "a text"}


def check_type(name: str, value: object, kind: object) -> None:
    """Raise a ValueError unless ``value`` is what the field's annotation says."""
    if get_args(kind) and float not in get_args(kind):  # Literal
        if value not in get_args(kind):
            choices = ", ".join(get_args(kind))
            raise ValueError(f"{name} must be one of {choices}, got {value!r}")
    elif kind in KINDS:
        if type(value) is not kind:
            raise ValueError(f"{name} must be {KINDS[kind]}, got {value!r}")
    else:  # float, or float | None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, float):
            number = math.isfinite(value)
        if not number and (kind is float or value is not None):
            or_none = "" if kind is float else ", or None"
            raise ValueError(f"{name} must be a number{or_none}, got {value!r}")


@dataclass(frozen=True)
class TrainingConfig:
    """What ``fit`` needs to know; the defaults are the recipe that won on validation.

    Raises ValueError on a choice that doesn't exist or a number out of range.
    """

    # The text below each field is its help on the command line.
    data: str = SOLAR_CELLS
    """solar-cells, or a folder with a subfolder per class"""
    image_size: int = 128
    """side of the training images, in pixels"""
    epochs: int = 24
    """passes over the training images"""
    minutes: float | None = field(default=None, kw_only=True)
    """instead of epochs: as many as fit into these minutes on this computer"""
    grow: bool = True
    """begin with smaller images, which are cheaper: 5/8, 3/4, then all"""
    batch_size: int = 64
    """images per step"""
    lr: float | None = None
    """peak learning rate; by default the optimizer's: Muon 0.003, AdamW 0.002, SGD 0.01
    """
    schedule: Literal["cosine", "paper"] = "cosine"
    """of the learning rate; paper: 4 % less every 8 epochs"""
    optimizer: Literal["muon", "adamw", "sgd"] = "muon"
    """sgd is the paper's: momentum 0.9"""
    weight_decay: float | None = None
    """on weights, never on biases and norms; by default 0.05, SGD 0.0005"""
    batch_norm: bool = True
    """batch norm after every convolution"""
    aux: bool = True
    """the two auxiliary heads, at weight 0.3"""
    augmentation: Literal["light", "strong", "paper"] = "strong"
    """light shifts; strong also scales, turns, contrasts; paper: patches, for photos"""
    flips: Literal["auto", "both", "horizontal", "none"] = "auto"
    """flips that keep the class: auto is both for solar cells, otherwise horizontal"""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto takes bfloat16 where it is faster; float16 on GPUs without it"""
    final: bool = False
    """when all is chosen: train on the validation images as well"""
    accumulate: int = field(default=1, compare=False)
    """parts that each process cuts its share of a batch into, to save memory"""
    stream: bool = False
    """leave the pictures of a large folder on disk and read them as needed"""
    workers: int = field(default=2, compare=False)
    """with --stream: processes that read, per process that trains"""
    follow_links: bool = field(default=False, compare=False)
    """also read pictures and folders that are links"""
    full_scale: int = 0
    """what is white in pictures of 16 bits, such as 4095; 0 takes what the data need"""
    weights: str = ""
    """fine-tune: begin with the weights of the run in this folder"""
    freeze: Literal["none", "stem", "3", "4", "5"] = "none"
    """fine-tune: the stages up to this one stay as they are"""
    stage_lr: float = 1.0
    """fine-tune: each stage learns at this fraction of the next one's rate"""
    checkpoint_minutes: float = field(default=5.0, compare=False)
    """within an epoch, how often to write a checkpoint; 0: after every step"""
    seed: int = 0
    """of the weights, the order and the augmentation"""
    split_seed: int = 0
    """of the split into training, validation and test"""
    split_by: Literal["class", "panel"] = "class"
    """class deals out single images of each class; panel whole panels of solar cells"""

    def __post_init__(self):
        kinds = get_type_hints(TrainingConfig)
        for f in fields(self):
            check_type(f.name, getattr(self, f.name), kinds[f.name])
        for name in ("image_size", "epochs", "batch_size", "accumulate", "workers"):
            self._check(name, "at least 1", getattr(self, name) >= 1)
        for name in ("seed", "split_seed"):
            self._check(name, "0 to 2**32 - 1", 0 <= getattr(self, name) < 2**32)
        scale = self.full_scale
        self._check(
            "full_scale", "0, or 255 to 65535", not scale or 255 <= scale < 2**16
        )
        self._check("lr", "positive", self.lr is None or self.lr > 0)
        self._check("minutes", "positive", self.minutes is None or self.minutes > 0)
        self._check("weight_decay", "0 or more", (self.weight_decay or 0) >= 0)
        self._check("checkpoint_minutes", "0 or more", self.checkpoint_minutes >= 0)
        self._check("stage_lr", "above 0 and at most 1", 0 < self.stage_lr <= 1)
        if self.stream and self.on_solar_cells:
            raise ValueError("stream reads a folder: name one with data")
        if self.split_by == "panel" and not self.on_solar_cells:
            raise ValueError("only the solar cells have panels: split_by class")
        self.check_batch()

    def _check(self, name: str, rule: str, holds: object) -> None:
        if not holds:
            raise ValueError(f"{name} must be {rule}, got {getattr(self, name)}")

    def check_batch(self, processes: int = 1) -> None:
        """Raise a ValueError if these processes can't divide a batch evenly, or batch
        norm would see a single value.
        """
        parts = processes * self.accumulate
        into = f"a batch of {self.batch_size} in {processes} × {self.accumulate} parts"
        if self.batch_size % parts:
            raise ValueError(
                f"accumulate must divide each process's share of a batch: {into} "
                "(processes × accumulate) doesn't come out even"
            )
        size = min(image_sizes(self))
        if self.batch_norm and self.batch_size == parts:
            if map_sizes(size)["maxpool4"] == 1:
                raise ValueError(
                    f"{into} (processes × accumulate) leaves one image, and its "
                    f"{size}×{size} pixels one value, to a batch norm that needs two: "
                    "choose a larger batch_size or image_size, or no batch_norm"
                )

    @property
    def on_solar_cells(self) -> bool:
        """Whether these are the cells of this package, and not a folder of pictures."""
        return self.data == SOLAR_CELLS

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
    def views(self) -> str:
        """The test-time views of a run, named as in ``views.VIEWS``: the flips that
        keep the class.
        """
        automatic = "both" if self.on_solar_cells else "horizontal"
        flips = automatic if self.flips == "auto" else self.flips
        return "one" if flips == "none" else flips

    @property
    def flip_dims(self) -> tuple[int, ...]:
        """The same as image dimensions: 3 is left-right, 2 is up-down."""
        return {"both": (3, 2), "horizontal": (3,), "one": ()}[self.views]


def image_sizes(config: TrainingConfig) -> list[int]:
    """The side of the images in each epoch, in pixels.

    With ``config.grow`` the first 8 of 15 epochs see images of 5/8 of the size, the
    next 4 of 3/4, the last 3 the whole: in the same time there are nearly twice as many
    epochs. Never smaller than what the network can take.
    """
    if not config.grow:
        return [config.image_size] * config.epochs
    smallest = smallest_image_size(config.aux)
    sizes = []
    for epoch in range(1, config.epochs + 1):
        done = epoch / config.epochs
        part = 5 / 8 if done <= 8 / 15 else 3 / 4 if done <= 12 / 15 else 1
        size = max(smallest, round(config.image_size * part))
        sizes.append(min(size, config.image_size))
    return sizes
