"""Explorers are driven as a reader drives them, without a browser."""

from functools import partial

import pytest
import torch
from ipywidgets import BoundedIntText, IntSlider, ToggleButtons
from widgets import alt, notes, parts

from inception_lib.teaching.drawing import Drawing, figure
from inception_lib.teaching.explorer import Slider, check_lengths
from inception_lib.teaching.explorer import explorer as explore
from inception_lib.teaching.lessons import nb01, nb03, nb07, nb08, nb11


def test_a_typed_number_moves_the_slider():
    explorer = nb01.explore_bottleneck()
    parts(explorer, BoundedIntText)[0].value = 192
    assert parts(explorer, IntSlider)[0].value == 192
    assert alt(explorer).startswith("192 to 64 channels")


def test_an_even_kernel_is_refused_beside_its_slider_and_the_picture_stays():
    explorer = nb01.explore_bottleneck()
    before = alt(explorer)
    kernel = parts(explorer, IntSlider)[2]
    kernel.value = 4
    assert alt(explorer) == before
    assert "no middle" in notes(explorer)[2]
    assert notes(explorer)[:2] == ["", ""]
    kernel.value = 3
    assert notes(explorer) == [""] * 5
    assert "direct 3×3" in alt(explorer)


def test_no_gradients_are_recorded_inside_a_callback():
    seen = []

    def draw(n):
        seen.append(torch.is_grad_enabled())
        return nb01.draw_bottleneck(n, 1, 1, 1)

    slider = Slider("n", 1, 1, 3, "")
    explore(draw, n=slider)
    slider.value = 2
    assert seen == [False, False]


def test_the_alt_text_cannot_break_out_of_its_attribute():
    html = Drawing(figure()[0], 'a cell named "><script>alert(1)</script>').html()
    assert "<script>" not in html and html.count("<") == html.count(">") == 1


def test_the_picture_keeps_its_place_while_it_is_replaced():
    html = nb01.draw_bottleneck(1, 1, 1, 1).html()
    assert 'width="800" height="460" decoding="sync"' in html


def test_a_preset_that_is_refused_says_so_beside_the_buttons():
    def draw(n):
        if n == 3:
            raise ValueError("3 is too many")
        return Drawing(figure()[0], f"a picture of the number {n}")

    presets = {"two": {"n": 2}, "three": {"n": 3}}
    explorer = explore(draw, presets, n=Slider("n", 1, 1, 3, ""))
    buttons = parts(explorer, ToggleButtons)[0]
    assert buttons.value is None
    buttons.value = "three"
    assert "3 is too many" in notes(explorer)[0] and alt(explorer).endswith("1")
    buttons.value = "two"
    assert notes(explorer) == ["", ""] and alt(explorer).endswith("2")


IMAGES, NAMES = torch.zeros(3, 1, 8, 8).byte(), ["one", "two", "three"]
HEAT = torch.zeros(3, 2, 2)
BROWSERS = {
    nb03.browse_activation_maps: (IMAGES, HEAT, NAMES),
    nb07.browse_predictions: (IMAGES, torch.rand(3, 2), torch.tensor([0, 1, 1]), NAMES),
    nb08.browse_features: (IMAGES, {"conv1": torch.zeros(3, 64, 2, 2)}, NAMES),
    nb08.browse_attributions: (IMAGES, {"trained": {"one": HEAT}}, {}, NAMES),
    partial(nb11.explore_cracks, look=torch.aminmax): (IMAGES, NAMES),
}


@pytest.mark.parametrize("browse", BROWSERS)
def test_lengths_that_differ_and_nothing_at_all_are_refused(browse):
    images, *middle, names = BROWSERS[browse]
    classes = [["no", "yes"]] if browse is nb07.browse_predictions else []
    with pytest.raises(ValueError, match="the same number of each"):
        browse(images[1:], *middle, *classes, names)
    with pytest.raises(ValueError, match="the same number of each"):
        browse(images, *middle, *classes, names[1:])
    with pytest.raises(ValueError, match="at least one"):
        check_lengths(images[:0], [])
