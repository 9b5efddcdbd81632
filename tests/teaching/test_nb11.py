"""The figures and the explorer of 11, driven without a browser."""

import pandas as pd
import torch
from ipywidgets import IntSlider
from widgets import alt, parts

from inception_lib.analysis.cracks import draw_crack
from inception_lib.teaching.lessons import nb11

CELL = torch.full((1, 32, 32), 200, dtype=torch.uint8)


def look(pictures):
    """The first number is how much is dark, the second falls below 0."""
    dark = (pictures < 150).float().mean((1, 2, 3))
    return dark, dark - 0.01


def test_dreams_stand_in_rows_with_their_titles():
    rows = {
        "3a": [("one", 255 * torch.rand(3, 8, 8)), ("two", CELL)],
        "4a": zip(["three"], [CELL], strict=True),
    }
    fig, text = nb11.draw_dreams(rows, "Dreams.", real=True)
    assert text == "Dreams. 3a: one, two; 4a: three."
    titles = [ax.get_title() for ax in fig.axes]
    assert (
        titles == ["one", "two", "three", ""] and "CC BY-NC-SA" in fig.get_supxlabel()
    )


def test_curves_tell_where_they_are_lowest_and_highest():
    table = pd.DataFrame(
        {"thin": [0.2, 0.9, 0.3], "wide": [0.4, 1.5, 0.5]}, [0, 45, 90]
    )
    fig, text = nb11.draw_curves({"p": table}, "Means", "angle (degrees)")
    assert "p, thin: lowest 0.20 at 0, highest 0.90 at 45" in text
    assert len(fig.axes[0].lines) == 2 and fig.axes[0].get_ylim()[1] > 1.5


def test_a_cracked_cell_and_what_is_said_of_it():
    fig, text = nb11.draw_cracked(CELL, look, 45, 60, 2, 50, "cell 7")
    drawn = draw_crack(CELL[None], 45, 0.6, 2, 0.5)
    sure = look(drawn)[0].item()
    assert f"probability of a defect 0.00 without, {sure:.2f} with it" in text
    assert "0.00 without" in text.split("channel")[1]  # below 0 is nothing
    shown = torch.tensor(fig.axes[0].images[0].get_array().tolist())
    assert shown.byte().view(32, 32).equal(drawn[0, 0])


def test_the_sliders_draw_the_crack_they_say():
    box = nb11.explore_cracks(CELL.expand(2, 1, 32, 32), ["a", "b"], look)
    cell, angle, length, width, darkness = parts(box, IntSlider)[:5]
    angle.value, length.value, width.value, darkness.value, cell.value = 90, 95, 3, 0, 2
    assert "b with a crack at 90 degrees, 95 % of the side long, 3 pixels" in alt(box)
    assert "0 % darker: probability of a defect 0.00 without, 0.00" in alt(box)
