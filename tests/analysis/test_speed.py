"""Measuring speed: turns, counts of operations, and no absolute time."""

import time
from functools import partial

import pytest
import torch

from inception_lib import GoogLeNet
from inception_lib.analysis import costs, speed
from inception_lib.analysis.speed import (
    interleaved,
    network_flops,
    peak_flops,
    training_step,
)


def test_tasks_take_turns():
    calls = []
    tasks = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = interleaved(tasks, rounds=3)
    assert calls == ["a", "a", "b", "b"] * 3
    assert seconds.shape == (3, 2) and (seconds.to_numpy() >= 0).all()


def test_the_slower_task_takes_longer():
    tasks = {"long": lambda: time.sleep(0.05), "short": lambda: time.sleep(0.001)}
    seconds = interleaved(tasks, rounds=3)
    assert (seconds["long"] > seconds["short"]).all()


def test_what_others_pushed_out_is_brought_back_before_the_clock_starts(monkeypatch):
    now, last = [0.0], [""]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def task(name):
        now[0] += 1 if last[0] == name else 100
        last[0] = name

    seconds = interleaved({name: partial(task, name) for name in "ab"}, 3)
    assert (seconds == 1).all(axis=None)


@pytest.mark.parametrize("tasks, rounds", [({}, 1), ({"a": print}, 0)])
def test_nothing_to_measure(tasks, rounds):
    with pytest.raises(ValueError, match="1 is the least"):
        interleaved(tasks, rounds)


def multiply_adds(**form) -> dict[str, int]:
    return {k: cost.multiply_adds for k, cost in costs.googlenet(**form).items()}


def test_flops_are_twice_the_multiply_adds():
    model = GoogLeNet(1000, kernel_size_5x5=3).eval()
    expected = multiply_adds(kernel_size_5x5=3, aux_logits=False)
    assert network_flops(model, 224, 3) == 2 * 3 * sum(expected.values())


def test_backward_is_two_products_of_the_size_of_forward():
    model = GoogLeNet(1000, image_size=96, batch_norm=True)
    expected = multiply_adds(image_size=96, batch_norm=True)
    # By the weights and by the input; nobody asks for the gradient of the image.
    products = 3 * sum(expected.values()) - expected["conv1"]
    assert network_flops(model, 96, 2, train=True) == 2 * 2 * products


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_trains(channels_last, precision):
    torch.manual_seed(0)
    model = GoogLeNet(2, image_size=64, batch_norm=True)
    step = training_step(model, 64, 4, channels_last=channels_last, precision=precision)
    before = model.conv1.conv.weight.detach().clone()
    step()
    assert not torch.equal(model.conv1.conv.weight, before)
    weight = model.conv3.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last


@pytest.mark.parametrize("kind", ["convolution", "matrix product"])
def test_peak(kind):
    assert peak_flops(torch.float32, kind, rounds=1) > 0


def test_unknown_peak():
    with pytest.raises(ValueError, match="'dot'"):
        peak_flops(torch.float32, "dot")
