"""The race: hidden defects, the split, paired results by other formulas."""

from math import comb

import pandas as pd
import pytest
import torch

from inception_lib.analysis.forms import FORMS
from inception_lib.teaching import results
from inception_lib.teaching.lessons import nb10
from inception_lib.training import TrainingConfig, solar_cells
from inception_lib.training.data import panels


@pytest.fixture(scope="module")
def race():
    return results.table("race")


@pytest.mark.parametrize("shape", [(1, 1), (9, 1), (7, 7)])
def test_all_defects_are_equally_strong_and_inside(shape):
    random = torch.Generator().manual_seed(0)
    bars = nb10.draw_bars([nb10.Defect(*shape)], random, 50)
    strength = bars.square().sum((1, 2)).sqrt()
    assert torch.allclose(strength, torch.full((50,), nb10.STRENGTH))
    assert (bars >= 0).all()
    assert bars[:, 0].sum() == bars[:, -1].sum() == 0


def test_half_of_the_pictures_hide_a_defect_in_noise():
    pictures, labels = nb10.noisy_pictures(2000, [nb10.Defect(7, 7)])
    assert pictures.shape == (2000, 1, 24, 24) and labels.sum() == 1000
    noise = pictures[labels == 0]
    assert noise.mean().abs() < 0.01 and (noise.std() - 1).abs() < 0.01
    # A square of 49 pixels of equal darkness d: 49 d² = 36, summed 49 d = 42.
    sums = pictures.sum((1, 2, 3))
    assert sums[labels == 1].mean() == pytest.approx(-42, abs=4)


def test_the_same_seed_gives_the_same_pictures():
    one, other = (nb10.noisy_pictures(4, [nb10.Defect(3, 3)], seed=5) for _ in "ab")
    assert torch.equal(one[0], other[0])


def test_a_window_sees_a_dot_whole_and_of_a_large_blotch_the_ratio_of_areas():
    assert nb10.seen(nb10.Defect(1, 1), 3) == pytest.approx(1, abs=0.02)
    assert nb10.seen(nb10.Defect(12, 12), 3) == pytest.approx(9 / 144, rel=0.08)
    shares = [nb10.seen(nb10.Defect(9, 1), k) for k in (1, 3, 5, 7)]
    assert shares == sorted(shares)


def test_no_cell_is_in_two_sets_and_no_new_panel_was_seen():
    sets = nb10.race_split(solar_cells(64), seed=3)
    names = [set(part.names) for part in sets]
    assert sum(map(len, names)) == len(set.union(*names)) == 2624
    seen = set(panels(sets.train)) | set(panels(sets.same_panels))
    assert not seen & set(panels(sets.new_panels))
    assert set(panels(sets.same_panels)) <= set(panels(sets.train))


def test_a_racer_is_trained_from_its_seed_alone():
    train = nb10.race_split(solar_cells(64)).train.subset(slice(8))
    config = TrainingConfig(
        image_size=64, epochs=1, aux=False, batch_size=4, precision="float32"
    )
    runs = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        runs.append(nb10.train_racer("3×3 only", train, config, progress=None))
    one, other = (run.predict(train) for run in runs)
    assert torch.equal(one, other)


# --- the committed table --------------------------------------------------------------


def test_the_table_is_complete(race):
    counts = race[race.epochs == 10].form.value_counts()
    assert set(counts.index) == set(FORMS) and set(counts) == {10}
    assert {7, 9, 10} == set(race[race.form == "Inception"].epochs)
    assert not race.duplicated(["seed", "form", "epochs"]).any()


@pytest.mark.parametrize("name", nb10.SETS)
def test_its_counts_and_accuracies_agree(race, name):
    """right − theirs = only it − only Inception, image by image."""
    inception = race[(race.form == "Inception") & (race.epochs == 10)]
    theirs = race.seed.map(inception.set_index("seed")[f"{name}_accuracy"])
    gain = (race[f"{name}_accuracy"] - theirs) * race[f"{name}_images"]
    counted = race[f"{name}_only_it"] - race[f"{name}_only_inception"]
    assert (gain - counted).abs().max() < 0.2  # accuracies have four digits


def toy_race() -> pd.DataFrame:
    rows = []
    for seed, (ours, only) in enumerate([(0.82, (4, 2)), (0.85, (6, 1))]):
        for form, accuracy, counts in (("Inception", 0.8, (0, 0)), ("b", ours, only)):
            row = {"seed": seed, "form": form, "epochs": 10}
            for name in nb10.SETS:
                row[f"{name}_accuracy"] = accuracy
                row[f"{name}_only_it"], row[f"{name}_only_inception"] = counts
            rows.append(row)
    return pd.DataFrame(rows)


def test_compared_against_formulas_by_hand():
    row = nb10.compared(toy_race(), "new_panels").loc["b"]
    assert row.points == pytest.approx(3.5)
    # Two numbers d apart: a standard deviation of d / √2, an error of d / 2.
    assert row.error == pytest.approx((5 - 2) / 2)
    assert (row["only it"], row["only Inception"]) == (10, 3)
    tail = sum(comb(13, k) for k in range(4)) / 2**13
    assert row.p == pytest.approx(2 * tail)


def test_the_figure_tells_its_numbers():
    drawing = nb10.draw_race(toy_race())
    assert "b, new panels: +3.5 ± 3.0" in drawing.alt
