"""The paper's own form, as the Caffe model zoo published it, from an ONNX file.

python examples/bvlc_googlenet.py bvlc_googlenet.onnx
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet

PASSES = {"Dropout", "Identity"}  # nothing that changes an answer
AVERAGES = ("GlobalAveragePool", "AveragePool", "ReduceMean")
# The attributes that matter, with the values that they have where a file is silent.
PLAIN = {"pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "auto_pad": b"NOTSET"}
DEFAULTS: dict[str, dict[str, Any]] = {
    "Conv": PLAIN | {"group": 1},
    "MaxPool": PLAIN | {"ceil_mode": 0},
    "AveragePool": PLAIN,
    "LRN": {"alpha": 1e-4, "beta": 0.75, "bias": 1.0},
    "Concat": {},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0},
}


def from_onnx(path: str | Path) -> GoogLeNet:
    """A GoogLeNet from an ONNX file without batch norm, such as ``bvlc_googlenet``.

    The weights are found by the shape of the graph, not by name: nine concatenations,
    each of the branches 1×1, 3×3, 5×5 and pool in this order. Local response norm, the
    fourth pool, the side of the "5×5" and the classes are read from it too; every other
    kernel, stride, padding and constant must be GoogLeNet's. Returns logits (the file's
    softmax is left out), has no heads, and is in eval mode. Caffe's images are 224×224,
    blue before red, 0…255 minus (104, 117, 123).
    Needs the package onnx. Raises FileNotFoundError, or ValueError if the file is no
    such network.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "reading an ONNX file needs the package onnx: pip install onnx"
        ) from error
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: check its name")
    try:
        # External data could name any file of this computer: it isn't followed.
        graph = Graph(onnx.load(path, load_external_data=False).graph)
        weights, form = graph.googlenet()
        model = GoogLeNet(len(weights["fc.weight"]), aux_logits=False, **form)
        for name, own in model.state_dict().items():
            found = weights[name].shape
            if found != own.shape:
                raise ValueError(
                    f"{name} has the shape {list(found)}, not {list(own.shape)}"
                )
        model.load_state_dict(weights)
    except Exception as error:  # a damaged file fails in many ways
        why = str(error).splitlines()[0] if isinstance(error, ValueError) else "damaged"
        raise ValueError(
            f"{path} is not a GoogLeNet without batch norm: {why}"
        ) from error
    return model.eval()


