"""Other people's weights: torchvision's GoogLeNet in, ours out."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir

from ..checks import channels_last, shape_of
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

    Their first layer expects every channel as (pixel − 0.5) / 0.5, with pixels 0…1 in
    the order red, green, blue. (No number shows that blue came first: OpenCV reads so.)
    ``torchvision.models.googlenet(weights=…)`` takes (pixel − mean) / std of ImageNet
    and changes it silently (``transform_input=True``); here it is a step that you see.
    Raises ValueError on another shape, and on pixels that have not been normalised.
    """
    if not isinstance(x, Tensor) or x.dim() != 4 or x.shape[1] != 3:
        raise ValueError(
            f"transform_input expects a tensor of shape N×3×H×W, got {shape_of(x)}"
            f"{channels_last(x, 3)}"
        )
    if not torch.compiler.is_compiling() and (found := not_normalised(x)):
        raise ValueError(
            f"transform_input expects (pixel - mean) / std of ImageNet, got {found}: "
            "with pixels of 0 to 1, (pixel - 0.5) / 0.5 is all that the network needs"
        )
    mean, std = (
        x.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (x * std + mean - 0.5) / 0.5


def not_normalised(x: Tensor) -> str:
    """What images must be whose mean and spread nobody has changed; "" if that can't be
    seen. Normalised ones have numbers on both sides of 0, none of them large.
    """
    if not x.is_floating_point():
        return f"{x.dtype}, pixels of 0 to 255"
    if type(x) is not Tensor or x.device.type == "meta" or not x.numel():
        return ""
    low, high = (value.item() for value in x.aminmax())
    if high > 10:
        return f"values up to {high:.3g}, as of pixels of 0 to 255"
    if low >= 0 and high <= 1 and high - low > 0.5:
        return f"values from {low:.2g} to {high:.2g}, pixels of 0 to 1"
    return ""


def from_torchvision(weights: Mapping[str, Any] | nn.Module) -> GoogLeNet:
    """torchvision's GoogLeNet with these weights, as one of ours, in train mode.

    ``weights`` is a state_dict, a checkpoint that holds one beside other things, or the
    network itself, perhaps in a wrapper such as ``DataParallel``. Classes and heads are
    read from it; heads for another number of classes, whose last layers were not
    exchanged for a new task, are left out. The outputs are torchvision's, in eval and
    in train mode: with batch norm, a 3×3 in the "5×5" branch, a 2×2 fourth pool,
    dropout 0.2, and heads that pool adaptively, whatever the size of the images. What
    is left to the caller is to prepare the images: see ``transform_input``.
    Raises TypeError on anything else, ValueError if it isn't torchvision's GoogLeNet,
    with what was found.
    """
    if not isinstance(weights, Mapping | nn.Module):
        raise TypeError(
            "from_torchvision takes a state_dict, as model.state_dict() gives it or "
            f"torch.load(file, weights_only=True); got a {type(weights).__name__}"
        )
    state_dict = one_fc(bare(weights))
    last = state_dict.get("fc.weight")
    if not isinstance(last, Tensor) or last.dim() != 2:
        raise ValueError(
            "these are not torchvision's GoogLeNet weights: there is no fc.weight of "
            f"shape classes×1024{other_network(state_dict)}"
        )
    heads = any(name.startswith("aux") for name in state_dict)
    theirs = state_dict.get("aux1.fc2.weight", last)
    if heads and isinstance(theirs, Tensor) and len(theirs) != len(last):
        heads = False
        state_dict = {k: v for k, v in state_dict.items() if not k.startswith("aux")}
    model = GoogLeNet(len(last), aux_logits=heads, **TORCHVISION)
    for head in (model.aux1, model.aux2):
        if head is not None:
            head.pool = nn.AdaptiveAvgPool2d(4)
    try:
        model.load_state_dict(state_dict)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(
            "these are not torchvision's GoogLeNet weights: "
            f"{first}{other_network(state_dict)}"
        ) from error
    return model


FIRST = "inception3a.branch1.conv.weight"  # only a GoogLeNet has it
# A name of a weight, or the beginning of one, that gives a network away.
OTHERS = {
    "layer1.": "a ResNet",
    "Conv2d_1a_3x3.": "an Inception v3",
    "features.denseblock1.": "a DenseNet",
    "features.0.0.": "a MobileNet or EfficientNet",
    "features.0.": "a VGG or an AlexNet",
    "encoder.": "a transformer",
    "patch_embed.": "a transformer",
    "blocks.": "a network of timm",
    "inception_3a": "a GoogLeNet in Caffe's naming",
}


def other_network(state_dict: Mapping[str, Any]) -> str:
    """For a message: whose weights these seem to be, or which names are there."""
    for beginning, name in OTHERS.items():
        if any(f".{beginning}" in f".{key}" for key in state_dict):
            return f"; they seem to be those of {name}"
    if FIRST in state_dict:
        return ""
    names = ", ".join(map(str, list(state_dict)[:3])) or "nothing"
    return f"; what is there is {names}{', …' if len(state_dict) > 3 else ''}"


def bare(weights: Mapping[str, Any] | nn.Module) -> Mapping[str, Any]:
    """The weights of the one network in a checkpoint, without what wrappers such as
    DataParallel and torch.compile put before their names. Raises ValueError if there
    are several.
    """
    if isinstance(weights, nn.Module):
        weights = weights.state_dict()
    holders = {
        name: part
        for name, part in weights.items()
        if isinstance(part, Mapping | nn.Module)
    }
    networks = {name: bare(part) for name, part in holders.items()}
    found = [name for name, network in networks.items() if FIRST in network]
    starts = {
        str(name).removesuffix(FIRST) for name in weights if str(name).endswith(FIRST)
    }
    if len(found) + len(starts) > 1:
        names = ", ".join(repr(name) for name in (*found, *sorted(starts)))
        raise ValueError(f"there are several networks, {names}: hand over one of them")
    if starts:
        (start,) = starts
        return {
            k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)
        }
    # Else what holds most, to be named as what it is.
    best = found or sorted(networks, key=lambda name: -len(networks[name]))
    return networks[best[0]] if best else weights


