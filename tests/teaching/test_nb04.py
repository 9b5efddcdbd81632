"""The explorer of the heads' weights, and the tables and figures of runs."""

import pandas as pd
import pytest
import torch
from ipywidgets import BoundedIntText, IntSlider, ToggleButtons
from widgets import alt, notes, parts

from inception_lib.analysis.gradients import LossGradients
from inception_lib.teaching import results
from inception_lib.teaching.lessons import nb04

STAGES = tuple("conv1 conv2 conv3 3a 3b 4a 4b 4c 4d 4e 5a 5b fc".split())
KEY = ("PyTorch's", "plain", "at the start")


def stored(scale: float = 1.0) -> LossGradients:
    """Three gradients at right angles in each stage, of norm 3, 4 and 12; weights 10.

    Head 1 reaches the first six stages, head 2 the first nine.
    """
    products = torch.zeros(13, 3, 3, dtype=torch.float64)
    products[:, 0, 0] = 9
    products[:6, 1, 1] = 16
    products[:9, 2, 2] = 144
    norms = torch.full((13,), 10.0, dtype=torch.float64)
    return LossGradients(STAGES, norms, products * scale**2)


MEASURED = {
    (initialisation, norm, moment): stored(10.0**-i)
    for i, (initialisation, norm, moment) in enumerate(
        (a, b, c)
        for a in ("PyTorch's", "the library's")
        for b in ("plain", "batch norm")
        for c in ("at the start", "after 6 steps")
    )
}


def lines(figure) -> list[list[float]]:
    return [list(map(float, line.get_ydata())) for line in figure.axes[0].lines[:2]]


def test_pythagoras_in_every_stage():
    figure, _ = nb04.draw_heads(MEASURED, *KEY, head1=100, head2=100)
    alone, both = lines(figure)
    assert [10**y for y in alone] == pytest.approx([0.3] * 13)
    # 3² + 4² + 12² = 13², 3² + 12² = 153, 3²
    expected = [1.3] * 6 + [153**0.5 / 10] * 3 + [0.3] * 4
    assert [10**y for y in both] == pytest.approx(expected)


def test_weights_of_zero_change_nothing():
    alone, both = lines(nb04.draw_heads(MEASURED, *KEY, head1=0, head2=0)[0])
    assert alone == both


def test_opposed_gradients_can_cancel():
    products = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, 0, 0]]).double()
    opposed = LossGradients(
        STAGES, torch.ones(13).double(), products.expand(13, 3, 3).clone()
    )
    assert not opposed.relative(1.0, 0.0).any()
    figure, _ = nb04.draw_heads({KEY: opposed}, *KEY, head1=100, head2=0)
    assert lines(figure)[1] == [-8] * 13  # at the bottom of the picture


def test_every_control_changes_the_picture_and_its_box_follows():
    explorer = nb04.explore_heads(MEASURED)
    for slider, box in zip(
        parts(explorer, IntSlider), parts(explorer, BoundedIntText), strict=True
    ):
        before = alt(explorer)
        slider.value += 10
        assert alt(explorer) != before and box.value == slider.value == 40
    for switch in parts(explorer, ToggleButtons):
        before = alt(explorer)
        switch.value = switch.options[1]
        assert alt(explorer) != before


def test_what_was_not_measured_is_refused_and_the_picture_stays():
    some = {key: m for key, m in MEASURED.items() if key[:2] != KEY[:2]}
    some = {KEY: MEASURED[KEY], **some}
    explorer = nb04.explore_heads(some)
    before = alt(explorer)
    moment = parts(explorer, ToggleButtons)[2]
    moment.value = "after 6 steps"
    assert alt(explorer) == before
    assert any("nothing was measured" in note for note in notes(explorer))


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


def test_the_summary_takes_the_last_epoch():
    table = nb04.summary(runs({(True, True): HIGH, (True, False): LOW}))
    row = table.loc[("batch norm", True)]
    assert (row["seeds"], row["epochs"], row["accuracy"]) == (5, 2, 0.92)
    assert row["roc_auc_std"] == pytest.approx(0.0158, abs=1e-3)


@pytest.mark.parametrize(
    "with_heads, without, sign, verdict",
    [
        (HIGH, LOW, "+10.0", "hardly chance"),
        (LOW, HIGH, "-10.0", "hardly chance"),
        (HIGH, HIGH, "+0.0", "may be chance"),
        (HIGH[:3], LOW[:3], "+10.0", "2 of 20 deals: may be chance"),
    ],
)
def test_the_verdict_falls_either_way(with_heads, without, sign, verdict):
    table = runs({(True, True): with_heads, (True, False): without})
    batch_norm, plain = nb04.compare(table)
    assert sign in batch_norm and verdict in batch_norm
    assert plain == "plain: too few runs to compare"


def test_the_standard_error_of_a_difference():
    table = runs({(False, True): HIGH, (False, False): LOW})
    # Both groups: variance 2.5e-4 of 5 runs; the root of 2 · 2.5e-4 / 5 is 0.01.
    assert "± 1.0 points" in nb04.compare(table, "accuracy")[1]


def test_permutations_against_a_count_by_hand():
    # Splits of 0, 0, 1 into one and two: the 1 alone differs most.
    assert nb04.permutations([1.0], [0.0, 0.0]) == (1, 3)
    assert nb04.permutations(HIGH, LOW) == (2, 252)
    assert nb04.permutations([1.0, 1.0], [1.0, 1.0]) == (6, 6)


@pytest.mark.parametrize("draw", [nb04.draw_curves, nb04.draw_dots])
@pytest.mark.parametrize("missing", [(), ((True, False),), ((False, True),)])
def test_figures_of_whatever_there_is(draw, missing):
    scores = {
        (True, True): HIGH,
        (True, False): LOW,
        (False, True): LOW[:1],
        (False, False): LOW[:3],
    }
    table = runs({key: found for key, found in scores.items() if key not in missing})
    figure, text = draw(table)
    assert len(figure.axes) == 2
    assert ("batch norm, without heads" in text) == ((True, False) not in missing)
    assert "over 1 seed" in text or missing == ((False, True),)


def test_a_form_without_runs_says_so():
    figure, _ = nb04.draw_curves(runs({(True, True): HIGH}))
    assert [t.get_text() for t in figure.axes[1].texts] == ["no runs"]


def test_lines_along_the_trunk_name_both_ends():
    curves = {"a": {"conv1": 1e-6, "fc": 1.0}, "b": {"conv1": 0.5, "fc": 2.0}}
    _, text = nb04.draw_along_trunk(curves, "a title", "a unit")
    assert "a has 1e-06 at conv1 and 1e+00 at fc" in text and "b has" in text


def test_the_committed_runs_have_the_form_that_the_figures_read():
    table = results.table("heads")
    columns = ["heads", "batch_norm", "seed", "epoch", "accuracy", "roc_auc"]
    assert list(table) == columns
    assert table["heads"].dtype == table["batch_norm"].dtype == bool
    assert table[["accuracy", "roc_auc"]].stack().between(0.4, 1).all()
    assert not table.duplicated(["heads", "batch_norm", "seed", "epoch"]).any()
    lengths = table.groupby(["heads", "batch_norm", "seed"])["epoch"]
    assert (lengths.max() == lengths.count()).all()
