"""Other people's weights: torchvision's GoogLeNet in, ours out."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir

from ..checks import shape_of
from .googlenet import GoogLeNet

__all__ = [
    "download_imagenet",
    "from_torchvision",
    "to_torchvision",
    "transform_input",
]

# How torchvision's network differs from the paper's.
TORCHVISION: dict[str, Any] = {
    "batch_norm": True,
    "kernel_size_5x5": 3,
    "pool4_kernel_size": 2,
    "dropout": 0.2,
}
# The mean and the standard deviation of ImageNet's red, green and blue, 0…1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def transform_input(x: Tensor) -> Tensor:
    """From ImageNet's normalisation to the one of the published weights, N×3×H×W.

    Their first layer expects every channel as (pixel − 0.5) / 0.5, with pixels 0…1.
    ``torchvision.models.googlenet(weights=…)`` takes (pixel − mean) / std of ImageNet
    and changes it silently (``transform_input=True``); here it is a step that you see.
    """
    if not isinstance(x, Tensor) or x.dim() != 4 or x.shape[1] != 3:
        raise ValueError(
            f"transform_input expects a tensor of shape N×3×H×W, got {shape_of(x)}"
        )
    mean, std = (
        x.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (x * std + mean - 0.5) / 0.5


def from_torchvision(state_dict: Mapping[str, Tensor]) -> GoogLeNet:
    """torchvision's GoogLeNet with these weights, as one of ours, in train mode.

    Classes and heads are read from the dict. The outputs are torchvision's, in eval and
    in train mode: with batch norm, a 3×3 in the "5×5" branch, a 2×2 fourth pool,
    dropout 0.2, and heads that pool adaptively, whatever the size of the images. The
    one thing that is left to the caller is ``transform_input``.
    Raises TypeError on anything but a dict, ValueError if it isn't torchvision's.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            "from_torchvision takes a state_dict, as model.state_dict() gives it; got "
            f"a {type(state_dict).__name__}"
        )
    last = state_dict.get("fc.weight")
    if not isinstance(last, Tensor) or last.dim() != 2:
        raise ValueError(
            "these are not torchvision's GoogLeNet weights: there is no fc.weight of "
            "shape classes×1024; take them from the state_dict of the bare model"
        )
    heads = any(name.startswith("aux") for name in state_dict)
    model = GoogLeNet(len(last), aux_logits=heads, **TORCHVISION)
    for head in (model.aux1, model.aux2):
        if head is not None:
            head.pool = nn.AdaptiveAvgPool2d(4)
    try:
        model.load_state_dict(state_dict)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(
            f"these are not torchvision's GoogLeNet weights: {first}"
        ) from error
    return model


def to_torchvision(model: GoogLeNet) -> dict[str, Tensor]:
    """The state_dict for ``torchvision.models.googlenet`` (``aux_logits`` as here).

    In eval mode the two then agree, with ``transform_input=False``. So do their heads,
    if they pool alike: those from ``from_torchvision``, or where the map before them is
    a multiple of 4 wide. Raises TypeError on anything but a GoogLeNet, ValueError if
    torchvision can't hold it, with the argument that stands in the way.
    """
    if not isinstance(model, GoogLeNet):
        raise TypeError(f"model must be a GoogLeNet, got a {type(model).__name__}")
    five = model.state_dict()["inception3a.branch3.1.conv.weight"]
    found = {
        "batch_norm": model.conv1.bn is not None,
        "kernel_size_5x5": five.shape[-1],
        "pool4_kernel_size": model.pool4_kernel_size,
        "local_response_norm": model.norm1 is not None,
    }
    wanted = TORCHVISION | {"local_response_norm": False}
    for name, value in found.items():
        if value != wanted[name]:
            raise ValueError(
                f"torchvision's GoogLeNet has {name}={wanted[name]}, this one "
                f"{name}={value}: build and train yours with {name}={wanted[name]}"
            )
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def download_imagenet() -> GoogLeNet:
    """The network with torchvision's published ImageNet weights, without heads, in eval
    mode: 1,000 classes, 69.8 % top-1 by torchvision's own account.

    Downloads 50 MB, once. Images: 224×224, (pixel − 0.5) / 0.5; see
    ``transform_input``. The file holds heads too, but they were never trained. Raises
    ConnectionError without a network, with a remedy, and ValueError if what was
    downloaded before is another file.
    """
    from torchvision.models import GoogLeNet_Weights

    state = published(GoogLeNet_Weights.IMAGENET1K_V1.url)
    trunk = {k: v for k, v in state.items() if not k.startswith("aux")}
    return from_torchvision(trunk).eval()


def published(url: str) -> dict[str, Tensor]:
    """The tensors in a file that PyTorch publishes; it stays in PyTorch's own cache.

    The file's name ends in the beginning of its SHA-256, which is checked whenever the
    file is read: PyTorch itself checks it after the download only, and then would run
    what a changed file says.
    """
    name = url.rpartition("/")[2]
    prefix = name.partition(".")[0].rpartition("-")[2]
    path = Path(get_dir(), "checkpoints", name)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(url, str(path), prefix)
        except (OSError, RuntimeError) as error:  # no network; another checksum
            raise ConnectionError(
                f"the published weights can't be downloaded ({error}): fetch {url} on "
                f"another machine and copy it to {path}"
            ) from error
    try:
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(prefix):
            raise ValueError("another checksum")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or malicious file fails in many ways
        raise ValueError(
            f"{path} is not the file of weights that was published: delete it, and it "
            "will be downloaded again"
        ) from error
