"""02's explorer, its figures and its game, beside live modules and plain counting."""

import itertools

import numpy as np
import pytest
import torch
from ipywidgets import IntSlider, ToggleButtons
from widgets import alt, live, parts, rectangles

from inception_lib import BranchWidths, GoogLeNet, Inception
from inception_lib.analysis.receptive_field import inception_receptive_fields
from inception_lib.teaching import exercises
from inception_lib.teaching.exercises.nb02 import CHEAPEST, multiply_adds
from inception_lib.teaching.lessons import nb02

SMALL = {
    "in_channels": 24,
    "map_size": 7,
    "ch1x1": 8,
    "ch3x3red": 16,
    "ch3x3": 32,
    "ch5x5red": 40,
    "ch5x5": 48,
    "pool_proj": 56,
}
FIELDS = [name for name in SMALL if name != "map_size"]


def boxes(figure) -> list[tuple[float, float]]:
    """Left edge and height (inches) of each box of the drawing."""
    found = []
    for path in figure.axes[0].collections[0].get_paths():
        (x, low), (_, high), (right, high_after), *_ = path.vertices
        if right - x == pytest.approx(nb02.BOX):
            assert high == pytest.approx(high_after)
            found.append((round(x, 2), round(high - low, 9)))
    return sorted(found)


def test_the_lanes_are_as_thick_as_their_channels():
    found = boxes(nb02.draw_module(**SMALL)[0])
    edges = sorted({x for x, _ in found})
    inch = found[0][1] / SMALL["in_channels"]
    heights = [[round(h / inch, 4) for x, h in found if x == edge] for edge in edges]
    assert heights == [[24], [16, 24, 40], [8, 32, 48, 56], [8, 32, 48, 56]]


def test_a_wider_lane_leaves_the_scale_of_the_others_alone():
    narrow, _ = nb02.draw_module(**nb02.paper_module("3a"))
    wide, _ = nb02.draw_module(**nb02.paper_module("3a") | {"ch5x5": 40})
    grown = [(b, a) for b, a in zip(boxes(narrow), boxes(wide), strict=True) if a != b]
    assert len(grown) == 2  # in the lane and in the output
    assert all(a[1] / b[1] == pytest.approx(40 / 32) for b, a in grown)


def test_a_module_of_the_paper_is_told_as_the_network_has_it():
    name = "4d"
    model = GoogLeNet(aux_logits=False).to("meta")
    module = model.get_submodule(f"inception{name}")
    seen = []
    module.register_forward_hook(lambda _, x, y: seen.append((x[0].shape, y.shape)))
    model(torch.empty(1, 3, 224, 224, device="meta"))
    (given, made) = seen[0]
    _, text = nb02.draw_module(**nb02.paper_module(name))
    count, multiply_adds = live(module, given[1], given[2])
    assert f"reads {given[1]} channels on a {given[2]}×{given[2]} map" in text
    assert (
        f"In all {made[1]} channels, {count:,} parameters, "
        f"{multiply_adds / 1e6:,.1f} million"
    ) in text


def test_the_comparison_with_the_naive_module_and_a_plain_layer():
    _, text = nb02.draw_module(**nb02.paper_module("3a"))
    naive = 28**2 * 192 * (64 + 9 * 128 + 25 * 32)
    plain = 28**2 * 192 * 9 * 256
    assert f"outputs {192 + 64 + 128 + 32} channels for {naive / 1e6:.1f}" in text
    assert f"256 channels for {plain / 1e6:.1f} million" in text


def test_bars_are_as_long_as_the_multiply_adds():
    figure, _ = nb02.draw_module(**SMALL)
    lengths: dict[float, float] = {}
    for path in figure.axes[0].collections[2].get_paths():
        (left, low), _, (right, _), *_ = np.asarray(path.vertices)
        lengths[low] = lengths.get(low, 0) + right - left
    module = Inception(24, BranchWidths(*(SMALL[field] for field in FIELDS[1:])))
    costs = [
        live(module, 24, 7)[1],
        49 * 24 * (8 + 9 * 32 + 25 * 48),
        49 * 24 * 9 * 144,
    ]
    found = list(lengths.values())
    shares = [cost / max(costs) for cost in costs]
    assert [length / max(found) for length in found] == pytest.approx(shares)


@pytest.fixture
def redraws(monkeypatch):
    """The arguments of each redraw."""
    calls, draw = [], nb02.draw_module

    def counted(**values):
        calls.append(values)
        return draw(**values)

    monkeypatch.setattr(nb02, "draw_module", counted)
    return calls


