"""The choice of device and precision."""

import pytest
import torch

from inception_lib.model import device


@pytest.mark.parametrize(
    "seconds, expected", [((2.0, 1.0), "bfloat16"), ((1.0, 3.0), "float32")]
)
def test_auto_takes_what_was_faster(monkeypatch, seconds, expected):
    times = dict(zip((torch.float32, torch.bfloat16), seconds, strict=True))
    monkeypatch.setattr(device, "seconds_per_convolution", times.__getitem__)
    precision, reason = device.pick_precision("auto", torch.device("cpu"))
    assert precision == expected
    assert f"{seconds[1] / seconds[0]:.2f} times" in reason


def test_the_measurement_is_real_and_leaves_the_random_state():
    before = torch.get_rng_state()
    assert device.pick_precision("auto", torch.device("cpu"))[0] in (
        "float32",
        "bfloat16",
    )
    assert device.seconds_per_convolution(torch.float32, repeats=1) > 0
    device.pick_precision("auto", torch.device("cpu"))
    state = torch.get_rng_state()
    device.pick_precision("auto", torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), state)
    assert before.shape == state.shape


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
