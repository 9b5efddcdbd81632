"""A network made ready for serving answers as before."""

import os
import shutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.testing import assert_close

from inception_lib import for_serving
from inception_lib.model import serving
from inception_lib.model.serving import PackedConv2d, SeparableMaxPool

FORMS = {
    "paper": {},
    "batch norm": {"batch_norm": True},
    "local response norm": {"local_response_norm": True},
    "without heads": {"batch_norm": True, "aux_logits": False},
}


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def model(network, request):
    return network(image_size=64, **request.param)


def assert_same_answers(served, model, n=2, size=64):
    x = torch.randn(n, 3, size, size)
    with torch.inference_mode():
        assert_close(served(x), model(x), rtol=1e-4, atol=1e-4)


# In standard deviations of the logits, as for_serving's description says.
@pytest.mark.parametrize("precision, limit", [("float32", 1e-4), ("bfloat16", 0.05)])
@pytest.mark.parametrize("size", [64, 75])
def test_same_logits(model, precision, limit, size):
    x = torch.randn(8, 3, size, size)
    with torch.inference_mode():
        expected = model.eval()(x)
        found = for_serving(model, precision=precision)(x)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < limit * expected.std()


def test_the_model_itself_is_left_alone(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    for_serving(model, precision="bfloat16")
    assert model.training
    assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_nothing_is_left_to_skip(model):
    served = for_serving(model, precision="float32")
    kinds = {type(layer).__name__ for layer in served.modules()}
    assert not kinds & {"BatchNorm2d", "InceptionAux", "MaxPool2d"}
    assert not served.training


def test_a_processor_on_which_onednn_has_no_bfloat16(network, monkeypatch):
    """It answers all the same: PyTorch has its own way there."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    model = network(image_size=64, batch_norm=True).eval()
    served = for_serving(model, precision="bfloat16")
    assert not any(isinstance(layer, PackedConv2d) for layer in served.modules())
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = model(x)
        assert (served(x) - expected).abs().max() < 0.05 * expected.std()


def test_packed_weights_fit_every_batch_and_size(network):
    """They are packed anew when it changes, and when it changes back."""
    model = network(image_size=64, batch_norm=True).eval()
    served = for_serving(model, precision="float32")
    assert any(isinstance(layer, PackedConv2d) for layer in served.modules())
    for n, size in [(1, 64), (3, 97), (1, 224), (1, 64)]:
        assert_same_answers(served, model, n, size)


def test_without_onednn_nothing_is_packed(network, monkeypatch):
    model = network(image_size=64, batch_norm=True).eval()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    served = for_serving(model, precision="float32")
    assert not any(isinstance(layer, PackedConv2d) for layer in served.modules())
    assert_same_answers(served, model)


def test_auto_measures(network, monkeypatch):
    monkeypatch.setattr("inception_lib.model.device.bfloat16_ratio", lambda: 0.5)
    served = for_serving(network(image_size=64))
    assert {p.dtype for p in served.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stride, padding", [(1, 1), (2, 0)])
def test_a_max_pool_without_indices(dtype, stride, padding):
    """PyTorch's, number for number, for even and odd sides, and it hides no NaN."""
    for height, width in [(2, 2), (3, 7), (8, 5), (6, 6), (7, 7)]:
        x = torch.randn(2, 3, height, width, dtype=dtype)
        x[1, 1, 1, 1] = torch.nan
        x = x.contiguous(memory_format=torch.channels_last)
        for images in (x, x[:1]):
            expected = F.max_pool2d(images, 3, stride, padding, ceil_mode=True)
            found = SeparableMaxPool(stride)(images)
            assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
            assert found.stride() == expected.stride()


def test_a_pool_of_another_size_stays(network):
    model = network(image_size=64, pool4_kernel_size=2).eval()
    served = for_serving(model, precision="float32")
    assert [type(m) for m in served.modules()].count(nn.MaxPool2d) == 1
    assert_same_answers(served, model)


def test_a_batch_in_parts(network, monkeypatch):
    """No tensor inside is larger than allowed; the logits are those of the whole."""
    model = network(image_size=64, batch_norm=True).eval()
    served = for_serving(model, precision="float32")
    most = 3 * 64 * 32 * 32 * 4  # three images after conv1
    monkeypatch.setattr(serving, "MOST_BYTES", most)
    sizes = []
    for layer in served.modules():
        layer.register_forward_hook(lambda m, x, y: sizes.append(y.nbytes))
    x = torch.randn(8, 3, 64, 64)
    with torch.inference_mode():
        assert_close(served(x), model(x), rtol=1e-4, atol=1e-4)
        assert served(x[:0]).shape == (0, 5)
    assert most / 2 < max(sizes) <= most


def test_compiled(network):
    """Its weights are frozen: the compiler packed those of all 57 convolutions."""
    if not shutil.which("g++"):
        reason = "no g++ here, with which torch.compile compiles: install it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    torch._dynamo.reset()
    model = network(image_size=64, batch_norm=True).eval()
    x = torch.randn(2, 3, 64, 64)
    served = for_serving(model, precision="float32", compile=True)
    with torch.inference_mode():
        assert_close(served(x), model(x), rtol=1e-3, atol=1e-3)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            served(x)
    calls = {event.key: event.count for event in profiler.key_averages()}
    assert calls["mkldnn::_convolution_pointwise"] == 57


def test_wrong_input(network):
    with pytest.raises(ValueError, match="expected a GoogLeNet, got Linear"):
        for_serving(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="float64"):
        for_serving(network(image_size=64), precision="float64")
    served = for_serving(network(image_size=64), precision="float32")
    for wrong in (torch.zeros(3, 64, 64), torch.zeros(2, 1, 64, 64), None):
        with pytest.raises(ValueError, match="expects a tensor of shape N×3×H×W, got"):
            served(wrong)
