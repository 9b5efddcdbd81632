"""A photograph gets a name: torchvision's published weights in our GoogLeNet."""

from pathlib import Path

import torch
from skimage.data import data_dir
from torch import Tensor
from torchvision.models import GoogLeNet_Weights
from torchvision.transforms.v2.functional import center_crop

from ..analysis.attribution import class_activation_map, contrast
from ..analysis.parts import answers
from ..model import GoogLeNet, interop
from ..training import load_picture
from ..training.log import tell
from . import heatmap
from .drawing import Drawing, bars, figure, fixed_layout, show_image

PUBLISHED = GoogLeNet_Weights.IMAGENET1K_V1
SAMPLES = {"cat": "chelsea", "astronaut": "astronaut", "coffee": "coffee"}


def imagenet(online: bool = False) -> GoogLeNet | None:
    """``interop.download_imagenet``, or None and a printed sentence that says why."""
    try:
        return interop.download_imagenet(online)
    except (ConnectionError, ValueError) as error:
        tell(str(error))
        return None


def prepared(photograph: str | Path) -> tuple[Tensor, Tensor]:
    """The pixels that the network sees, 3×224×224 uint8, and what is made of them for
    ``imagenet``, 1×3×224×224.

    ``photograph`` is a file, or one of scikit-image's: "cat", "astronaut", "coffee".
    The shorter side becomes 256 pixels and the centre is cut out, as torchvision's own
    transforms of these weights do it. Raises what ``load_picture`` raises.
    """
    if photograph in SAMPLES:
        photograph = Path(data_dir, f"{SAMPLES[str(photograph)]}.png")
    transforms = PUBLISHED.transforms()
    pixels = load_picture(photograph, *transforms.resize_size)
    x = interop.transform_input(transforms(pixels))
    return center_crop(pixels[0], transforms.crop_size), x


@torch.no_grad()
def explain(model: GoogLeNet, x: Tensor) -> tuple[Tensor, Tensor]:
    """K probabilities of a 1×3×S×S image, and the h×w evidence for the likeliest class:
    what each place adds to its logit, against the mean of the others (notebook 03).
    """
    maps, logits = answers(model, x)["output"]
    every = class_activation_map(maps, model.fc)[0]
    evidence = contrast(every.flatten(1).T, logits.argmax())
    return logits.softmax(1)[0], evidence.view(every.shape[1:])


def name_photograph(photograph: str | Path, online: bool = False) -> Drawing | None:
    """The five likeliest of ImageNet's 1,000 classes for a photo, see ``prepared``, and
    where the network looked; or None, and a printed sentence, where it isn't there.
    """
    pixels, x = prepared(photograph)
    model = imagenet(online)
    return None if model is None else draw_names(model, pixels, x, str(photograph))


def draw_names(model: GoogLeNet, pixels: Tensor, x: Tensor, title: str) -> Drawing:
    """The picture (3×S×S uint8), the evidence for the best answer, the five best."""
    probabilities, evidence = explain(model, x)
    fig, (bare, middle, right) = figure(2.8, columns=3, width_ratios=[1, 1, 1.4])
    fixed_layout(fig, left=0.01, right=0.97, bottom=0.2, top=0.9, wspace=0.08)
    show_image(bare, pixels, Path(title).name)
    best = probabilities.topk(5)
    names = [PUBLISHED.meta["categories"][i] for i in best.indices.tolist()]
    values = dict(zip(names, best.values.tolist(), strict=True))
    heatmap.overlay(middle, pixels, evidence)
    middle.set_title(f"evidence for “{names[0]}”", fontsize=9)
    heatmap.legend(middle)
    bars(right, values, ["1x1"] * len(values), 3, "predicted probability")
    right.set_xticks([0, 0.5, 1])
    told = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    return Drawing(
        fig,
        f"{Path(title).name}, and the five likeliest classes: {told}. Laid over a "
        f"copy: orange where the evidence speaks for {names[0]}, purple against it; "
        f"the highest lies {heatmap.highest_place(evidence)}.",
    )
