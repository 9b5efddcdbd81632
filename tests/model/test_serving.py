"""A network made ready for serving answers as before, whichever engine computes."""

import subprocess
import sys

import onnx
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from inception_lib import Inception, for_serving
from inception_lib.model import engines, serving
from inception_lib.model.graph import to_onnx
from inception_lib.model.serving import COMPUTES, Serving, folded

FORMS = {
    "paper": {},
    "batch norm": {"batch_norm": True},
    "local response norm": {"local_response_norm": True},
    "torchvision's": {"batch_norm": True, "pool4_kernel_size": 2, "kernel_size_5x5": 3},
    "without heads": {"batch_norm": True, "aux_logits": False},
}
# In standard deviations of the logits, as for_serving's description says.
LIMITS = {"float32": 1e-4, "bfloat16": 0.05}
CASES = [(e, p) for e in COMPUTES for p in LIMITS if p in COMPUTES[e]]


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def model(network, request):
    return network(image_size=64, **request.param)


def furthest(found, expected) -> float:
    """In standard deviations of what is expected."""
    return ((found - expected).abs().max() / expected.std()).item()


@pytest.mark.parametrize("engine, precision", CASES)
def test_same_logits_in_every_size(model, engine, precision):
    served = for_serving(model, precision=precision, engine=engine)
    with torch.inference_mode():
        for n, height, width in [(8, 64, 64), (1, 75, 98), (8, 64, 64)]:
            x = torch.randn(n, 3, height, width)
            expected, found = model.eval()(x), served(x)
            assert found.dtype == torch.float32
            assert furthest(found, expected) < LIMITS[precision]
        kept, x = found.clone(), torch.randn(8, 3, 64, 64)
        served(x)
        assert_close(found, kept, rtol=0, atol=0)  # not overwritten by the next batch
        assert served(x[:0]).shape == (0, 5)
        assert_close(served(x.double()), served(x))


def test_the_graph_is_valid_onnx(model):
    graph = onnx.load_from_string(to_onnx(folded(model)))
    onnx.checker.check_model(graph, full_check=True)
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("Conv") == 57 and kinds.count("Concat") == 9


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_in_8_bits_hardly_anything_moves(network, engine):
    model = network(image_size=64, batch_norm=True).eval()
    images = torch.randn(64, 3, 64, 64)
    served = for_serving(model, int8=images[:48], engine=engine)
    with torch.inference_mode():
        expected, found = model(images[48:]), served(images[48:])
    assert 1e-4 < furthest(found, expected) < 0.5
    correlation = torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))
    assert correlation[0, 1] > 0.99


