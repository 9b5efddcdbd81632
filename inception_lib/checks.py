"""What the borders ask of an argument: one sentence each that names it and the rule."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

MOST_WEIGHTS = 2**31  # of a layer: 8 GB


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Inside the block, a package that is not installed is one sentence that names the
    extra of this library which brings it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "inception_lib":
            raise
        message = f'{package} is missing: pip install "inception-lib[{name}]"'
        raise ModuleNotFoundError(message, name=error.name) from error


def at_home(path: str | Path) -> Path:
    """The path with the home folder in place of ~, which a shell leaves in --out=~/run.
    The name of a file may begin with ~, too: then it stays.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # nobody's home
        return Path(path)


def check_positive(**values: int) -> None:
    """Raise a ValueError that names the first argument that is no positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_rate(**rates: float) -> None:
    """Raise a ValueError that names the first dropout rate outside 0 ≤ rate < 1."""
    for name, rate in rates.items():
        if not is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {rate!r}")


def check_flag(**flags: bool) -> None:
    """Raise a ValueError that names the first argument that is not True or False: a
    string such as "no" would count as true.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, got {flag!r}")


def check_weights(*shape: int) -> None:
    """Raise a ValueError if a weight of this shape would not fit into memory."""
    if prod(shape) > MOST_WEIGHTS:
        raise ValueError(
            f"a layer of {'×'.join(map(str, shape))} weights doesn't fit into memory: "
            f"at most {MOST_WEIGHTS:,} are allowed"
        )


def is_number(value: object) -> bool:
    """Whether it is an integer or a float: True and False count as neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_channels(module: nn.Module, x: Tensor, in_channels: int) -> None:
    """Raise a ValueError unless ``x`` is an N×in_channels×H×W tensor of floats."""
    if not isinstance(x, Tensor) or x.dim() != 4 or x.shape[1] != in_channels:
        raise ValueError(
            f"{type(module).__name__} expects a tensor of shape N×{in_channels}×H×W, "
            f"got {shape_of(x)}{channels_last(x, in_channels)}"
        )
    if not x.is_floating_point():
        raise ValueError(
            f"{type(module).__name__} expects floating-point numbers, got {x.dtype}: "
            "bring the pixels into the range that its weights were trained on"
        )


def channels_last(x: object, channels: int) -> str:
    """What to do about images whose channels come last; "" if they don't."""
    if isinstance(x, Tensor) and x.dim() == 4 and x.shape[3] == channels:
        return ", channels last: hand over x.permute(0, 3, 1, 2)"
    return ""


def notice_pixels(x: Tensor) -> None:
    """Warn if a network is handed pixels of 0 to 255 as they are: what has been brought
    to a mean near 0, as every network here expects it, has negative numbers, too.

    To look at the numbers is to wait for a GPU, and no number is known while a graph is
    recorded: both are left out.
    """
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if recorded or type(x) is not Tensor or x.device.type != "cpu" or not x.numel():
        return
    low, high = x.aminmax()
    if low >= 0 and high > 16:
        warnings.warn(
            f"the images hold values from {low:.3g} to {high:.3g}: these look like "
            "pixels of 0 to 255, and the network's weights say what they need: "
            "inception_lib.training.prepare for a run of this library, "
            "(pixel / 255 - 0.5) / 0.5 for torchvision's",
            stacklevel=3,
        )


def shape_of(x: object) -> str:
    """For a message: a tensor's shape as 2×3×64×64, else what ``x`` is."""
    if isinstance(x, Tensor):
        return "×".join(map(str, x.shape)) or "a single number"
    return f"a {type(x).__name__}"
