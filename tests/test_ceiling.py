"""The ceiling of the solar cells' labels, against simulated experts."""

import ceiling
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

CHANCES = np.array([0.0, 1 / 3, 2 / 3, 1.0])


def test_an_oracle_that_knows_each_probability_scores_what_a_simulation_says():
    share = np.array([0.57, 0.12, 0.04, 0.27])
    draws = np.random.default_rng(0)
    q = draws.choice(CHANCES, 1_000_000, p=share)
    label = draws.random(len(q)) < q
    assert ceiling.accuracy(CHANCES, share) == pytest.approx(
        ((q > 0.5) == label).mean(), abs=0.001
    )
    assert ceiling.auc(CHANCES, share) == pytest.approx(
        roc_auc_score(label, q), abs=0.001
    )


def test_the_fitted_votes_give_back_the_distribution_that_made_them():
    a, b = 0.4, 0.9
    draws = np.random.default_rng(1)
    q = draws.beta(a, b, 400_000)
    count = draws.binomial(3, q)
    fitted = ceiling.fit_votes(np.bincount(count, minlength=4))
    assert fitted == pytest.approx((a, b), rel=0.02)
    chance = ceiling.votes(a, b)
    best = ceiling.accuracy(chance, np.full(len(chance), 1 / len(chance)))
    # Majority of three votes; an oracle that knows q says the likelier side of 1/2.
    assert best == pytest.approx(((q > 0.5) == (count >= 2)).mean(), abs=0.002)


def test_with_certain_labels_only_the_ceiling_is_one():
    assert ceiling.accuracy(np.array([0.0, 1.0]), np.array([0.3, 0.7])) == 1
    assert ceiling.auc(np.array([0.0, 1.0]), np.array([0.3, 0.7])) == 1


def test_votes_and_probabilities_agree_about_the_real_cells():
    cells = ceiling.solar_cells()
    table = ceiling.ceilings(cells.targets[:, 1].double().numpy()).set_index("reading")
    # 401 of the 2,624 cells are uncertain, and a third of these draws is lost.
    assert table.accuracy["probability"] == pytest.approx(1 - 401 / 3 / 2624, abs=1e-4)
    assert table.accuracy["votes"] == pytest.approx(
        table.accuracy["probability"], abs=0.005
    )
