"""The explorer of layout and precision shows what was measured."""

import pandas as pd
import pytest
from ipywidgets import ToggleButtons
from widgets import alt, parts, rectangles

from inception_lib.teaching import sliders

MEASURED = pd.DataFrame(
    [
        ("channels first", "float32", 1.0, 0.1),
        ("channels first", "bfloat16", 1.5, 0.15),
        ("channels last", "float32", 2.0, 0.2),
        ("channels last", "bfloat16", 4.25, 0.43),
    ],
    columns=["layout", "precision", "ratio", "fraction_of_peak"],
)


@pytest.mark.parametrize("row", list(MEASURED.itertuples(index=False)))
def test_both_numbers_are_told(row):
    figure, text = sliders.draw_speed(MEASURED, row.layout, row.precision)
    assert f"{row.ratio:.2f} times" in text
    assert f"{row.fraction_of_peak:.0%} of the processor's peak" in text
    left, right = figure.axes
    assert [bar.get_width() for bar in rectangles(left)] == list(MEASURED["ratio"])
    assert sum(bar.get_hatch() is not None for bar in right.patches) == 1


def test_toggles_change_the_picture():
    explorer = sliders.speed(MEASURED)
    layout, precision = parts(explorer, ToggleButtons)
    assert "1.00 times" in alt(explorer)
    layout.value = "channels last"
    assert "2.00 times" in alt(explorer)
    precision.value = "bfloat16"
    assert "4.25 times" in alt(explorer)


def test_measuring_gives_every_combination():
    measured = sliders.measure_speed(image_size=64, rounds=1)
    assert list(measured) == list(MEASURED)
    assert measured[["layout", "precision"]].equals(MEASURED[["layout", "precision"]])
    assert measured["ratio"][0] == 1 and (measured["fraction_of_peak"] > 0).all()
