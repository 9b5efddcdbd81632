"""A GoogLeNet as an ONNX graph, which other programs than PyTorch compute."""

from itertools import count
from typing import cast

from torch import Tensor, nn

from .googlenet import GoogLeNet
from .inception import Inception
from .layers import BasicConv2d

OPSET = 17


def to_onnx(network: GoogLeNet) -> bytes:
    """An ONNX file: ``images``, N×3×H×W float32 -> ``logits``, N×num_classes float32.

    ``network`` has to be folded: without heads and batch norms (``serving.folded``).
    Written node by node, it takes milliseconds, and N, H and W are all free;
    ``torch.onnx.export`` traces an example, which fixes H and W, in seconds. Needs the
    package onnx, else an ImportError. Raises ValueError on a network with layers or a
    forward pass of your own, which only PyTorch computes.
    """
    from onnx import TensorProto, helper, numpy_helper

    for layer in network.modules():
        for known in (GoogLeNet, Inception, BasicConv2d):
            if isinstance(layer, known) and type(layer).forward is not known.forward:
                raise ValueError(f"an ONNX graph knows no {type(layer).__name__}")
    nodes: list = []
    weights: list = []
    number = count()

    def node(kind: str, *inputs: str, **attributes) -> str:
        output = f"{kind}{next(number)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def stored(tensor: Tensor) -> str:
        name = f"weight{next(number)}"
        array = tensor.detach().float().cpu().contiguous().numpy()
        weights.append(numpy_helper.from_array(array, name))
        return name

    def window(layer: nn.Conv2d | nn.MaxPool2d) -> dict:
        names = ("kernel_size", "stride", "padding")
        kernel, stride, padding = (
            nn.modules.utils._pair(getattr(layer, n)) for n in names
        )
        return {"kernel_shape": kernel, "strides": stride, "pads": [*padding] * 2}

    def add(layer: nn.Module, x: str) -> str:
        match layer:
            case BasicConv2d(conv=conv):
                bias = cast(Tensor, conv.bias)
                x = node("Conv", x, stored(conv.weight), stored(bias), **window(conv))
                return node("Relu", x)
            case Inception():
                branches = (layer.branch1, layer.branch2, layer.branch3, layer.branch4)
                return node("Concat", *(add(b, x) for b in branches), axis=1)
            case nn.Sequential():
                for part in layer:
                    x = add(part, x)
                return x
            case nn.MaxPool2d():
                return node("MaxPool", x, ceil_mode=1, **window(layer))
            case nn.LocalResponseNorm():
                constants = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
                return node("LRN", x, size=layer.size, **constants)
            case nn.AdaptiveAvgPool2d():
                return node("Flatten", node("GlobalAveragePool", x))
            case nn.Dropout():
                return x
            case nn.Linear():
                return node(
                    "Gemm", x, stored(layer.weight), stored(layer.bias), transB=1
                )
        raise ValueError(f"an ONNX graph knows no {type(layer).__name__}")

    x = "images"
    for layer in network.children():
        x = add(layer, x)
    nodes[-1].output[0] = "logits"

    def tensor(name: str, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    given = tensor("images", "N", 3, "H", "W")
    found = tensor("logits", "N", network.fc.out_features)
    graph = helper.make_graph(nodes, "GoogLeNet", [given], [found], weights)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return model.SerializeToString()
