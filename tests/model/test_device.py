"""The choice of device and precision."""

import pytest
import torch

from inception_lib.model import device


@pytest.mark.parametrize("ratio, expected", [(0.5, "bfloat16"), (3.0, "float32")])
def test_auto_takes_what_was_faster(monkeypatch, ratio, expected):
    monkeypatch.setattr(device, "bfloat16_ratio", lambda: ratio)
    precision, reason = device.pick_precision("auto", torch.device("cpu"))
    assert precision == expected
    assert f"{ratio:.2f} times" in reason


def test_it_is_measured_once_and_leaves_the_random_state(monkeypatch):
    before, calls = torch.get_rng_state(), []
    real = device.seconds_per_convolution

    def counted(dtype: torch.dtype) -> float:
        calls.append(dtype)
        return real(dtype, enough=0.01)

    monkeypatch.setattr(device, "seconds_per_convolution", counted)
    device.bfloat16_ratio.cache_clear()
    first = device.pick_precision("auto", torch.device("cpu"))
    assert device.pick_precision("auto", torch.device("cpu")) == first
    device.bfloat16_ratio.cache_clear()
    assert first[0] in ("float32", "bfloat16") and len(calls) == 2
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("asked", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(asked):
    assert device.pick_precision(asked, torch.device("cpu"))[0] == asked


@pytest.mark.parametrize("has, taken", [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_without_bfloat16_gets_float16(monkeypatch, has, taken):
    """Such as a T4: PyTorch is asked, and not whether it can be emulated."""

    def supported(including_emulation=True):
        return has or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    precision, reason = device.pick_precision("auto", torch.device("cuda"))
    assert precision == taken and "bfloat16" in reason or "has it" in reason


def test_an_apple_gpu_gets_float32():
    assert device.pick_precision("auto", torch.device("mps"))[0] == "float32"