def test_the_model_itself_is_left_alone(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    for_serving(model, precision="bfloat16", engine="pytorch")
    assert model.training
    assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_nothing_is_left_to_skip(model):
    served = for_serving(model, engine="pytorch")
    kinds = {type(layer).__name__ for layer in served.modules()}
    assert not kinds & {"BatchNorm2d", "InceptionAux"}
    assert not served.training


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow(nn.Module):
    """Answers with its number, after so many seconds by the clock."""

    def __init__(self, clock: Clock, number: float, seconds: dict):
        super().__init__()
        self.clock, self.number, self.seconds = clock, number, seconds

    def forward(self, x):
        self.clock.now += self.seconds[len(x)]
        return torch.full((len(x), 5), self.number)


def test_the_fastest_engine_answers_each_size(network, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(serving, "time", clock)
    a = Slow(clock, 1.0, {1: 2.0, 32: 3.0, 33: 9.0})
    b = Slow(clock, 2.0, {1: 3.0, 32: 2.0, 33: 1.0})
    served = Serving(network(image_size=64), {"pytorch": a, "openvino": b})
    one, many = torch.randn(1, 3, 64, 64), torch.randn(33, 3, 64, 64)
    assert [served(x).mean().item() for x in (one, many[:32], one)] == [1, 2, 1]
    assert served.taken == {(64, 64, 1): "pytorch", (64, 64, 6): "openvino"}
    spent = clock.now
    served(many)  # of a size that has been measured: nothing is tried again
    assert clock.now == spent + 1
    assert "openvino for 32 images or more of 64×64" in repr(served)


def test_auto_tries_what_is_installed(network, monkeypatch):
    monkeypatch.setattr("inception_lib.model.device.bfloat16_ratio", lambda: 0.5)
    model = network(image_size=64)
    served = for_serving(model)
    assert list(served.engines) == list(COMPUTES)
    assert {p.dtype for p in served.parameters()} == {torch.bfloat16}
    # ONNX Runtime has no bfloat16 there; who asks for it doesn't get it.
    assert list(for_serving(model, precision="bfloat16").engines) == [
        "pytorch",
        "openvino",
    ]
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert list(for_serving(model).engines) == ["pytorch"]


def test_a_network_with_a_layer_of_ones_own_is_pytorchs(network):
    class Halved(Inception):
        def forward(self, x):
            return super().forward(x) / 2

    replaced, derived = network(image_size=64).eval(), network(image_size=64).eval()
    replaced.inception4a.branch3 = nn.Sequential(nn.Identity(), nn.Conv2d(480, 48, 1))
    derived.inception3b.__class__ = Halved
    x = torch.randn(2, 3, 64, 64)
    for model in (replaced, derived):
        served = for_serving(model, precision="float32")
        assert list(served.engines) == ["pytorch"]
        with torch.inference_mode():
            assert furthest(served(x), model(x)) < 1e-4
        with pytest.raises(ValueError, match="knows no (Identity|Halved)"):
            for_serving(model, engine="onnxruntime")


def test_what_is_not_installed_is_named(network, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    model = network(image_size=64)
    with pytest.raises(ImportError, match=r"needs onnx and openvino: pip .*\[serve\]"):
        for_serving(model, engine="openvino")
    with pytest.raises(ImportError, match=r"int8 needs onnx and onnxruntime: pip"):
        for_serving(model, int8=torch.randn(4, 3, 64, 64))


def test_wrong_input(network):
    model = network(image_size=64)
    with pytest.raises(ValueError, match="expected a GoogLeNet, got Linear"):
        for_serving(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="float64"):
        for_serving(model, precision="float64")
    with pytest.raises(ValueError, match="engine must be auto, pytorch, .*'tensorrt'"):
        for_serving(model, engine="tensorrt")
    with pytest.raises(ValueError, match="onnxruntime can't compute in bfloat16"):
        for_serving(model, engine="onnxruntime", precision="bfloat16")
    for images in (torch.zeros(4, 1, 64, 64), torch.zeros(0, 3, 64, 64)):
        with pytest.raises(ValueError, match="N×3×H×W, got|at least one image"):
            for_serving(model, int8=images)
    for engine in COMPUTES:
        served = for_serving(model, precision="float32", engine=engine)
        for wrong in (torch.zeros(3, 64, 64), torch.zeros(2, 1, 64, 64), None):
            with pytest.raises(ValueError, match="expects a tensor of shape N×3×H×W"):
                served(wrong)
        with pytest.raises(ValueError, match="at least"):
            served(torch.zeros(2, 3, 8, 8))
        with pytest.warns(UserWarning, match="look like pixels of 0 to 255"):
            served(torch.full((2, 3, 64, 64), 255.0))


HEARD = """
import signal
from inception_lib import GoogLeNet
from inception_lib.model.engines import OpenVino
from inception_lib.model.graph import to_onnx
from inception_lib.model.serving import folded

graph = to_onnx(folded(GoogLeNet(2).eval()))
first = OpenVino(graph, "float32")
second = OpenVino(graph, "float32")
del first
del second
signal.signal(signal.SIGINT, lambda *_: print("heard"))
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(not engines.installed("openvino"), reason="no OpenVINO here")
def test_a_signal_is_heard_after_openvino_has_gone():
    """With a core for each, a segmentation fault on processors with AMX."""
    command = [sys.executable, "-c", HEARD]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "heard\n", (done.returncode, done.stderr)
