"""Scores against scikit-learn's, calibration against arithmetic by hand, bad input."""

import pytest
import sklearn.metrics as sk
import torch

from inception_lib.training import metrics


def example(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(n, generator=generator)
    labels = (torch.rand(n, generator=generator) < p).long()
    return torch.stack([1 - p, p], 1), labels


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_scores_of_two_classes_match_scikit_learn(threshold):
    probabilities, labels = example()
    predicted = probabilities[:, 1] >= threshold
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "f1": sk.f1_score(labels, predicted),
        "roc_auc": sk.roc_auc_score(labels, probabilities[:, 1]),
    }
    assert metrics.scores(probabilities, labels, threshold) == pytest.approx(expected)
    matrix = metrics.confusion_matrix(probabilities, labels, threshold)
    assert matrix.tolist() == sk.confusion_matrix(labels, predicted).tolist()


def test_scores_of_three_classes_match_scikit_learn():
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.rand(300, 3, generator=generator).softmax(1)
    labels = torch.randint(3, (300,), generator=generator)
    predicted = probabilities.argmax(1)
    got = metrics.scores(probabilities, labels)
    assert got["f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    auc = sk.roc_auc_score(labels, probabilities.double(), multi_class="ovr")
    assert got["roc_auc"] == pytest.approx(auc, abs=1e-5)


def test_no_ranking_without_both_labels():
    probabilities, _ = example(5)
    got = metrics.scores(probabilities, torch.zeros(5, dtype=torch.long))
    assert got["roc_auc"] != got["roc_auc"]  # not a number


def test_threshold_for_recall_reaches_it_and_no_higher_threshold_does():
    probabilities, labels = example()
    threshold = metrics.threshold_for_recall(probabilities, labels, 0.9)
    defective = probabilities[labels == 1, 1]
    assert (defective >= threshold).double().mean() >= 0.9
    assert (defective > threshold).double().mean() < 0.9


@pytest.mark.parametrize("recall", [0, 1.5])
def test_threshold_for_an_impossible_recall(recall):
    with pytest.raises(ValueError, match="recall must be above 0"):
        metrics.threshold_for_recall(*example(), recall)


def test_bad_input_is_one_sentence():
    probabilities, labels = example(4)
    with pytest.raises(ValueError, match="N labels"):
        metrics.scores(probabilities, labels[:3])
    with pytest.raises(ValueError, match="diverged"):
        metrics.scores(probabilities * float("nan"), labels)


def test_standard_error_is_the_spread_of_repeated_draws():
    draws = torch.rand(20_000, 656, generator=torch.Generator().manual_seed(2)) < 0.83
    spread = draws.double().mean(1).std().item()
    assert metrics.standard_error(0.83, 656) == pytest.approx(spread, rel=0.03)


# --- calibration ----------------------------------------------------------------------


def answers(sure: float, right: int, of: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``of`` answers with confidence ``sure``, ``right`` of them right."""
    probabilities = torch.tensor([[1 - sure, sure]]).repeat(of, 1)
    labels = torch.tensor([1] * right + [0] * (of - right))
    return probabilities, labels


def test_a_row_per_tenth_of_confidence():
    low, high = answers(0.62, 3, 5), answers(0.97, 9, 10)
    probabilities, labels = map(torch.cat, zip(low, high, strict=True))
    table = metrics.reliability(probabilities, labels)
    assert table["from"].tolist() == [0.6, 0.9]
    assert table["confidence"].tolist() == pytest.approx([0.62, 0.97])
    assert table["accuracy"].tolist() == pytest.approx([0.6, 0.9])
    assert table["count"].tolist() == [5, 10]


def test_certainty_has_a_row():
    assert metrics.reliability(*answers(1.0, 4, 4))["from"].tolist() == [0.9]
    with pytest.raises(ValueError, match="bins must be a positive integer"):
        metrics.reliability(*answers(0.9, 1, 2), bins=0)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_of_a_known_cooling_is_found(true):
    """Targets are exact probabilities; the answers are those, cooled by ``true``."""
    torch.manual_seed(0)
    logits = torch.randn(500, 3, dtype=torch.float64)
    answer = (true * logits).softmax(1)
    assert metrics.fit_temperature(answer, logits.softmax(1)) == pytest.approx(
        true, rel=1e-3
    )


def test_two_thirds_right_at_any_confidence_becomes_two_thirds():
    probabilities, labels = answers(0.99, 20, 30)
    temperature = metrics.fit_temperature(probabilities, labels)
    mended = metrics.with_temperature(probabilities, temperature)
    assert mended[:, 1] == pytest.approx(torch.full((30,), 2 / 3), abs=1e-3)


def test_a_temperature_changes_no_answer():
    p = torch.rand(50, 4).softmax(1)
    assert torch.equal(metrics.with_temperature(p, 3.0).argmax(1), p.argmax(1))
    torch.testing.assert_close(metrics.with_temperature(p, 1.0), p)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        metrics.with_temperature(p, 0)


@pytest.mark.parametrize(
    "given",
    [
        answers(1.0, 5, 10),  # certain, and no better than a coin
        answers(0.7, 0, 3),  # the surer, the worse
        answers(0.7, 3, 3),
        answers(0.999, 500, 500),  # perfectly separated
    ],
)
def test_where_the_data_cannot_tell_the_temperature_stays_1(given, capsys):
    assert metrics.fit_temperature(*given) == 1.0
    assert "can't tell how sure to be" in capsys.readouterr().out


def test_a_difference_counts_where_two_answers_part():
    """McNemar's numbers: 30 images that only the first gets right, 10 only the second,
    of 400: 0.05 ± sqrt(40 − 20² / 400) / 400.
    """
    labels = torch.zeros(400, dtype=torch.long)
    first, second = torch.zeros(400), torch.zeros(400)  # the probability of class 1
    second[:30] = 1.0
    first[30:40] = 1.0
    first, second = (torch.stack([1 - p, p], dim=1) for p in (first, second))
    gain, error = metrics.difference(first, second, labels)
    assert gain == pytest.approx(0.05)
    assert error == pytest.approx((40 - 20**2 / 400) ** 0.5 / 400)
    assert metrics.difference(first, first, labels) == (0, 0)
