"""The figures and walks of 08, driven without a browser."""

from html import unescape

import pandas as pd
import pytest
import torch
from ipywidgets import IntSlider, ToggleButtons
from widgets import alt, notes, parts, rectangles

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet
from inception_lib.analysis.receptive_field import (
    BRANCHES,
    first_centres,
    receptive_fields,
)
from inception_lib.teaching.drawing import figure
from inception_lib.teaching.heatmap import overlay
from inception_lib.teaching.lessons import nb08

generator = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (3, 1, 32, 32), generator=generator).byte()
NAMES = ["one", "two", "three"]
MAPS = {
    "conv1": torch.rand(3, 64, 8, 8, generator=generator),
    "3a": torch.rand(3, 256, 4, 4, generator=generator),
}
METHODS = ["Grad-CAM", "occlusion"]
HEAT = {
    network: {m: torch.randn(3, 4, 4, generator=generator) for m in METHODS}
    for network in ("trained", "shuffled")
}
CURVES = {
    m: {
        "trained network's map": torch.zeros(3, 5),
        "shuffled network's map": torch.full((3, 5), 2.0),
        "random squares": torch.ones(3, 5),
        "another picture's map": torch.ones(3, 5),
    }
    for m in METHODS
}


def table(loss: float) -> pd.DataFrame:
    rows = [(module, branch) for module in GOOGLENET_WIDTHS for branch in BRANCHES]
    found = pd.DataFrame(rows, columns=["module", "branch"])
    found["loss"], found["error"] = 0.01, 0.02
    found.loc[3, "loss"] = loss  # the pool branch of 3a
    return found


def test_each_branch_shows_the_channels_that_vary_most():
    maps = torch.zeros(256, 4, 4)  # 64 of 1×1, 128 of 3×3, 32 of 5×5, 32 of pool
    wanted = [63, 5, 191, 64, 223, 192, 255, 224]
    for channel in wanted:
        maps[channel, 0, 0] = 1 + channel
    shown = nb08.shown_channels(maps, "3a")
    assert [channel for _, channel, _ in shown] == wanted
    assert [branch for branch, *_ in shown[::2]] == list(BRANCHES)
    trunk = nb08.shown_channels(torch.rand(64, 4, 4), "conv1")
    assert len(trunk) == 8 and {branch for branch, *_ in trunk} == {"trunk"}


def test_walking_through_the_stages():
    explorer = nb08.browse_features(IMAGES, MAPS, NAMES)
    assert "one, and eight of the 64 maps of 8×8 places that conv1" in alt(explorer)
    parts(explorer, IntSlider)[0].value = 2
    parts(explorer, ToggleButtons)[0].value = "three"
    assert "three, and eight of the 256 maps of 4×4 places that 3a" in alt(explorer)
    assert set(notes(explorer)) == {""}


def test_maps_that_are_zero_are_counted():
    maps = MAPS["3a"][0].clone()
    maps[7:10] = 0
    assert "3 of the maps are zero" in nb08.draw_features(IMAGES[0], maps, "3a", "a")[1]


@pytest.fixture(scope="module")
def seen():
    """What each stage sees of the image, and where its first place looks."""
    model = GoogLeNet(aux_logits=False)
    return receptive_fields(model), first_centres(model)


def test_the_squares_are_drawn_where_the_place_is(seen):
    fields, firsts = seen
    fig, text = nb08.draw_receptive_fields(
        IMAGES[0], fields["3a"], firsts["3a"], "3a", "corner"
    )
    assert "1x1 27, 3x3 43, 5x5 59, pool 43" in text
    square = rectangles(fig.axes[0])[0]
    assert square.get_x() + square.get_width() / 2 == firsts["3a"] == 6
    assert square.get_width() == 27
    # The 3×3 and the pool see the same square: each has its dashes in the other's gaps.
    _, one, _, other = (box.get_linestyle() for box in rectangles(fig.axes[0]))
    assert (one, other) == ((0, (5, 5)), (5, (5, 5)))


@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("stage", ["conv1", "4a", "5b"])
def test_three_different_places_with_all_edges_are_in_the_picture(seen, stage, size):
    field, first = (found[stage] for found in seen)
    image, places = torch.zeros(1, size, size).byte(), set()
    for place in ("corner", "off centre", "middle"):
        ax = nb08.draw_receptive_fields(image, field, first, stage, place)[0].axes[0]
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        drawn = [(*p.get_xy(), p.get_width()) for p in rectangles(ax)]
        assert len(drawn) == len(field)
        for x, y, side in [(-0.5, -0.5, size), *drawn]:
            assert left < x and x + side < right and top < y and y + side < bottom
        places.add(drawn[0])
    assert len(places) == 3


def test_the_check_stands_beside_the_map():
    explorer = nb08.browse_attributions(IMAGES, HEAT, CURVES, NAMES)
    told = "first: trained network's map 0.0, shuffled network's map 2.0, random squar"
    assert told in unescape(alt(explorer))
    assert "another" not in alt(explorer)
    method, network = parts(explorer, ToggleButtons)
    network.value = "shuffled"
    told = "first: shuffled network's map 2.0, trained network's map 0.0, random squar"
    assert alt(explorer).startswith("one (shuffled network); Grad-CAM")
    assert told in unescape(alt(explorer))
    method.value = "occlusion"
    parts(explorer, IntSlider)[0].value = 3
    assert alt(explorer).startswith("three (shuffled network); occlusion")


