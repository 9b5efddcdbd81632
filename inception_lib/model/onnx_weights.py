"""The paper's own form, as the Caffe model zoo published it, from an ONNX file."""

from pathlib import Path

import torch
from torch import Tensor

from .googlenet import GOOGLENET_WIDTHS, GoogLeNet

PASSES = {"Relu", "LRN", "Dropout", "Identity"}  # on the way to a convolution


def from_onnx(path: str | Path) -> GoogLeNet:
    """A GoogLeNet from an ONNX file without batch norm, such as ``bvlc_googlenet``.

    The weights are found by the shape of the graph, not by name: nine concatenations,
    each of the branches 1×1, 3×3, 5×5 and pool in this order. Local response norm, the
    fourth pool, the side of the "5×5" and the classes are read from it too. Returns
    logits (the file's softmax is left out), has no heads, and is in eval mode. Caffe's
    images are 224×224, blue before red, 0…255 minus (104, 117, 123).
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
        from onnx import numpy_helper

        self.nodes = list(graph.node)
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.values = {
            value.name: torch.from_numpy(numpy_helper.to_array(value).copy())
            for value in graph.initializer
            if value.data_location != value.EXTERNAL
        }

    def of_kind(self, kind: str) -> list:
        return [node for node in self.nodes if node.op_type == kind]

    def value(self, name: str) -> Tensor:
        if name not in self.values:
            raise ValueError(f"its weight {name} is not in the file")
        return self.values[name]

    def convolution(self, name: str, kinds=PASSES):
        """The convolution that ``name`` comes from, or the node that isn't one."""
        node = self.maker.get(name)
        while node is not None and node.op_type in kinds:
            node = self.maker.get(node.input[0])
        if node is None or node.op_type != "Conv" or len(node.input) != 3:
            what = "the input" if node is None else node.op_type
            raise ValueError(f"expected a convolution with a bias, found {what}")
        return node

    def googlenet(self) -> tuple[dict[str, Tensor], dict]:
        """All weights by our names, and the form of the network."""
        joins = self.of_kind("Concat")
        if len(joins) != len(GOOGLENET_WIDTHS):
            raise ValueError(f"it has {len(joins)} concatenations instead of 9")
        convs = {}
        for name, join in zip(GOOGLENET_WIDTHS, joins, strict=True):
            if len(join.input) != 4:
                raise ValueError(f"module {name} has {len(join.input)} branches, not 4")
            for branch, output in enumerate(join.input, 1):
                last = self.convolution(output)
                place = f"inception{name}.branch{branch}"
                if branch == 1:
                    convs[place] = last
                elif branch == 4:
                    convs[f"{place}.1"] = last
                else:
                    convs[f"{place}.1"] = last
                    convs[f"{place}.0"] = self.convolution(last.input[0])
        # The stem: what the first module reads, back to the image.
        pooled = PASSES | {"MaxPool"}
        output = convs["inception3a.branch1"].input[0]
        for name in ("conv3", "conv2", "conv1"):
            convs[name] = self.convolution(output, pooled)
            output = convs[name].input[0]
        weights = {}
        for name, node in convs.items():
            weights[f"{name}.conv.weight"] = self.value(node.input[1])
            weights[f"{name}.conv.bias"] = self.value(node.input[2])
        form = {
            "kernel_size_5x5": weights["inception3a.branch3.1.conv.weight"].shape[-1],
            "pool4_kernel_size": self.pool4(convs["inception5a.branch1"].input[0]),
            "local_response_norm": bool(self.of_kind("LRN")),
        }
        return weights | self.classifier(), form

    def pool4(self, name: str) -> int:
        node = self.maker.get(name)
        if node is None or node.op_type != "MaxPool":
            raise ValueError("there is no max pool before module 5a")
        return next(a.ints[0] for a in node.attribute if a.name == "kernel_shape")

    def classifier(self) -> dict[str, Tensor]:
        layers = self.of_kind("Gemm")
        if len(layers) != 1 or len(layers[0].input) != 3:
            raise ValueError(f"it has {len(layers)} linear layers instead of 1")
        weight, bias = (self.value(name) for name in layers[0].input[1:])
        transposed = any(a.name == "transB" and a.i for a in layers[0].attribute)
        return {"fc.weight": weight if transposed else weight.T, "fc.bias": bias}
