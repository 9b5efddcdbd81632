"""Galleries carry their credit; the explorer shows the cells that it was asked for."""

import pytest
import torch
from widgets import rectangles

from inception_lib.teaching.drawing import CREDIT
from inception_lib.teaching.lessons import nb06
from inception_lib.training.data import solar_cells


def pictures(fig) -> list:
    return [ax for ax in fig.axes if ax.images]


def test_a_gallery_shows_each_image_with_title_credit_and_one_grey_scale():
    data = solar_cells().subset(range(6))
    alt = "five solar cells in two rows"
    fig, told = nb06.draw_gallery(data, [5, 0, 3, 1, 2], "ABCDE", alt)
    assert told == alt
    assert [ax.get_title() for ax in pictures(fig)] == list("ABCDE")
    for ax, i in zip(pictures(fig), [5, 0, 3, 1, 2], strict=True):
        (image,) = ax.images
        assert (image.get_array().squeeze() == data.images[i, 0].numpy()).all()
        assert image.get_clim() == (0, 255)
    assert fig.get_supxlabel() == CREDIT and "CC BY-NC-SA 4.0" in CREDIT


@pytest.mark.parametrize("experts, probability", [("0", 0), ("1/3", 1 / 3), ("1", 1)])
def test_a_page_shows_the_cells_asked_for(experts, probability):
    data = solar_cells()
    fig, _ = nb06.draw_page(data, experts, "mono", 37)
    names = [ax.get_title() for ax in pictures(fig)]
    assert len(set(names)) == 8
    for i in map(data.names.index, names):
        assert data.groups[i] == "mono"
        assert float(data.targets[i, 1]) == pytest.approx(probability, abs=1e-6)
    assert fig.get_supxlabel() == CREDIT


@pytest.mark.parametrize("percent, pages", [(0, "1 to 8"), (100, "43 to 50")])
def test_the_first_and_the_last_page_are_reached(percent, pages):
    fig, _ = nb06.draw_page(solar_cells(), "2/3", "poly", percent)
    assert fig.get_suptitle() == f"poly, experts say 2/3: {pages} of 50"


def test_the_counts_are_the_published_ones():
    fig, _ = nb06.draw_counts(solar_cells())
    widths = [bar.get_width() for bar in rectangles(fig.axes[0])]
    assert widths == [588, 920, 117, 178, 56, 50, 313, 402]


def test_the_mean_images_are_credited_and_their_difference_is_right():
    data = solar_cells().subset(range(100))
    fig, _ = nb06.draw_mean_cells(data)
    good, bad, difference = (ax.images[0].get_array() for ax in fig.axes[:3])
    expected = data.images[data.labels == 1].double().mean((0, 1))
    assert abs(bad - expected.numpy()).max() < 1e-9
    assert abs(good - bad - difference).max() < 1e-9
    assert fig.get_supxlabel() == CREDIT


def test_the_histograms_show_every_cell():
    data = solar_cells().subset(range(200))
    (ax,) = nb06.draw_brightness(data).figure.axes
    for steps in ax.patches:
        corners = steps.get_path().vertices
        width, height = corners[1:, 0] - corners[:-1, 0], corners[1:, 1]
        assert (width * height).sum() == pytest.approx(1)  # nobody fell off the edge


def test_the_confusion_matrix_is_told_in_words_too():
    matrix = torch.tensor([[5, 1], [2, 4]])
    fig, alt = nb06.draw_confusions({"a coin": matrix}, ("fine", "broken"))
    assert "by a coin: fine [5, 1], broken [2, 4]" in alt
    assert [text.get_text() for text in fig.axes[0].texts] == ["5", "1", "2", "4"]
    assert fig.axes[0].get_xlabel() == "a coin says"


def test_blocks_follow_the_file_numbers():
    data = solar_cells().subset([0, 1, 2, 100, 2623])
    assert nb06.file_numbers(data).tolist() == [1, 2, 3, 101, 2624]
    bars = rectangles(nb06.draw_blocks(data, size=50).figure.axes[0])
    assert [bar.get_x() for bar in bars] == [0, 100, 2600]
    assert bars[0].get_height() == pytest.approx(data.labels[:3].float().mean())
