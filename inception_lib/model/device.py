"""Where to compute and in which precision: what this machine is good at."""

import time

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


def seconds_per_convolution(dtype: torch.dtype, repeats: int = 20) -> float:
    """The best time of ``repeats`` 3×3 convolutions of 128 channels, in seconds."""
    x = torch.randn(8, 128, 28, 28, dtype=dtype).contiguous(
        memory_format=torch.channels_last
    )
    weight = torch.randn(128, 128, 3, 3, dtype=dtype)
    times = []
    with torch.no_grad():
        for _ in range(repeats + 1):  # the first call also prepares the kernel
            start = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def pick_precision(precision: str, device: torch.device) -> tuple[str, str]:
    """("float32", "bfloat16" or "float16", the reason in words).

    ``precision="auto"`` takes bfloat16 on a GPU that has it, float16 on one that
    hasn't. On a processor it takes bfloat16 where a convolution is at least 1.3 times
    faster with it: without the right instructions it is emulated, and slower. The
    measurement takes a tenth of a second. Raises ValueError on another precision.
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
    state = (
        torch.get_rng_state()
    )  # a measurement must not change the run's random numbers
    ratio = seconds_per_convolution(torch.float32) / seconds_per_convolution(
        torch.bfloat16
    )
    torch.set_rng_state(state)
    return (
        "bfloat16" if ratio >= 1.3 else "float32",
        f"a convolution in bfloat16 takes {1 / ratio:.2f} times as long here",
    )
