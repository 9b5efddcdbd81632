"""The landing page's network: a run as one ONNX file, with pictures to show to it."""

import json
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from matplotlib import colormaps
from onnx import helper, numpy_helper
from PIL import Image
from torch import Tensor, nn

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet, Inception
from inception_lib.analysis.attribution import class_activation_map
from inception_lib.analysis.parts import BRANCHES, trunk
from inception_lib.analysis.receptive_field import (
    first_centres,
    inception_receptive_fields,
)
from inception_lib.model.serving import folded
from inception_lib.teaching.drawing import CREDIT
from inception_lib.teaching.heatmap import EVIDENCE
from inception_lib.teaching.trained import told
from inception_lib.training import ImageSet, Run, split
from inception_lib.training.command import read_data
from inception_lib.training.data import prepare

MODULES = list(GOOGLENET_WIDTHS)
MOST_PICTURES, AMONG = 6, 31
SHOWN = 300  # side of the pictures in the page, in pixels; the solar cells' own
FLOAT: Any = onnx.TensorProto.FLOAT  # onnx's types know no keywords of an operator
SMALL = 4096  # tensors of fewer numbers stay as they are


class Alive(nn.Module):
    """A run with its insides: pixels N×C×S×S uint8 (0 to 255) and a mask 9×4 float32
    -> the logits of output, head 1 and head 2 (N×K each; without heads only the first),
    the class activation maps N×K×h×w, and the nine modules' outputs N×C'×h'×w'.

    Each branch's maps are multiplied by its number in the mask before they are
    concatenated: 1 leaves it on, 0 takes it away.
    """

    def __init__(self, run: Run):
        super().__init__()
        # Into the plain layout of memory: other programs have their own.
        network = folded(cast(GoogLeNet, run.model), heads=True).cpu()
        network = network.to(memory_format=torch.contiguous_format)
        self.fc = network.fc
        self.layers = nn.ModuleDict(trunk(network))
        heads = {"4a": network.aux1, "4d": network.aux2}
        self.heads = nn.ModuleDict({at: h for at, h in heads.items() if h is not None})
        self.pixel_std = run.pixel_std

    @property
    def names(self) -> list[str]:
        """Of the outputs, in order."""
        return [
            "output",
            *["head 1", "head 2"][: len(self.heads)],
            "evidence",
            *MODULES,
        ]

    def forward(self, pixels: Tensor, mask: Tensor) -> list[Tensor]:
        x = prepare(pixels, self.pixel_std)
        modules, heads = [], []
        for name, layer in self.layers.items():
            if isinstance(layer, Inception):
                row = mask[MODULES.index(name)]
                outputs = [y * row[i] for i, y in enumerate(layer.branches(x))]
                x = torch.cat(outputs, dim=1)
                modules.append(x)
            else:
                x = layer(x)
            if name in self.heads:
                heads.append(self.heads[name](x))
        return [x, *heads, class_activation_map(modules[-1], self.fc), *modules]


