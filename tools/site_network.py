"""The landing page's network: a run as one ONNX file, with pictures to show to it."""

import gzip
import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from matplotlib import colormaps
from onnx import helper, numpy_helper
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

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
from inception_lib.training.run import build_model

MODULES = list(GOOGLENET_WIDTHS)
MOST_PICTURES, AMONG = 6, 31
MEASURED = 64  # pictures on which the shuffled network's batch norms are measured
LOADED = ("network.onnx.gz", "shuffled.bin", "ort.wasm.gz")
SHOWN = 300  # side of the pictures in the page, in pixels; the solar cells' own
Layer = nn.Conv2d | nn.Linear  # what has weights
FLOAT: Any = onnx.TensorProto.FLOAT  # onnx's types know no keywords of an operator


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
    # The exporter keeps equal biases only once, such as all zeros: not if they differ.
    for number, layer in enumerate(alive.modules()):
        if isinstance(layer, Layer):
            nn.init.constant_(cast(Tensor, layer.bias), number)
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
    store_in_8_bits(model.graph, folded(cast(GoogLeNet, run.model), heads=True).cpu())
    return model.SerializeToString()


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight, out×in×…, as int8 and a float32 scale per output channel, out×1×…:
    their product is within one step of 1/126 of the channel's largest.

    What one weight loses the next ones make up for: of each channel it is the running
    sum that is rounded. Neighbours in a map are alike, so that their errors cancel:
    in the logits of a trained run half is left of what rounding each by itself does.
    """
    largest = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True)
    scale = (largest / 126).clamp_min(1e-12)
    sums = (weight / scale).double().flatten(1).cumsum(1).round()
    whole = sums.diff(dim=1, prepend=sums.new_zeros(len(sums), 1))
    return whole.view(weight.shape).to(torch.int8), scale


def store_in_8_bits(graph: onnx.GraphProto, network: GoogLeNet) -> None:
    """The network's weights become int8 and a scale, multiplied by each other when the
    file is loaded: a quarter of the bytes. All arithmetic on the picture stays in
    float32.
    """
    numbers: dict[str, Tensor] = {}
    first = []
    for name, layer in weighted(network).items():
        weight, (whole, scale) = f"{name}.weight", rounded(layer.weight)
        numbers |= {f"{weight}.int8": whole, f"{weight}.scale": scale}
        numbers[f"{name}.bias"] = cast(Tensor, layer.bias)
        first += [
            helper.make_node("Cast", [f"{weight}.int8"], [f"{weight}.float"], to=FLOAT),
            helper.make_node("Mul", [f"{weight}.float", f"{weight}.scale"], [weight]),
        ]
    known = {node.output[0] for node in first} | set(numbers)
    others = [tensor for tensor in graph.initializer if tensor.name not in known]
    nodes = [*first, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(others)
    for name, values in numbers.items():
        graph.initializer.append(numpy_helper.from_array(values.numpy(), name))
    graph.node.extend(nodes)


def weighted(network: GoogLeNet) -> dict[str, Layer]:
    """The layers that have weights, by their names in the file, in a fixed order."""
    heads = {"4a": network.aux1, "4d": network.aux2}
    parts = {f"layers.{name}": part for name, part in trunk(network).items()}
    parts |= {f"heads.{at}": head for at, head in heads.items() if head is not None}
    return {
        name: layer
        for part, module in parts.items()
        for name, layer in module.named_modules(prefix=part)
        if isinstance(layer, Layer)
    }


def scattered(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers -> as many that look random, uint32: Wellons' "lowbias32", which
    is as short in JavaScript (docs/_static/network/weights.js).
    """
    x = numbers.astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def in_random_order(rows: np.ndarray, first: int) -> np.ndarray:
    """Each row of R×n in an order of its own (Fisher and Yates); ``first`` is the
    running number of the first weight, on which the order depends.
    """
    rows = rows.copy()
    count, n = rows.shape
    places = np.arange(count)
    for last in range(n - 1, 0, -1):
        random = scattered(first + places * n + last).astype(np.uint64)
        other = (random * np.uint64(last + 1)) >> np.uint64(32)
        here, there = rows[:, last].copy(), rows[places, other]
        rows[places, other], rows[:, last] = here, there
    return rows


