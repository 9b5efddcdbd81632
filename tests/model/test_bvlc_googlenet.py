"""The example that reads the Caffe network: files like it, read and refused."""

import numpy as np
import onnx
import onnxruntime
import plain_googlenet
import pytest
import torch
from bvlc_googlenet import from_onnx
from onnx import TensorProto, helper, numpy_helper

from inception_lib import GOOGLENET_WIDTHS


class CaffeLike:
    """An ONNX file as converters write it from Caffe, node by node.

    ``old``: as the model zoo's, from before ONNX knew ``ceil_mode``: pools with a
    padding instead, the mean over 7×7 places, dropouts with a second output, weights
    named as inputs.
    """

    def __init__(self, weights: dict, norm: bool, pool4: int, old: bool):
        self.weights, self.old = weights, old
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[TensorProto] = []
        x = self.max_pool(self.conv("conv1", "data", 3, 2), 3)
        x = self.norm(x) if norm else x
        x = self.conv("conv3", self.conv("conv2", x), 1)
        x = self.max_pool(self.norm(x) if norm else x, 3)
        for name in GOOGLENET_WIDTHS:
            x = self.module(f"inception{name}", x)
            if name in ("3b", "4e"):
                x = self.max_pool(x, 3 if name == "3b" else pool4)
        if old:
            x = self.add("AveragePool", [x], kernel_shape=[7, 7], strides=[1, 1])
        else:
            x = self.add("GlobalAveragePool", [x])
        x = self.add("Dropout", [x])
        if old:
            self.nodes[-1].output.append("mask")
        x = self.add("Reshape", [x, self.value("shape", np.array([0, -1]))])
        fc = [self.value(f"fc.{k}", weights[f"fc.{k}"]) for k in ("weight", "bias")]
        self.add("Softmax", [self.add("Gemm", [x, *fc], transB=1)], output="prob")

    def add(self, kind, inputs, output=None, **attributes):
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def value(self, name, array):
        # Names that say nothing: the reader has to find weights by the graph.
        name = f"w{len(self.values)}"
        self.values.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def conv(self, name, x, padding=0, stride=1):
        pair = [self.weights[f"{name}.conv.{part}"] for part in ("weight", "bias")]
        inputs = [x, *(self.value(name, array) for array in pair)]
        form = {"pads": [padding] * 4, "strides": [stride] * 2}
        return self.add("Relu", [self.add("Conv", inputs, **form)])

    def max_pool(self, x, side):
        border = {"pads": [0, 0, 1, 1]} if self.old else {"ceil_mode": 1}
        form = {"kernel_shape": [side] * 2, "strides": [2, 2]}
        return self.add("MaxPool", [x], **form, **border)

    def norm(self, x):
        return self.add("LRN", [x], size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def module(self, name, x):
        five = self.weights[f"{name}.branch3.1.conv.weight"].shape[-1]
        form = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4}
        # In another order than ours: only the concatenation says which is which.
        pooled = self.conv(f"{name}.branch4.1", self.add("MaxPool", [x], **form))
        wide = self.conv(f"{name}.branch3.0", x)
        wide = self.conv(f"{name}.branch3.1", wide, five // 2)
        mid = self.conv(f"{name}.branch2.1", self.conv(f"{name}.branch2.0", x), 1)
        one = self.conv(f"{name}.branch1", x)
        return self.add("Concat", [one, mid, wide, pooled], axis=1)

    def save(self, path):
        side = 224 if self.old else 64
        tensors: list[tuple] = [("data", TensorProto.FLOAT, [1, 3, side, side])]
        if self.old:
            tensors += [(v.name, v.data_type, v.dims) for v in self.values]
        inputs = [helper.make_tensor_value_info(*tensor) for tensor in tensors]
        answer = helper.make_tensor_value_info("prob", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "x", inputs, [answer], self.values)
        opset = [helper.make_opsetid("", 9 if self.old else 13)]
        version = 3 if self.old else 8
        file = helper.make_model(graph, opset_imports=opset, ir_version=version)
        onnx.save(file, path)
        return path


@pytest.fixture
def caffe_like(network, tmp_path):
    def write(norm=True, pool4=3, five=5, old=False) -> tuple:
        form = {"aux_logits": False, "kernel_size_5x5": five}
        weights = {k: v.detach() for k, v in network(**form).state_dict().items()}
        file = CaffeLike({k: v.numpy() for k, v in weights.items()}, norm, pool4, old)
        return file.save(tmp_path / "caffe.onnx"), weights

    return write


@pytest.mark.parametrize(
    "form",
    [{}, {"norm": False}, {"pool4": 2}, {"five": 3}, {"old": True}],
    ids=["published", "no norm", "2×2 pool", "3×3 for 5×5", "old"],
)
def test_the_caffe_form_gives_the_same_answers(caffe_like, form):
    path, weights = caffe_like(**form)
    model = from_onnx(path)
    side = 224 if "old" in form else 64
    x = torch.randn(1, 3, side, side)
    session = onnxruntime.InferenceSession(path)
    (expected,) = session.run(None, {"data": x.numpy()})
    with torch.no_grad():
        found = model(x)
        options = {"norm": form.get("norm", True), "pool4": form.get("pool4", 3)}
        plain = plain_googlenet.googlenet(weights, x, **options)["logits"]
    torch.testing.assert_close(found.softmax(1), torch.tensor(expected))
    # A softmax may hide much.
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


def test_what_is_no_googlenet_file(caffe_like, tmp_path):
    path, _ = caffe_like()
    with pytest.raises(FileNotFoundError, match="there is no file"):
        from_onnx(tmp_path / "missing.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="is not a GoogLeNet"):
        from_onnx(damaged)
    other = onnx.load(path)
    for change, why in (
        (lambda g: g.node.pop(), "linear layers"),
        (lambda g: g.initializer.pop(0), "w0 is not in the file"),
        (lambda g: setattr(g.node[0], "op_type", "ConvTranspose"), "ConvTranspose"),
    ):
        changed = onnx.ModelProto()
        changed.CopyFrom(other)
        change(changed.graph)
        if why == "linear layers":
            changed.graph.node.pop()
        onnx.save(changed, damaged)
        with pytest.raises(ValueError, match=why):
            from_onnx(damaged)


def set_to(kind: str, number: int, **attributes):
    """A change of the number-th node of a kind."""

    def change(graph):
        node = [node for node in graph.node if node.op_type == kind][number]
        kept = [a for a in node.attribute if a.name not in attributes]
        del node.attribute[:]
        new = [helper.make_attribute(k, v) for k, v in attributes.items()]
        node.attribute.extend(kept + new)

    return change


def without_relu(graph):
    (last,) = [n for n in graph.node if n.op_type == "Concat"][-1:]
    (relu,) = [n for n in graph.node if last.input[0] in n.output]
    last.input[0] = relu.input[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_to("LRN", 1, alpha=2e-4), "LRN at the stem has alpha 0.0002, not 0.0001"),
        (set_to("LRN", 0, size=3), "LRN at the stem has size 3, not 5"),
        (
            set_to("Conv", 0, strides=[1, 1]),
            r"conv1 has strides \[1, 1\], not \[2, 2\]",
        ),
        (
            set_to("Conv", 2, pads=[0] * 4),
            r"conv3 has pads \[0, 0, 0, 0\], not \[1, 1,",
        ),
        (set_to("Conv", -1, dilations=[2, 2]), "has dilations"),
        (set_to("Conv", -1, auto_pad="VALID"), "has auto_pad b'VALID'"),
        (set_to("MaxPool", 0, kernel_shape=[2, 2]), r"has kernel_shape \[2, 2\], not"),
        (set_to("MaxPool", 1, ceil_mode=0), "has ceil_mode 0, not 1"),
        (set_to("MaxPool", 2, pads=[0] * 4), "inception3a.branch4 has pads"),
        (set_to("Gemm", 0, alpha=0.5), "Gemm at the end has alpha 0.5"),
        (set_to("Concat", 4, axis=2), "Concat at 4c has axis 2, not 1"),
        (without_relu, "expected Conv → Relu at inception5b.branch1, found Conv"),
    ],
)
def test_another_form_is_one_clear_sentence(caffe_like, tmp_path, change, why):
    path, _ = caffe_like()
    file = onnx.load(path)
    change(file.graph)
    onnx.save(file, path)
    with pytest.raises(ValueError, match=f"without batch norm: .*{why}") as caught:
        from_onnx(path)
    assert len(str(caught.value).splitlines()) == 1


def test_no_other_file_is_read(caffe_like, tmp_path):
    path, _ = caffe_like()
    file = onnx.load(path)
    secret = file.graph.initializer[0]
    secret.ClearField("raw_data")
    secret.data_location = TensorProto.EXTERNAL
    entry = secret.external_data.add()
    entry.key, entry.value = "location", "secret"
    (tmp_path / "secret").write_bytes(b"\0" * 10**6)
    onnx.save(file, path)
    with pytest.raises(ValueError, match="is not in the file"):
        from_onnx(path)
