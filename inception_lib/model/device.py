"""Where to compute and in which precision: what this machine is good at."""

import time
from functools import cache

import torch
import torch.nn.functional as F

PRECISIONS = ("float32", "bfloat16", "float16")


def pick_device() -> torch.device:
    """A CUDA GPU, else an Apple GPU, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seconds_per_convolution(dtype: torch.dtype, enough: float = 0.1) -> float:
    """The best time of up to 20 3×3 convolutions of 128 channels, in seconds; once
    ``enough`` seconds are spent, no more are done.
    """
    x = torch.ones(8, 128, 28, 28, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.ones(128, 128, 3, 3, dtype=dtype)
    times: list[float] = []
    with torch.no_grad():
        F.conv2d(x, weight, padding=1)  # the first call also prepares the kernel
        while len(times) < 20 and sum(times) < enough:
            start = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            times.append(time.perf_counter() - start)
    return min(times)


@cache
def bfloat16_ratio() -> float:
    """How many times as long as in float32 a convolution takes in bfloat16 on this
    processor, measured once per process.
    """
    bfloat16, float32 = map(seconds_per_convolution, (torch.bfloat16, torch.float32))
    return bfloat16 / float32


def pick_precision(precision: str, device: torch.device) -> tuple[str, str]:
    """("float32", "bfloat16" or "float16", the reason in words).

    ``precision="auto"`` takes bfloat16 on a GPU that has it, float16 on one that
    hasn't. On a processor it takes bfloat16 where a convolution is at least 1.3 times
    faster with it: without the right instructions it is emulated, and slower. That is
    measured once per process, in a few tenths of a second. Raises ValueError on another
    precision.
    """
    if precision not in ("auto", *PRECISIONS):
        choices = ", ".join(("auto", *PRECISIONS[:-1]))
        raise ValueError(
            f"precision must be {choices} or {PRECISIONS[-1]}, got {precision!r}"
        )
    if precision != "auto":
        return precision, "as asked"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "this GPU has it"
        return "float16", "this GPU has no bfloat16; the loss is scaled"
    if device.type != "cpu":
        return "float32", "the safe choice on this device"
    ratio = bfloat16_ratio()
    return (
        "bfloat16" if ratio <= 1 / 1.3 else "float32",
        f"a convolution in bfloat16 takes {ratio:.2f} times as long here",
    )