def one_fc(state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the last layer under its own name, if it is the one weight of a sequence, as
    after a dropout: fc.1.weight. Raises ValueError if there are several layers.
    """
    inside = [k for k in state_dict if re.fullmatch(r"fc\.\d+\.weight", k)]
    if len(inside) > 1:
        raise ValueError(
            f"the last layer is a sequence of {len(inside)} layers, "
            f"{', '.join(inside)}: ours is one, so rebuild it on the network "
            "that the other weights give (fc.weight, fc.bias)"
        )
    if not inside:
        return state_dict
    start = inside[0].removesuffix("weight")
    return {k.replace(start, "fc."): v for k, v in state_dict.items()}


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


def download_imagenet(online: bool = True) -> GoogLeNet:
    """The network with torchvision's published ImageNet weights, without heads, in eval
    mode: 1,000 classes, 69.8 % top-1 by torchvision's own account.

    Downloads 50 MB, once, into PyTorch's own cache; where the file lies there already,
    nothing is asked of the network, and without ``online`` only such a file will do.
    Images: 224×224, (pixel − 0.5) / 0.5; see ``transform_input``. The file holds heads
    too, but they were never trained. Raises ConnectionError if there is no file, with a
    remedy, and ValueError if what lies there is another file.
    """
    from torchvision.models import GoogLeNet_Weights

    state = published(GoogLeNet_Weights.IMAGENET1K_V1.url, online)
    trunk = {k: v for k, v in state.items() if not k.startswith("aux")}
    return from_torchvision(trunk).eval()


def published(url: str, online: bool = True) -> dict[str, Tensor]:
    """The tensors in a file that PyTorch publishes; it stays in PyTorch's own cache.

    The file's name ends in the beginning of its SHA-256, which is checked whenever the
    file is read: PyTorch itself checks it after the download only, and then would run
    what a changed file says.
    """
    name = url.rpartition("/")[2]
    prefix = name.partition(".")[0].rpartition("-")[2]
    path = Path(get_dir(), "checkpoints", name)
    at_home = path.is_relative_to(Path.home())
    place = f"~/{path.relative_to(Path.home()).as_posix()}" if at_home else f"{path}"
    if not path.exists():
        if not online:
            raise ConnectionError(
                "the published weights are not on this computer: set online = True, "
                f"or copy {url} to {place}"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(url, str(path), prefix)
        except Exception as error:  # no network, another checksum, half an answer, …
            raise ConnectionError(
                f"the published weights can't be downloaded ({error}): fetch {url} on "
                f"another machine and copy it to {place}"
            ) from error
    try:
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(prefix):
            raise ValueError("another checksum")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or malicious file fails in many ways
        raise ValueError(
            f"{place} is not the file of weights that was published: delete it, and it "
            "will be downloaded again"
        ) from error
