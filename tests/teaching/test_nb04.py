"""The explorer of the heads' weights, and the tables and figures of runs."""

import numpy as np
import pandas as pd
import pytest
import torch

from inception_lib.analysis.gradients import LossGradients
from inception_lib.teaching.lessons import nb04
from inception_lib.teaching.motion import HELD

STAGES = tuple("conv1 conv2 conv3 3a 3b 4a 4b 4c 4d 4e 5a 5b fc".split())
KEY = ("PyTorch's", "plain", "at the start")


def stored() -> LossGradients:
    """Three gradients at right angles in each stage, of norm 3, 4 and 12; weights 10.

    Head 1 reaches the first six stages, head 2 the first nine.
    """
    products = torch.zeros(13, 3, 3, dtype=torch.float64)
    products[:, 0, 0] = 9
    products[:6, 1, 1] = 16
    products[:9, 2, 2] = 144
    norms = torch.full((13,), 10.0, dtype=torch.float64)
    return LossGradients(STAGES, norms, products)


MEASURED = {KEY: stored()}


def lines(figure) -> list[list[float]]:
    return [list(map(float, line.get_ydata())) for line in figure.axes[0].lines[:2]]


def test_pythagoras_in_every_stage():
    figure, _ = nb04.draw_heads(MEASURED, *KEY, head1=100, head2=100)
    alone, both = lines(figure)
    assert [10**y for y in alone] == pytest.approx([0.3] * 13)
    assert lines(nb04.draw_heads(MEASURED, *KEY, head1=0, head2=0).figure)[1] == alone
    # 3² + 4² + 12² = 13², 3² + 12² = 153, 3²
    expected = [1.3] * 6 + [153**0.5 / 10] * 3 + [0.3] * 4
    assert [10**y for y in both] == pytest.approx(expected)


def test_opposed_gradients_can_cancel():
    products = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, 0, 0]]).double()
    opposed = LossGradients(
        STAGES, torch.ones(13).double(), products.expand(13, 3, 3).clone()
    )
    assert not opposed.relative(1.0, 0.0).any()
    figure, _ = nb04.draw_heads({KEY: opposed}, *KEY, head1=100, head2=0)
    assert lines(figure)[1] == [-8] * 13  # at the bottom of the picture


def test_the_gradients_come_back_a_stage_at_a_time(monkeypatch):
    seen = []

    def look(fig, steps, alt, milliseconds):
        for _ in steps:
            drawn = [np.array(line.get_ydata(), float) for line in fig.axes[0].lines]
            seen.append(drawn[:3])
        assert milliseconds * len(seen) + HELD <= 12_000
        return alt

    monkeypatch.setattr(nb04, "film", look)
    alt = nb04.watch_gradients(stored())
    assert "output's from 3e-01 at fc to 3e-01" in alt
    arrived = [[int(np.isfinite(line).sum()) for line in lines] for lines in seen]
    # The output's, head 1's from 4a on, head 2's from 4d on.
    assert arrived == [[n, max(0, n - 7), max(0, n - 4)] for n in range(1, 14)]
    for line, norm in zip(seen[-1], (0.3, 0.4, 1.2), strict=True):
        assert 10 ** line[np.isfinite(line)] == pytest.approx(norm)


def runs(scores: dict[tuple[bool, bool], list[float]]) -> pd.DataFrame:
    """Two epochs a run; the second, at the given score, counts."""
    rows = [
        {"heads": heads, "batch_norm": batch_norm, "seed": seed, "epoch": epoch}
        | {"accuracy": score * epoch / 2, "roc_auc": score * epoch / 2}
        for (batch_norm, heads), found in scores.items()
        for seed, score in enumerate(found)
        for epoch in (2, 1)
    ]
    return pd.DataFrame(rows)


HIGH, LOW = [0.90, 0.91, 0.92, 0.93, 0.94], [0.80, 0.81, 0.82, 0.83, 0.84]


def test_who_looks_more_often_needs_more():
    found = runs({(True, True): HIGH, (True, False): LOW})  # 2 of 252 deals
    assert nb04.compare(found)[0].endswith("2 of 252 deals: hardly chance")
    assert nb04.compare(found, looks=8)[0].endswith("2 of 252 deals: may be chance")


def test_the_difference_has_a_panel_of_its_own():
    figure, _ = nb04.draw_curves(runs({(True, True): HIGH, (True, False): LOW}))
    zero, gain = figure.axes[2].lines
    assert gain.get_ydata() == pytest.approx([5, 10])  # points, at epochs 1 and 2
    assert figure.axes[2].get_ylabel() == "heads add (points)"
    assert len(figure.axes[3].lines) == 1  # no runs: only the line of zero
