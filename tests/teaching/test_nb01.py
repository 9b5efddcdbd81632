"""The lesson on bottlenecks: its explorers against live layers and a plain SVD."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from widgets import live, rectangles

from inception_lib.analysis import costs
from inception_lib.teaching.lessons import nb01
from inception_lib.teaching.motion import HELD

SHAPES = [(512, 64, 5, 24, 14), (6, 5, 3, 2, 7), (8, 4, 1, 3, 1), (3, 9, 7, 5, 4)]


@pytest.mark.parametrize("c_in, c_out, k, width, map_size", SHAPES)
def test_both_routes_cost_what_live_layers_do(c_in, c_out, k, width, map_size):
    form = {"padding": k // 2, "bias": False}
    direct = live(nn.Conv2d(c_in, c_out, k, **form), c_in, map_size)
    first, second = (
        nn.Conv2d(c_in, width, 1, bias=False),
        nn.Conv2d(width, c_out, k, **form),
    )
    pair = live(nn.Sequential(first, second), c_in, map_size)
    figure, told = nb01.draw_bottleneck(c_in, c_out, k, width, map_size)
    assert f"has {direct[0]:,} weights" in told and f"= {pair[0]:,}:" in told
    assert f"Multiply-adds: {direct[1]:,} and {pair[1]:,}." in told
    shown = [t.get_text() for t in figure.axes[0].texts]
    assert f"places = {direct[1]:,} multiply-adds" in shown[2]
    assert f"places = {pair[1]:,} multiply-adds" in shown[3]
    lengths = [bar.get_width() for bar in rectangles(figure.axes[0])]
    weights = [first.weight.numel(), second.weight.numel()]
    assert lengths == [direct[0], *weights]
    assert f"1×1: {weights[0]:,}  + " in shown[1]


# 4 -> 4 channels: 4·4 = 16; through 2 channels: 4·2 + 2·4 = 16
@pytest.mark.parametrize(
    "shape, verdict",
    [
        ((512, 64, 5, 24), "16.2 times fewer"),
        ((512, 64, 5, 387), "times fewer"),
        ((512, 64, 5, 388), "costs more"),
        ((4, 4, 1, 2), "exactly as many"),
    ],
)
def test_the_title_says_which_one_is_cheaper(shape, verdict):
    assert verdict in nb01.draw_bottleneck(*shape).figure.get_suptitle()


@pytest.mark.parametrize("c_in, c_out, k, width, map_size", SHAPES)
def test_the_lines_cross_where_it_starts_to_cost_more(c_in, c_out, k, width, map_size):
    figure, _ = nb01.draw_bottleneck(c_in, c_out, k, width, map_size)
    line = figure.axes[1]
    slope = line.lines[0].get_ydata()[1] / line.lines[0].get_xdata()[1]
    direct = line.lines[1].get_ydata()[0]
    (costly,) = rectangles(line)
    assert costly.get_x() == pytest.approx(direct / slope)
    beyond = width > costly.get_x()
    assert line.lines[2].get_marker() == ("X" if beyond else "o")


def test_the_blocks_are_as_wide_as_their_channels():
    figure, _ = nb01.draw_bottleneck(6, 5, 3, 2)
    widths = [p.get_width() for p in rectangles(figure.axes[2])]
    assert np.divide(widths, widths[0]) * 6 == pytest.approx([6, 5, 6, 2, 5])


@pytest.fixture(scope="module")
def lesson():
    """Four smooth pictures of 16×16 in blocks of 4×4: N×16×4×4, and their SVD."""
    torch.manual_seed(0)
    pictures = F.interpolate(torch.randn(4, 1, 5, 5), size=16, mode="bilinear")
    maps = F.pixel_unshuffle(pictures, 4)
    matrix = maps.transpose(0, 1).flatten(1)
    directions, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    errors = [float(s[k:].norm() / s.norm()) for k in range(17)]
    return pictures, maps, directions, errors


def test_a_squeezed_picture_is_the_best_of_its_rank(lesson):
    pictures, maps, directions, errors = lesson
    matrix = maps.transpose(0, 1).flatten(1).numpy()
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    best = torch.from_numpy((u[:, :3] * s[:3]) @ v[:3]).view(16, 4, 4, 4)
    expected = F.pixel_shuffle(best.transpose(0, 1), 4)
    figure, told = nb01.draw_squeezed(maps, directions, errors, 3, cell=2)
    arrays = [np.asarray(ax.images[0].get_array()) for ax in figure.axes[:3]]
    before, after, lost = arrays
    assert before == pytest.approx(pictures[2, 0].numpy())
    assert after == pytest.approx(expected[2, 0].numpy(), abs=1e-5)
    assert lost == pytest.approx(before - after, abs=1e-6)
    rest = np.sqrt((s[3:] ** 2).sum() / (s**2).sum())
    assert f"Over all cells the error is {100 * rest:.1f} percent" in told


def test_through_all_channels_nothing_is_lost_and_more_are_refused(lesson):
    _, maps, directions, errors = lesson
    figure, told = nb01.draw_squeezed(maps, directions, errors, 16, cell=0)
    lost = np.asarray(figure.axes[2].images[0].get_array())
    assert abs(lost).max() < 1e-5
    assert "0.0 percent of the cell" in told
    with pytest.raises(ValueError, match="1 to 16 of them"):
        nb01.draw_squeezed(maps, directions, errors, 17, cell=0)


def test_error_curves_put_the_crosses_at_their_share(lesson):
    errors = lesson[3]
    figure, told = nb01.draw_error_curves(
        {"pictures": errors, "half": [1, 0.5, 0]}, {4: errors[4]}
    )
    crosses = figure.axes[0].lines[-1]
    assert crosses.get_xdata() == [25.0]
    assert crosses.get_ydata() == pytest.approx([100 * errors[4]])
    assert f"pictures {100 * errors[2]:.0f} percent at an eighth" in told


def test_reductions_say_every_share():
    shares = pd.DataFrame({"3×3": [50.0, 25.0], "5×5": [10.0, 5.0]}, ["3a", "3b"])
    figure, told = nb01.draw_reductions(shares)
    assert "before the 3×3 50, 25; before the 5×5 10, 5" in told
    assert [np.size(line.get_xdata()) for line in figure.axes[0].lines[:2]] == [2, 2]


def test_a_race_is_the_ratio_of_the_seconds():
    rows = [(7, "direct", 9e9, 3.0), (7, "1×1", 1e9, 0.5), (7, "after it", 1e9, 0.25)]
    columns = ["map_size", "layer", "multiply_adds", "seconds"]
    figure, told = nb01.draw_race(pd.DataFrame(rows, columns=columns), 4.5)
    assert [bar.get_height() for bar in rectangles(figure.axes[0])] == [4.0]
    assert "faster 4.0 on 7×7 maps; predicted are 4.5" in told
    assert "direct 3,000.00 to 3,000.00; 1×1 500.00" in told
    best = figure.axes[1].lines[-1]  # 1e9 in a quarter of a second
    assert best.get_xdata() == pytest.approx([1e3, 9e3])
    assert best.get_ydata() == pytest.approx([250, 2250])


def filmed(monkeypatch, x, *layers):
    """Of each picture of the walk: both counts, and the outputs so far."""
    seen = []

    def look(fig, steps, alt, milliseconds):
        for _ in steps:
            axes = fig.axes
            counts = [axes[i].texts[1].get_text() for i in (3, 7)]
            counts = [int(c.split()[0].replace(",", "")) for c in counts]
            outputs = [axes[i].images[-1].get_array() for i in (2, 5, 6)]
            seen.append((counts, [np.ma.filled(o, np.nan).copy() for o in outputs]))
        assert milliseconds >= 125
        assert milliseconds * len(seen) + HELD <= 12_000
        return alt

    monkeypatch.setattr(nb01, "film", look)
    return nb01.watch_windows(x, *layers), seen


def test_the_windows_add_up_to_what_costs_says(monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(1, 32, 14, 14)
    direct, squeeze = nn.Conv2d(32, 8, 5, padding=2), nn.Conv2d(32, 3, 1)
    behind = nn.Conv2d(3, 8, 5, padding=2)
    alt, seen = filmed(monkeypatch, x, direct, squeeze, behind)
    one = costs.convolution(32, 8, 5, 14, bias=False).multiply_adds
    both = costs.bottleneck(32, 3, 8, 5, 14, bias=False).multiply_adds
    assert seen[-1][0] == [one, both] and f"{one:,}" in alt and f"{both:,}" in alt
    assert seen[0][0] == [25 * 32 * 8, 32 * 3]
    counts = np.array([counts for counts, _ in seen])
    assert (np.diff(counts, axis=0) >= 0).all() and (np.diff(counts[:, 1]) > 0).all()
    # The outputs appear place by place, and they are the layers'.
    for (direct_count, _), (out, *_) in seen:
        assert (~np.isnan(out)).sum() == min(196, direct_count // (25 * 32 * 8))
    with torch.no_grad():
        maps = [direct(x), squeeze(x), behind(squeeze(x))]
    for shown, every in zip(seen[-1][1], maps, strict=True):
        best = every[0].flatten(1).std(1).argmax()
        np.testing.assert_allclose(shown, every[0, best], rtol=1e-5)
