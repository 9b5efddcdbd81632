"""Calibration against what can be worked out by hand."""

import pytest
import torch

from inception_lib.training.metrics import (
    calibration_error,
    fit_temperature,
    reliability,
    with_temperature,
)


def answers(sure: float, right: int, of: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``of`` answers with confidence ``sure``, ``right`` of them right."""
    probabilities = torch.tensor([[1 - sure, sure]]).repeat(of, 1)
    labels = torch.tensor([1] * right + [0] * (of - right))
    return probabilities, labels


def test_a_row_per_tenth_of_confidence():
    low, high = answers(0.62, 3, 5), answers(0.97, 9, 10)
    probabilities, labels = map(torch.cat, zip(low, high, strict=True))
    table = reliability(probabilities, labels)
    assert table["from"].tolist() == [0.6, 0.9]
    assert table["confidence"].tolist() == pytest.approx([0.62, 0.97])
    assert table["accuracy"].tolist() == pytest.approx([0.6, 0.9])
    assert table["count"].tolist() == [5, 10]


def test_certainty_has_a_row():
    assert reliability(*answers(1.0, 4, 4))["from"].tolist() == [0.9]
    with pytest.raises(ValueError, match="bins must be a positive integer"):
        reliability(*answers(0.9, 1, 2), bins=0)


def test_the_error_is_the_mean_distance():
    low, high = answers(0.62, 3, 5), answers(0.97, 9, 10)
    probabilities, labels = map(torch.cat, zip(low, high, strict=True))
    expected = (5 * 0.02 + 10 * 0.07) / 15
    found = calibration_error(probabilities, labels)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_of_a_known_cooling_is_found(true):
    """Targets are exact probabilities; the answers are those, cooled by ``true``."""
    torch.manual_seed(0)
    logits = torch.randn(500, 3, dtype=torch.float64)
    answer = (true * logits).softmax(1)
    assert fit_temperature(answer, logits.softmax(1)) == pytest.approx(true, rel=1e-3)


def test_two_thirds_right_at_any_confidence_becomes_two_thirds():
    probabilities, labels = answers(0.99, 20, 30)
    temperature = fit_temperature(probabilities, labels)
    mended = with_temperature(probabilities, temperature)
    assert mended[:, 1] == pytest.approx(torch.full((30,), 2 / 3), abs=1e-3)


def test_a_temperature_changes_no_answer():
    p = torch.rand(50, 4).softmax(1)
    assert torch.equal(with_temperature(p, 3.0).argmax(1), p.argmax(1))
    torch.testing.assert_close(with_temperature(p, 1.0), p)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        with_temperature(p, 0)


def test_certain_and_wrong_stays_finite():
    probabilities, labels = answers(1.0, 5, 10)
    assert fit_temperature(probabilities, labels) == 20