def to_onnx(run: Run) -> bytes:
    """``Alive`` as an ONNX file with a free batch size, its weights in 8 bits."""
    alive, side = Alive(run).eval(), run.config.image_size
    program = torch.onnx.export(
        alive,
        (torch.zeros(2, run.channels, side, side, dtype=torch.uint8), torch.ones(9, 4)),
        input_names=["pixels", "mask"],
        output_names=alive.names,
        dynamic_shapes=({0: torch.export.Dim("batch", max=64)}, None),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    store_in_8_bits(model.graph)
    return model.SerializeToString()


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight, out×in×…, as int8 and a float32 scale per output channel, out×1×…:
    their product is within half a step of 1/127 of the channel's largest.
    """
    largest = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True)
    scale = (largest / 127).clamp_min(1e-12)
    return (weight / scale).round().to(torch.int8), scale


def store_in_8_bits(graph: onnx.GraphProto) -> None:
    """The weights become int8 and a scale, multiplied by each other when the file is
    loaded: a quarter of the bytes. All arithmetic on the picture stays in float32.
    """
    first = []
    for tensor in list(graph.initializer):
        weight = numpy_helper.to_array(tensor)
        if weight.dtype != np.float32 or weight.ndim < 2 or weight.size < SMALL:
            continue
        name = tensor.name
        whole, scale = (
            part.numpy() for part in rounded(torch.from_numpy(weight.copy()))
        )
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(whole, f"{name}.int8"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        first += [
            helper.make_node("Cast", [f"{name}.int8"], [f"{name}.float"], to=FLOAT),
            helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]),
        ]
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def pictures(run: Run) -> ImageSet | None:
    """A few of the run's validation images, or None where its folder is gone.

    Of each class and group, among the first whose label is certain, the typical one:
    the network's probability for its class is the median.
    """
    config = run.config
    try:
        data = read_data(config)
    except (ValueError, OSError):
        return None
    if not isinstance(data, ImageSet):  # streamed from a disk
        return None
    _, validation, _ = split(data, seed=config.split_seed, by=config.split_by)
    kinds: dict[tuple[str, int], list[int]] = {}
    for i, target in enumerate(validation.targets):
        if target.max() > 0.999:
            kind = validation.groups[i], int(target.argmax())
            kinds.setdefault(kind, []).append(i)
    chosen = []
    for kind in sorted(kinds)[:MOST_PICTURES]:
        first = validation.subset(torch.tensor(kinds[kind][:AMONG]))
        right = run.predict(first)[:, kind[1]]
        chosen.append(kinds[kind][int((right - right.median()).abs().argmin())])
    return validation.subset(torch.tensor(chosen))


def about(run: Run) -> dict:
    """What the page must know of the network."""
    model = cast(GoogLeNet, run.model)
    fields, centres = inception_receptive_fields(model), first_centres(model)
    return {
        "classes": list(run.classes),
        # What is asked for first: a defect, else whatever is the likeliest.
        "watched": 1 if run.config.on_solar_cells else None,
        "side": run.config.image_size,
        "channels": run.channels,
        "flips": list(run.config.flip_dims),
        "told": told(run),
        "outputs": Alive(run).names,
        "modules": {
            name: {
                "first": centres[name],
                "branches": {
                    branch: {"channels": width, **fields[name][branch]._asdict()}
                    for branch, width in zip(BRANCHES, channels(name), strict=True)
                },
            }
            for name in MODULES
        },
        # From −1 to 1, and from 0 to 1: red, green, blue and, of the first, opacity.
        "evidence": EVIDENCE(range(256), bytes=True).tolist(),
        "strength": colormaps["cividis"](range(256), bytes=True).tolist(),
    }


def channels(name: str) -> list[int]:
    """Of the four branches of a module."""
    w = GOOGLENET_WIDTHS[name]
    return [w.ch1x1, w.ch3x3, w.ch5x5, w.pool_proj]


def write(run: Run, runtime: Path, folder: Path) -> None:
    """Fill ``folder`` with all that docs/_static/network needs."""
    folder.mkdir(parents=True)
    (folder / "network.onnx").write_bytes(to_onnx(run))
    for file in runtime.iterdir():
        shutil.copyfile(file, folder / file.name)
    shown = []
    if (found := pictures(run)) is not None:
        for i, image in enumerate(found.resized(SHOWN).images):
            pixels = image.permute(1, 2, 0).squeeze(2).numpy()
            Image.fromarray(pixels).save(folder / f"{i}.png", optimize=True)
            label = found.classes[int(found.labels[i])]
            words = " ".join(word for word in (label, found.groups[i]) if word)
            shown.append({"file": f"{i}.png", "name": f"{words}, {found.names[i]}"})
    files = [folder / name for name in ("network.onnx", "ort.wasm")]
    facts = about(run) | {
        "pictures": shown,
        "credit": CREDIT if shown and run.config.on_solar_cells else "",
        "bytes": sum(file.stat().st_size for file in files),
    }
    (folder / "about.json").write_text(json.dumps(facts), encoding="utf-8")


def write_reason(why: str, folder: Path) -> None:
    """Instead: what the page says where there is no network."""
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps({"missing": why}), encoding="utf-8")
