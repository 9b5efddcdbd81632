"""The explorers and figures of 03, driven without a browser."""

import torch
from widgets import rectangles, texts

from inception_lib.teaching.lessons import nb03


def test_googlenets_ending_is_drawn_with_its_numbers():
    figure, text = nb03.draw_pooling(7, 1024, 1000)
    assert texts(figure) == [
        "7×7 × 1024 × 1000 = 50,176,000",
        "1024 × 1000 = 1,024,000",
    ]
    assert "49 times fewer" in text
    x = torch.empty(1, 1024, 7, 7, device="meta")
    live = [
        torch.nn.Linear(y.numel(), 1000, device="meta").weight.numel()
        for y in (x.flatten(1), x.mean((2, 3)))
    ]
    assert [bar.get_width() for bar in rectangles(figure.axes[0])] == live


def test_on_a_map_of_one_place_there_is_no_difference():
    figure, text = nb03.draw_pooling(1, 64, 10)
    assert "no difference" in text
    assert "no difference" in figure.axes[0].get_title()


def test_the_map_is_laid_over_the_image_place_by_place_and_told():
    image, evidence = torch.zeros(1, 30, 30).byte(), torch.full((4, 4), -1.0)
    evidence[3, 3] = 14.0  # at the lower right
    figure, text = nb03.draw_activation_map(
        image, evidence, "two", scale=2.0, smooth=False
    )
    assert text.startswith("two.")
    assert "mean -0.1, highest +14.0 at lower right, lowest -1.0" in text
    overlay = figure.axes[1].images[1].get_array()
    assert overlay.shape == (30, 30)
    assert overlay[-1, -1] == 7.0 and overlay[0, 0] == -0.5
    bar = figure.axes[1].child_axes[0]
    ends = [label.get_text() for label in bar.get_xticklabels()]
    assert ends == ["≤ −2.0\nfunctional", "0", "≥ +2.0\ndefective"]


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
    figure, text = nb03.draw_gradients(torch.rand(2, 3), sent)
    scales = {ax.images[0].norm.vmax for ax in figure.axes[1:]}
    assert scales == {1.0}  # the same colour is the same gradient
    assert texts(figure) == ["0.17"] * 6 + ["1", "1"]
    assert "average reaches 6 places with 0.1667 each" in text
    assert "maximum reaches 2 places with 1.0000 each" in text
