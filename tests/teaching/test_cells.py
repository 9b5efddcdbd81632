"""Galleries carry their credit; the explorer shows the cells that it was asked for."""

import pytest
import torch

from inception_lib.teaching import cells as library
from inception_lib.teaching.cells import (
    blocks,
    brightness,
    confusion,
    counts,
    draw_page,
    explore,
    file_numbers,
    gallery,
    mean_cells,
)
from inception_lib.teaching.style import CREDIT
from inception_lib.training.data import solar_cells


@pytest.fixture
def shown(monkeypatch):
    """What style.show would have displayed: figures and descriptions."""
    figures = []
    monkeypatch.setattr(
        library.style, "show", lambda fig, alt: figures.append((fig, alt))
    )
    return figures


def pictures(fig) -> list:
    return [ax for ax in fig.axes if ax.images]


def test_a_gallery_shows_each_image_with_title_credit_and_one_grey_scale(shown):
    data = solar_cells().subset(range(6))
    gallery(data, [5, 0, 3, 1, 2], "ABCDE", alt="five solar cells in two rows")
    ((fig, alt),) = shown
    assert alt == "five solar cells in two rows"
    assert [ax.get_title() for ax in pictures(fig)] == list("ABCDE")
    for ax, i in zip(pictures(fig), [5, 0, 3, 1, 2], strict=True):
        (image,) = ax.images
        assert (image.get_array().squeeze() == data.images[i, 0].numpy()).all()
        assert image.get_clim() == (0, 255)
    assert fig.get_supxlabel() == CREDIT and "CC BY-NC-SA 4.0" in CREDIT


@pytest.mark.parametrize("experts, probability", [("0", 0), ("1/3", 1 / 3), ("1", 1)])
@pytest.mark.parametrize("percent", [0, 37, 100])
def test_a_page_shows_the_cells_asked_for(experts, probability, percent):
    data = solar_cells()
    fig, _ = draw_page(data, experts, "mono", percent)
    names = [ax.get_title() for ax in pictures(fig)]
    assert len(set(names)) == 8
    for i in map(data.names.index, names):
        assert data.groups[i] == "mono"
        assert float(data.targets[i, 1]) == pytest.approx(probability, abs=1e-6)
    assert fig.get_supxlabel() == CREDIT


@pytest.mark.parametrize("percent, pages", [(0, "1 to 8"), (100, "43 to 50")])
def test_the_first_and_the_last_page_are_reached(percent, pages):
    fig, _ = draw_page(solar_cells(), "2/3", "poly", percent)
    assert fig.get_suptitle() == f"poly, experts say 2/3: {pages} of 50"


def test_few_cells_are_no_error_and_none_is_said():
    data = solar_cells().subset([0, 1])  # two monocrystalline cells
    assert len(pictures(draw_page(data, "1", "mono", 50)[0])) == 2
    with pytest.raises(ValueError, match="no poly cell with probability 1"):
        draw_page(data, "1", "poly", 50)


def test_the_explorer_leafs_and_keeps_the_picture_when_there_is_none():
    widget = explore(solar_cells().subset([0, 3]))  # monocrystalline: 1 and 0
    experts, cell_type, leaf = (row.children[0] for row in widget.children[:3])
    assert (experts.description, leaf.description) == ("experts say", "leaf to")
    picture = widget.children[-1]
    experts.value = "1"
    assert "mono cells with probability 1: cell 0001" in picture.value
    before = picture.value
    cell_type.value = "poly"
    assert "there is no poly cell" in widget.children[1].children[-1].value
    assert picture.value == before


def test_the_counts_are_the_published_ones(shown):
    counts(solar_cells())
    ((fig, _),) = shown
    widths = [bar.get_width() for bar in fig.axes[0].patches]
    assert widths == [588, 920, 117, 178, 56, 50, 313, 402]


def test_the_mean_images_are_credited_and_their_difference_is_right(shown):
    data = solar_cells().subset(range(100))
    mean_cells(data)
    ((fig, _),) = shown
    good, bad, difference = (ax.images[0].get_array() for ax in fig.axes[:3])
    expected = data.images[data.labels == 1].double().mean((0, 1))
    assert abs(bad - expected.numpy()).max() < 1e-9
    assert abs(good - bad - difference).max() < 1e-9
    assert fig.get_supxlabel() == CREDIT


def test_the_histograms_show_every_cell(shown):
    data = solar_cells().subset(range(200))
    brightness(data)
    (ax,) = shown[0][0].axes
    for steps in ax.patches:
        corners = steps.get_xy()
        width, height = corners[1:, 0] - corners[:-1, 0], corners[1:, 1]
        assert (width * height).sum() == pytest.approx(1)  # nobody fell off the edge


def test_the_confusion_matrix_is_told_in_words_too(shown):
    confusion(torch.tensor([[5, 1], [2, 4]]), ("fine", "broken"), by="a coin says")
    ((fig, alt),) = shown
    assert "fine: [5, 1]; broken: [2, 4]" in alt
    assert [text.get_text() for text in fig.axes[0].texts] == ["5", "1", "2", "4"]
    assert fig.axes[0].get_xlabel() == "a coin says"


def test_blocks_follow_the_file_numbers(shown):
    data = solar_cells().subset([0, 1, 2, 100, 2623])
    assert file_numbers(data).tolist() == [1, 2, 3, 101, 2624]
    blocks(data, size=50)
    bars = shown[0][0].axes[0].patches
    assert [bar.get_x() for bar in bars] == [0, 100, 2600]
    assert bars[0].get_height() == pytest.approx(data.labels[:3].float().mean())
