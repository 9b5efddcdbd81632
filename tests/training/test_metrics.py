"""The scores against scikit-learn's, and what bad input is told."""

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