def shuffled(run: Run) -> GoogLeNet:
    """The run's network, folded, with the weights of each filter in random order.

    As in ``analysis.attribution.randomised`` its batch norms measure their statistics
    again, on pictures of the validation set, or on noise where the folder is gone.
    """
    twin = deepcopy(cast(GoogLeNet, run.model)).cpu().requires_grad_(False)
    first = 0
    for layer in weighted(twin).values():
        rows = layer.weight.flatten(1).numpy()
        order = torch.from_numpy(in_random_order(rows, first))
        layer.weight.copy_(order.view(layer.weight.shape))
        first += layer.weight.numel()
    found, side = validation_images(run), run.config.image_size
    if found is not None:
        pixels = found.subset(torch.arange(len(found))[:MEASURED]).resized(side).images
    else:
        noise = torch.Generator().manual_seed(0)
        size = (MEASURED, run.channels, side, side)
        pixels = torch.randint(0, 256, size, dtype=torch.uint8, generator=noise)
    update_bn([prepare(pixels, run.pixel_std)], twin)
    return folded(twin, heads=True)


def scales_and_biases(network: GoogLeNet) -> bytes:
    """Of each layer in turn: its scales, then its biases, float32."""
    numbers = []
    for layer in weighted(network).values():
        numbers += [rounded(layer.weight)[1].flatten(), cast(Tensor, layer.bias)]
    return torch.cat(numbers).numpy().astype("<f4").tobytes()


def layers(run: Run, file: bytes) -> list[dict]:
    """Where the numbers of each layer lie in ``file``, in bytes from its beginning, how
    many rows and columns its weights have, and their standard deviation in a network
    that is not trained yet (its biases are 0).
    """
    places = {}
    for tensor in onnx.load_from_string(file).graph.initializer:
        whole = tensor.SerializeToString()
        assert whole.endswith(tensor.raw_data)
        places[tensor.name] = file.index(whole) + len(whole) - len(tensor.raw_data)
    untrained = folded(build_model(run.config, len(run.classes)), heads=True)
    return [
        {
            "name": name,
            "rows": len(layer.weight),
            "columns": layer.weight[0].numel(),
            "weights": places[f"{name}.weight.int8"],
            "scales": places[f"{name}.weight.scale"],
            "biases": places[f"{name}.bias"],
            "std": layer.weight.std().item(),
        }
        for name, layer in weighted(untrained).items()
    ]


def validation_images(run: Run) -> ImageSet | None:
    """None where the folder is gone."""
    config = run.config
    try:
        data = read_data(config)
    except (ValueError, OSError):
        return None
    if not isinstance(data, ImageSet):  # streamed from a disk
        return None
    return split(data, seed=config.split_seed, by=config.split_by)[1]


def pictures(run: Run) -> ImageSet | None:
    """A few of the run's validation images, or None where its folder is gone.

    Of each class and group, among the first whose label is certain, the typical one:
    the network's probability for its class is the median.
    """
    if (validation := validation_images(run)) is None:
        return None
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
    network = to_onnx(run)
    packed(folder / "network.onnx.gz", network)
    # What fits the same weights in random order, which the page makes itself.
    (folder / "shuffled.bin").write_bytes(scales_and_biases(shuffled(run)))
    shutil.copyfile(runtime / "ort.js", folder / "ort.js")
    packed(folder / "ort.wasm.gz", (runtime / "ort.wasm").read_bytes())
    shown = []
    if (found := pictures(run)) is not None:
        for i, image in enumerate(found.resized(SHOWN).images):
            pixels = image.permute(1, 2, 0).squeeze(2).numpy()
            Image.fromarray(pixels).save(folder / f"{i}.png", optimize=True)
            label = found.classes[int(found.labels[i])]
            words = " ".join(word for word in (label, found.groups[i]) if word)
            shown.append({"file": f"{i}.png", "name": f"{words}, {found.names[i]}"})
    files = [folder / name for name in LOADED]
    facts = about(run) | {
        "layers": layers(run, network),
        "pictures": shown,
        "credit": CREDIT if shown and run.config.on_solar_cells else "",
        "bytes": sum(file.stat().st_size for file in files),
    }
    (folder / "about.json").write_text(json.dumps(facts), encoding="utf-8")


def packed(path: Path, data: bytes) -> None:
    """Write ``data``, which the page unpacks: not every server does."""
    path.write_bytes(gzip.compress(data, mtime=0))


def write_reason(why: str, folder: Path) -> None:
    """Instead: what the page says where there is no network."""
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps({"missing": why}), encoding="utf-8")