def test_a_preset_sets_all_sliders_with_one_redraw(redraws):
    explorer = nb02.explore_module("3a")
    presets = parts(explorer, ToggleButtons)[0]
    redraws.clear()
    presets.value = name = "5b"
    assert redraws == [nb02.paper_module(name)]
    found = [slider.value for slider in parts(explorer, IntSlider)]
    assert found == [nb02.paper_module(name)[field] for field in FIELDS]
    assert presets.value == name
    _, text = nb02.draw_module(**nb02.paper_module(name))
    assert alt(explorer) == text


def test_a_moved_slider_lets_the_preset_go_and_finds_it_again(redraws):
    explorer = nb02.explore_module("4c")
    presets, slider = parts(explorer, ToggleButtons)[0], parts(explorer, IntSlider)[3]
    assert presets.value == "4c"
    redraws.clear()
    slider.value += 8
    assert presets.value is None and len(redraws) == 1
    slider.value -= 8
    assert presets.value == "4c" and len(redraws) == 2
    presets.value = "5a"
    assert len(redraws) == 3


def test_a_crop_ends_where_the_image_ends():
    image = torch.arange(100).reshape(10, 10)
    middle = nb02.crop(image, (4, 5), 3)
    assert middle.tolist() == [[43, 44, 45], [53, 54, 55], [63, 64, 65]]
    assert nb02.crop(image, (9, 0), 3).tolist() == [[8, 9], [18, 19]]


def test_the_views_are_drawn_as_large_as_they_are():
    image = torch.zeros(120, 120, dtype=torch.uint8)
    fields = inception_receptive_fields(GoogLeNet(aux_logits=False))["3a"]
    figure, text = nb02.draw_receptive_fields(image, {"a spot": (60, 60)}, fields)
    squares = [patch.get_width() for patch in rectangles(figure.axes[0])]
    assert squares == [27, 43, 59]
    shown = [ax.images[0].get_array().shape for ax in figure.axes[1:]]
    assert shown == [(27, 27), (43, 43), (59, 59)]
    assert "59×59" in text and "a spot" in text


def test_who_is_correlated_is_drawn_and_told():
    pictures = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    pictures[:, [7, 8, 9, 13, 14, 15]] = pictures[:, [8]]  # of 5×6 places
    together = torch.corrcoef(pictures.T).view(5, 6, 5, 6)
    figure, text = nb02.draw_together(together, {"here": (1, 2), "there": (2, 4)})
    drawn = figure.axes[0].images[0].get_array()
    expected = np.corrcoef(pictures.T)[8].reshape(5, 6)
    assert np.asarray(drawn) == pytest.approx(expected, abs=1e-5)
    cross = figure.axes[1].lines[0]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (4, 2)
    assert "30 places" in text and "above 0.5 at 6 places; there" in text


def test_maps_without_any_answer_are_drawn():
    maps = {"1×1 none": torch.zeros(4, 4), "pool all": torch.ones(4, 4)}
    _, text = nb02.draw_maps(torch.zeros(4, 4), maps)
    assert "none answers clearly at 0%" in text
    assert "all answers clearly at 100%" in text


def test_the_best_of_the_budget_game_is_the_best_of_all():
    """Every allowed module on a grid, counted without the library's arithmetic."""
    eights = np.arange(8, 481, 8)
    three, five, pool = np.meshgrid(eights, eights, eights, indexing="ij")
    one = 480 - three - five - pool
    red3, red5 = (-(-width // 64) * 8 for width in (three, five))
    cost = 256 * (one + red3 + red5 + pool) + 9 * red3 * three + 25 * red5 * five
    allowed = (one >= 64) & (three >= 96) & (five >= 48) & (pool >= 32)
    least = int(cost[allowed].min()) * 28 * 28
    assert multiply_adds(CHEAPEST) == least
    # Nor does any wider reduction help.
    best = CHEAPEST
    for more3, more5 in itertools.product((0, 8, 16), repeat=2):
        wider = BranchWidths(
            *(best.ch1x1, best.ch3x3red + more3, best.ch3x3),
            *(best.ch5x5red + more5, best.ch5x5, best.pool_proj),
        )
        assert multiply_adds(wider) >= least


def test_the_rest_may_go_to_the_pooling_as_well():
    best = CHEAPEST
    check = exercises.EXERCISES["02.4"].diagnose
    other = BranchWidths(
        *(best.ch1x1 - 64, best.ch3x3red, best.ch3x3),
        *(best.ch5x5red, best.ch5x5, best.pool_proj + 64),
    )
    assert check(best) is None and check(other) is None
