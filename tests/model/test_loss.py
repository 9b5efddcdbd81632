"""The training loss, against values from pencil and paper."""

import math

import pytest
import torch

from inception_lib import GoogLeNetOutputs, googlenet_loss

# Two images, two classes: log(3) / log(1) leaves probabilities of 3/4 and 1/4.
SURE = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(3.0)]])
EVEN = torch.zeros(2, 2)
CORRECT = torch.tensor([0, 1])
RIGHT, WRONG, GUESS = math.log(4 / 3), math.log(4), math.log(2)


def outputs():
    return GoogLeNetOutputs(logits=SURE, aux_logits2=EVEN, aux_logits1=SURE.flip(1))


def test_the_papers_sum():
    expected = RIGHT + 0.3 * GUESS + 0.3 * WRONG
    assert googlenet_loss(outputs(), CORRECT).item() == pytest.approx(expected)


@pytest.mark.parametrize("weight", [0, 0.5, 1.0])
def test_another_weight(weight):
    expected = RIGHT + weight * (GUESS + WRONG)
    loss = googlenet_loss(outputs(), CORRECT, weight)
    assert loss.item() == pytest.approx(expected)


def test_plain_logits_give_the_plain_loss():
    assert googlenet_loss(SURE, CORRECT).item() == pytest.approx(RIGHT)
    assert googlenet_loss(SURE, 1 - CORRECT).item() == pytest.approx(WRONG)


def test_probabilities_are_targets_too():
    targets = torch.tensor([[2 / 3, 1 / 3], [0.0, 1.0]])
    mixed = (2 / 3 * RIGHT + 1 / 3 * WRONG + RIGHT) / 2
    flipped = (2 / 3 * WRONG + 1 / 3 * RIGHT + WRONG) / 2
    expected = mixed + 0.3 * GUESS + 0.3 * flipped
    assert googlenet_loss(outputs(), targets).item() == pytest.approx(expected)
    certain = torch.eye(2)
    assert googlenet_loss(SURE, certain).item() == pytest.approx(RIGHT)


def test_label_smoothing_moves_the_targets_towards_even():
    # 0.2 of the target is spread over both classes: 0.9 for the right one, 0.1.
    right = 0.9 * RIGHT + 0.1 * WRONG
    wrong = 0.9 * WRONG + 0.1 * RIGHT
    loss = googlenet_loss(outputs(), CORRECT, label_smoothing=0.2)
    assert loss.item() == pytest.approx(right + 0.3 * GUESS + 0.3 * wrong)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="aux_weight must not be negative, got -0.1"):
        googlenet_loss(outputs(), CORRECT, -0.1)
    with pytest.raises(ValueError, match="got 2 outputs but 3 targets"):
        googlenet_loss(outputs(), torch.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match="got 2 outputs but 1 targets"):
        googlenet_loss(SURE, torch.tensor([[0.5, 0.5]]))
