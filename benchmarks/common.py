"""What several benchmarks share: the rival, images of noise, the machine's name."""

import platform
from pathlib import Path

import torch
import torchvision
from torch import nn

from inception_lib.training import ImageSet

CLASSES = 1000


def torchvisions() -> nn.Module:
    # Without its slow initialisation, which doesn't change the arithmetic.
    return torchvision.models.googlenet(
        num_classes=CLASSES, aux_logits=True, init_weights=False
    )


def noise(n: int, size: int) -> ImageSet:
    """Grey images of two classes: what they show takes no time."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    return ImageSet(
        torch.randint(256, (n, 1, size, size), dtype=torch.uint8, generator=random),
        labels,
        torch.eye(2)[labels],
        ("even", "odd"),
        ("",) * n,
        tuple(map(str, range(n))),
    )


def machine() -> str:
    """The GPU, or else the processor, and the version of PyTorch."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        name = platform.processor() or platform.machine()
        info = Path("/proc/cpuinfo")
        lines = info.read_text().splitlines() if info.exists() else []
        models = [x.split(":")[1].strip() for x in lines if x.startswith("model name")]
        name = [*models, name][0]
    return f"{name}, PyTorch {torch.__version__}"