class Graph:
    """An ONNX graph, read backwards: from a value to what made it."""

    def __init__(self, graph):
        from onnx import helper, numpy_helper

        self.nodes = list(graph.node)
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.values = {
            value.name: torch.from_numpy(numpy_helper.to_array(value).copy())
            for value in graph.initializer
            if value.data_location != value.EXTERNAL
        }
        self.value_of = helper.get_attribute_value

    def of_kind(self, kind: str) -> list:
        return [node for node in self.nodes if node.op_type == kind]

    def value(self, name: str) -> Tensor:
        if name not in self.values:
            raise ValueError(f"its weight {name} is not in the file")
        return self.values[name]

    def form(self, node) -> dict[str, Any]:
        named = {a.name: self.value_of(a) for a in node.attribute}
        return DEFAULTS[node.op_type] | named

    def check(self, node, place: str, **wanted) -> None:
        """Raise a ValueError unless the node has these attributes, else the usual."""
        found = self.form(node)
        for name, value in (DEFAULTS[node.op_type] | wanted).items():
            there = found.get(name)
            if isinstance(there, float):
                there = float(f"{there:.6g}")  # a file holds 0.0001 with seven digits
            if there != value:
                raise ValueError(
                    f"the {node.op_type} at {place} has {name} {there}, not {value}"
                )

    def convolution(self, place: str, output: str, then: tuple[str, ...] = ()):
        """The convolution from which ``output`` comes, through a ReLU and nodes of the
        kinds ``then``.
        """
        node, kinds = self.maker.get(output), list[str]()
        while node is not None and node.op_type != "Conv":
            if node.op_type not in PASSES:
                kinds.insert(0, node.op_type)
            node = self.maker.get(node.input[0])
        if node is None or kinds != ["Relu", *then]:
            wanted = " → ".join(("Conv", "Relu", *then))
            found = " → ".join(("the input" if node is None else "Conv", *kinds))
            raise ValueError(f"expected {wanted} at {place}, found {found}")
        if len(node.input) != 3:
            raise ValueError(f"the Conv at {place} has no bias")
        side = self.value(node.input[1]).shape[-1]
        stride = 2 if place == "conv1" else 1
        self.check(node, place, pads=[side // 2] * 4, strides=[stride] * 2)
        return node

    def googlenet(self) -> tuple[dict[str, Tensor], dict]:
        """All weights by our names, and the form of the network."""
        joins = self.of_kind("Concat")
        if len(joins) != len(GOOGLENET_WIDTHS):
            raise ValueError(f"it has {len(joins)} concatenations instead of 9")
        convs, pools = {}, []
        for name, join in zip(GOOGLENET_WIDTHS, joins, strict=True):
            self.check(join, name, axis=1)
            if len(join.input) != 4:
                raise ValueError(f"module {name} has {len(join.input)} branches, not 4")
            for branch, output in enumerate(join.input, 1):
                place = f"inception{name}.branch{branch}"
                last = self.convolution(place, output)
                convs[place if branch == 1 else f"{place}.1"] = last
                if branch in (2, 3):
                    convs[f"{place}.0"] = self.convolution(place, last.input[0])
                elif branch == 4:
                    pools.append(self.pool(last.input[0], place))
                    same = {"kernel_shape": [3, 3], "pads": [1] * 4}
                    self.check(pools[-1], place, **same)
        # The stem: what the first module reads, back to the image.
        norm = ("LRN",) if self.of_kind("LRN") else ()
        output = convs["inception3a.branch1"].input[0]
        stem = {"conv3": (*norm, "MaxPool"), "conv2": (), "conv1": ("MaxPool", *norm)}
        for name, then in stem.items():
            convs[name] = self.convolution(name, output, then)
            output = convs[name].input[0]
        for node in self.of_kind("LRN"):
            self.check(node, "the stem", size=5)
        if not any(map(self.of_kind, AVERAGES)):
            raise ValueError("there is no mean over all places at the end")
        for node in self.of_kind("AveragePool"):  # at 224 pixels these are all places
            self.check(node, "the end", kernel_shape=[7, 7])
        pool4 = self.pool(convs["inception5a.branch1"].input[0], "the end of 4")
        for node in self.of_kind("MaxPool"):
            if node not in pools:
                self.check_shrinking(node, 2 if node is pool4 else 3)
        weights = {}
        for name, node in convs.items():
            weights[f"{name}.conv.weight"] = self.value(node.input[1])
            weights[f"{name}.conv.bias"] = self.value(node.input[2])
        form = {
            "kernel_size_5x5": weights["inception3a.branch3.1.conv.weight"].shape[-1],
            "pool4_kernel_size": self.form(pool4)["kernel_shape"][0],
            "local_response_norm": bool(norm),
        }
        return weights | self.classifier(), form

    def pool(self, name: str, place: str):
        node = self.maker.get(name)
        if node is None or node.op_type != "MaxPool":
            raise ValueError(f"there is no max pool at {place}")
        return node

    def check_shrinking(self, node, smallest: int) -> None:
        """A pool of stride 2 keeps the border that fills no whole window. Files from
        before ``ceil_mode`` pad it instead, which is the same.
        """
        found = self.form(node)
        side = max(smallest, min(3, found["kernel_shape"][0]))
        pads = [0, 0, 1, 1]
        border = {"pads": pads} if found["pads"] == pads else {"ceil_mode": 1}
        wanted = {"kernel_shape": [side] * 2, "strides": [2, 2], **border}
        self.check(node, "the end of a stage", **wanted)

    def classifier(self) -> dict[str, Tensor]:
        layers = self.of_kind("Gemm")
        if len(layers) != 1 or len(layers[0].input) != 3:
            raise ValueError(f"it has {len(layers)} linear layers instead of 1")
        self.check(layers[0], "the end")
        weight, bias = (self.value(name) for name in layers[0].input[1:])
        transposed = self.form(layers[0]).get("transB")
        return {"fc.weight": weight if transposed else weight.T, "fc.bias": bias}


if __name__ == "__main__":
    network = from_onnx(sys.argv[1])
    parameters = sum(p.numel() for p in network.parameters())
    print(f"GoogLeNet, {network.fc.out_features} classes, {parameters:,} parameters")