def test_the_curve_of_the_map_that_is_shown_is_marked():
    orders = {name: scores[0] for name, scores in CURVES["occlusion"].items()}
    own = {name: orders[name] for name in nb08.ORDERS[1:]}
    fig, _ = nb08.draw_attribution(
        IMAGES[0], HEAT["trained"]["occlusion"][0], own, "", ""
    )
    first, *others = fig.axes[-1].lines
    assert first.get_label() == "shuffled network's map (shown)"
    assert first.get_ydata() == pytest.approx(2.0 * torch.ones(5).numpy())
    assert not any("shown" in str(line.get_label()) for line in others)


@pytest.mark.parametrize("value", [0.0, -2.0, 3.0])
def test_flat_maps_and_colour_images_are_drawn(value):
    _, ax = figure()
    overlay(ax, IMAGES[0].repeat(3, 1, 1), torch.full((2, 2), value))
    assert len(ax.images) == 2


def test_what_says_nothing_is_clear_and_what_says_much_covers_the_image():
    _, ax = figure()
    heat = torch.tensor([[-1.0, -1, 0, 0, 1, 1]] * 6)
    overlay(ax, torch.zeros(1, 6, 6).byte(), heat)
    rgba = ax.images[1].to_rgba(ax.images[1].get_array())[0]
    assert rgba[:, 3].tolist() == pytest.approx([1, 1, 0, 0, 1, 1], abs=0.01)
    (purple, *_), (*_, orange) = rgba[:1], rgba[-1:]
    assert purple[2] > purple[0] and orange[0] > orange[2]


def test_smooth_filters_are_told_from_noise():
    stripes = torch.arange(7.0).sin().expand(5, 3, 7, 7) + torch.arange(7.0)[:, None]
    noise = torch.randn(500, 3, 7, 7, generator=generator)
    assert nb08.smoothness(stripes).min() > 0.7
    assert abs(nb08.smoothness(noise).mean()) < 0.1
    _, text = nb08.draw_filters({"learned": noise[:60], "born": noise[:64]})
    assert "learned, 60 of 7×7; born, 64 of 7×7" in text


def test_the_share_inside_a_square():
    moved = torch.ones(10, 10)
    assert nb08.share_inside(moved, 4.5, 10) == pytest.approx(1)
    assert nb08.share_inside(moved, 4.5, 4) == pytest.approx(0.16)


def test_reach_tells_the_sides(seen):
    fields = seen[0]["3a"]
    reaches = {branch: torch.rand(32, 32, generator=generator) for branch in fields}
    fig, text = nb08.draw_reach(reaches, fields, 15.0)
    assert "1x1: 27 pixels" in text and "5x5: 59 pixels" in text
    for ax in fig.axes:  # larger than the image: no edge is cut off
        (left, right), box = ax.get_xlim(), rectangles(ax)[0]
        assert left < box.get_x() and box.get_x() + box.get_width() < right


def test_ablations_tell_the_worst_and_what_is_beyond_the_error():
    _, text = nb08.draw_ablations({"mean": table(0.5), "zero": table(0.0)})
    assert "mean: most is lost without pool of 3a, +0.500, and 35 of 36" in text
    assert "zero: most is lost without" in text and "36 of 36" in text


def test_shares_are_told_for_the_last_module():
    shares = table(0)[["module", "branch"]].assign(
        channels=0.25, energy=[0.1, 0.2, 0.3, 0.4] * 9, gradient=0.25
    )
    _, text = nb08.draw_shares(shares, table(0.01))
    assert "In 5b" in text and "energy: 1x1 10%, 3x3 20%, 5x5 30%, pool 40%" in text
    assert "loss: 1x1 25%" in text


def test_two_networks_and_their_likeness():
    pair = {name: {m: heat[0] for m, heat in own.items()} for name, own in HEAT.items()}
    similar = {"Grad-CAM": 0.1, "occlusion": -0.4}
    fig, text = nb08.draw_networks(IMAGES[0], pair, similar)
    assert "Grad-CAM +0.10, occlusion -0.40" in text and len(fig.axes) == 5


def test_some_heat_maps_stand_beside_their_image():
    maps = {name: heat[0] for name, heat in HEAT["trained"].items()}
    fig, text = nb08.draw_heat_maps(IMAGES[0], maps, "one: yes, called yes")
    assert "one: yes, called yes" in text and "occlusion, highest at" in text
    assert [len(ax.images) for ax in fig.axes[:3]] == [1, 2, 2]


def test_the_lead_is_told_with_its_error():
    own = torch.zeros(4, 5)
    curves = {"a": {"own": own, "other": own + torch.tensor([[1.0], [1], [2], [4]])}}
    # Mean 2, standard deviation √2, of four.
    assert nb08.ahead(curves).loc["a", "other"] == "+2.00 ± 0.71"


def test_deletions_tell_the_means():
    _, text = nb08.draw_deletions(CURVES)
    assert "occlusion: mean 0.00 against 2.00, 1.00, 1.00" in text


def test_the_cascade_and_the_heads_tell_their_ends():
    similar = pd.DataFrame({"a": [0.9, 0.1], "b": [0.8, 0.7]}, index=["fc", "5b"])
    assert "a ends at +0.10, b ends at +0.70" in nb08.draw_cascade(similar)[1]
    rows = [(o, e, 0.5 + e / 10, 0.6) for o in nb08.HEADS for e in (1, 2)]
    columns = ["output", "epoch", "accuracy", "roc_auc"]
    _, text = nb08.draw_heads(pd.DataFrame(rows, columns=columns))
    assert "head 1 accuracy 0.700" in text and "output roc_auc 0.600" in text


def test_titles_name_truth_and_call():
    found = nb08.titles(
        ["a", "b"], torch.tensor([0, 1]), torch.tensor([1, 1]), ("no", "yes")
    )
    assert found == ["a: no, called yes", "b: yes, called yes"]
