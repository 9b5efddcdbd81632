"""The explorers and figures of 03, driven without a browser."""

import pandas as pd
import pytest
import torch
from ipywidgets import BoundedIntText, IntSlider, ToggleButtons
from widgets import alt, notes, parts, rectangles

from inception_lib.teaching.heatmap import colour_scale
from inception_lib.teaching.lessons import nb03


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_googlenets_ending_is_drawn_with_its_numbers():
    figure, text = nb03.draw_pooling(7, 1024, 1000)
    assert texts(figure) == [
        "7×7 × 1024 × 1000 = 50,176,000",
        "1024 × 1000 = 1,024,000",
    ]
    assert "49 times fewer" in text


@pytest.mark.parametrize("numbers", [(7, 512, 4096), (1, 3, 2), (5, 7, 1)])
def test_bars_are_as_long_as_the_live_layers_weights(numbers):
    map_size, channels, classes = numbers
    x = torch.empty(1, channels, map_size, map_size, device="meta")
    live = [
        torch.nn.Linear(y.numel(), classes, device="meta").weight.numel()
        for y in (x.flatten(1), x.mean((2, 3)))
    ]
    figure, _ = nb03.draw_pooling(*numbers)
    assert [bar.get_width() for bar in rectangles(figure.axes[0])] == live


def test_on_a_map_of_one_place_there_is_no_difference():
    figure, text = nb03.draw_pooling(1, 64, 10)
    assert "no difference" in text
    assert "no difference" in figure.axes[0].get_title()


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_to_connect_is_refused(numbers):
    with pytest.raises(ValueError, match="positive"):
        nb03.draw_pooling(*numbers)


def test_a_moved_slider_and_a_typed_number_draw_anew():
    explorer = nb03.explore_pooling()
    parts(explorer, IntSlider)[0].value = 14
    assert alt(explorer).startswith("A map of 14×14 with 1024 channels")
    parts(explorer, BoundedIntText)[2].value = 2
    assert "to 2 classes" in alt(explorer) and "401,408 weights" in alt(explorer)


@pytest.fixture
def walk():
    """Three dark images; the second's map has its peak at the lower right."""
    images = torch.zeros(3, 1, 30, 30, dtype=torch.uint8)
    maps = torch.full((3, 4, 4), -1.0)
    maps[1, 3, 3] = 14.0
    return images, maps, ["one", "two", "three"]


def test_the_map_is_told_with_its_peak_and_its_mean(walk):
    images, maps, titles = walk
    _, text = nb03.draw_activation_map(images[1], maps[1], titles[1], scale=2.0)
    assert text.startswith("two.")
    assert "mean -0.1, highest +14.0 at lower right, lowest -1.0" in text


def test_the_map_is_laid_over_the_image_place_by_place(walk):
    images, maps, titles = walk
    figure, _ = nb03.draw_activation_map(
        images[1], maps[1], titles[1], scale=2.0, smooth=False
    )
    overlay = figure.axes[1].images[1].get_array()
    assert overlay.shape == (30, 30)
    assert overlay[-1, -1] == 7.0 and overlay[0, 0] == -0.5


def test_walking_through_the_maps(walk):
    explorer = nb03.browse_activation_maps(*walk)
    cell = parts(explorer, IntSlider)[0]
    told = []
    for cell.value in range(1, 4):
        told.append(alt(explorer).split(".")[0])
    assert told == ["one", "two", "three"]
    assert (cell.min, cell.max) == (1, 3)


def test_the_true_resolution_can_be_shown(walk):
    explorer = nb03.browse_activation_maps(*walk)
    parts(explorer, IntSlider)[0].value = 2
    smoothed = explorer.children[-1].value
    parts(explorer, ToggleButtons)[0].value = "as computed"
    assert explorer.children[-1].value != smoothed
    assert notes(explorer) == ["", ""]


@pytest.mark.parametrize("value", [0.0, -3.0, 5.0])
def test_a_flat_map_is_drawn_without_a_warning(value):
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    scale = colour_scale(torch.full((1, 2, 2), value))
    nb03.draw_activation_map(image, torch.full((2, 2), value), "flat", scale=scale)


@pytest.mark.parametrize("drop", range(3))
def test_lengths_that_differ_and_nothing_at_all_are_refused(walk, drop):
    given = list(walk)
    given[drop] = given[drop][1:]
    with pytest.raises(ValueError, match="the same number of each"):
        nb03.browse_activation_maps(*given)
    with pytest.raises(ValueError, match="at least one"):
        nb03.browse_activation_maps(*(part[:0] for part in walk))


def test_what_is_kept_is_told_with_mean_and_maximum():
    maps = torch.zeros(2, 2, 2)
    maps[0, 0, 0], maps[1] = 4.0, 2.0
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    figure, text = nb03.draw_kept(image, maps, {"peak": 0, "area": 1})
    assert "peak, channel 0, mean 1.00, max 4.00" in text
    assert "area, channel 1, mean 2.00, max 2.00" in text
    assert "CC BY-NC-SA" in figure.get_supxlabel()


def test_the_reached_places_are_counted():
    sent = {"average": torch.full((2, 3), 1 / 6), "maximum": torch.eye(2, 3)[:, :]}
    _, text = nb03.draw_gradients(torch.rand(2, 3), sent)
    assert "average reaches 6 places with 0.1667 each" in text
    assert "maximum reaches 2 places with 1.0000 each" in text


def test_the_best_rate_of_each_ending_is_told():
    scores = {("flatten", 0.1): 0.7, ("flatten", 1.0): 0.6, ("average", 0.1): 0.5}
    rows = [
        ("trained", ending, lr, score + shift)
        for (ending, lr), score in scores.items()
        for shift in (-0.1, 0.1)
    ]
    rows += [("trained", "maximum", 1.0, score) for score in (0.2, 0.4)]
    columns = ["trunk", "ending", "lr", "accuracy"]
    _, text = nb03.draw_rates(pd.DataFrame(rows, columns=columns))
    assert "trained, flatten: 0.700 ± 0.141 at a rate of 0.1" in text
    assert "trained, average: 0.500" in text and "maximum: 0.300" in text
