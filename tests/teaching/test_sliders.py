"""Explorers are driven as a reader drives them, without a browser."""

import pytest
import torch
from ipywidgets import BoundedIntText, IntSlider, ToggleButtons
from widgets import alt, notes, parts, rectangles

from inception_lib.teaching import sliders
from inception_lib.teaching.sliders.explorer import img


def test_the_example_of_the_paper_is_drawn_with_its_numbers():
    figure, text = sliders.draw_bottleneck(512, 64, kernel_size=5, width=24)
    assert "819,200" in text and "50,688" in text and "16.2 times fewer" in text
    shown = [t.get_text() for t in figure.axes[0].texts]
    assert shown[:2] == ["5×5: 819,200", "1×1: 12,288  +  5×5: 38,400  =  50,688"]


@pytest.mark.parametrize("width, costs_more", [(387, False), (388, True)])
def test_above_the_break_even_width_the_title_says_that_it_costs_more(
    width, costs_more
):
    figure, _ = sliders.draw_bottleneck(512, 64, 5, width)
    assert ("costs more" in figure.get_suptitle()) == costs_more


def test_equal_costs_are_called_equal():
    # 4 -> 4 channels: 4·4 = 16; through 2 channels: 4·2 + 2·4 = 16
    assert "exactly as many" in sliders.draw_bottleneck(4, 4, 1, 2)[1]


def test_bars_are_as_long_as_the_weights():
    figure, _ = sliders.draw_bottleneck(6, 5, 3, 2)
    lengths = [bar.get_width() for bar in rectangles(figure.axes[0])]
    assert lengths == [9 * 6 * 5, 6 * 2, 9 * 2 * 5]


def test_a_moved_slider_draws_anew_and_its_box_follows():
    explorer = sliders.bottleneck()
    slider, box = parts(explorer, IntSlider)[3], parts(explorer, BoundedIntText)[3]
    slider.value = 100
    assert box.value == 100
    assert "1×1 to 100 channels" in alt(explorer)


def test_a_typed_number_moves_the_slider():
    explorer = sliders.bottleneck()
    parts(explorer, BoundedIntText)[0].value = 192
    assert parts(explorer, IntSlider)[0].value == 192
    assert alt(explorer).startswith("192 to 64 channels")


def test_both_ends_of_every_slider_are_drawn():
    for i in range(5):
        explorer = sliders.bottleneck()
        slider = parts(explorer, IntSlider)[i]
        for value in (slider.min, slider.max):
            slider.value = value
            assert notes(explorer) == [""] * 5


def test_an_even_kernel_is_refused_beside_its_slider_and_the_picture_stays():
    explorer = sliders.bottleneck()
    before = alt(explorer)
    kernel = parts(explorer, IntSlider)[2]
    kernel.value = 4
    assert alt(explorer) == before
    assert "no middle" in notes(explorer)[2]
    assert notes(explorer)[:2] == ["", ""]
    kernel.value = 3
    assert notes(explorer) == [""] * 5
    assert "direct 3×3" in alt(explorer)


def test_every_control_has_a_visible_name_and_a_unit():
    for slider in parts(sliders.bottleneck(), IntSlider):
        assert slider.description and not slider.readout
    units = [row.children[2].value for row in sliders.bottleneck().children[:-1]]
    pixels = "pixels a side"
    assert units == ["channels", "channels", pixels, "channels", pixels]


def test_no_gradients_are_recorded_inside_a_callback():
    seen = []

    def draw(n):
        seen.append(torch.is_grad_enabled())
        return sliders.draw_bottleneck(n, 1, 1, 1)

    slider = IntSlider(1, 1, 3, description="n")
    sliders.explorer(draw, {"n": slider}, {"n": ""})
    slider.value = 2
    assert seen == [False, False]


def test_the_alt_text_cannot_break_out_of_its_attribute():
    figure, _ = sliders.draw_bottleneck(1, 1, 1, 1)
    html = img(figure, 'a cell named "><script>alert(1)</script>')
    assert "<script>" not in html and html.count("<") == html.count(">") == 1


def test_the_picture_keeps_its_place_while_it_is_replaced():
    figure, text = sliders.draw_bottleneck(1, 1, 1, 1)
    assert 'width="800" height="460" decoding="sync"' in img(figure, text)


@pytest.fixture
def predictions():
    """Four images: the second and the third are wrong, the third the most clearly."""
    second = torch.tensor([0.9, 0.6, 0.8, 0.3])
    return (
        torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8),
        torch.stack([1 - second, second], 1),
        torch.tensor([1, 0, 0, 0]),
        ("functional", "defective"),
        ("one", "two", "three", "four"),
    )


def walk(explorer) -> list[str]:
    position = parts(explorer, IntSlider)[0]
    order = []
    for value in range(1, position.max + 1):
        position.value = value
        order.append(alt(explorer).split(",")[0])
    return order


def test_browsing_goes_from_the_clearest_mistake_to_the_clearest_success(predictions):
    assert walk(sliders.browse_predictions(*predictions)) == [
        "three",
        "two",
        "four",
        "one",
    ]


def test_only_the_wrong_ones_and_back(predictions):
    explorer = sliders.browse_predictions(*predictions)
    position, choice = parts(explorer, IntSlider)[0], parts(explorer, ToggleButtons)[0]
    position.value = 4
    choice.value = "only wrong"
    assert (position.max, position.value) == (2, 2)
    assert walk(explorer) == ["three", "two"]
    choice.value = "all"
    assert parts(explorer, BoundedIntText)[0].max == 4
    assert walk(explorer) == ["three", "two", "four", "one"]


def test_nothing_wrong_is_said_and_the_picture_stays(predictions):
    images, probabilities, _, classes, names = predictions
    labels = likeliest(probabilities)
    explorer = sliders.browse_predictions(images, probabilities, labels, classes, names)
    before = alt(explorer)
    parts(explorer, ToggleButtons)[0].value = "only wrong"
    assert "none of them is wrong" in notes(explorer)[0]
    assert alt(explorer) == before


def likeliest(probabilities):
    return torch.tensor([row.index(max(row)) for row in probabilities.tolist()])


def test_colour_images_and_many_classes():
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    probabilities = torch.eye(5)
    labels = torch.tensor([0, 1, 2, 3, 0])
    explorer = sliders.browse_predictions(
        images, probabilities, labels, list("abcde"), list("vwxyz")
    )
    assert alt(explorer) == (
        "z, in truth a: predicted e with probability 1.00, which is wrong."
    )


@pytest.mark.parametrize("drop", range(3))
def test_lengths_that_differ_are_refused(predictions, drop):
    given = list(predictions)
    given[drop] = given[drop][1:]
    with pytest.raises(ValueError, match="as many of each"):
        sliders.browse_predictions(*given)


def test_no_images_are_refused(predictions):
    images, probabilities, labels, classes, _ = predictions
    with pytest.raises(ValueError, match="at least one"):
        sliders.browse_predictions(
            images[:0], probabilities[:0], labels[:0], classes, ()
        )
