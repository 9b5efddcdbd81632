"""The drawings show the live numbers, and say in words what they show."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from widgets import rectangles, texts

from inception_lib import GoogLeNet
from inception_lib.analysis import costs
from inception_lib.analysis.parts import stage_maps
from inception_lib.teaching import drawing
from inception_lib.teaching.lessons import nb05
from inception_lib.teaching.motion import HELD


def blocks(figure, kind: str) -> list[Rectangle]:
    shapes = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    return [
        p for p in shapes if to_hex(p.get_facecolor()) == drawing.COLOURS[kind].lower()
    ]


def test_the_network_is_drawn_with_the_channels_of_table_1():
    figure, _ = nb05.draw_network(GoogLeNet())
    assert [b.get_width() for b in blocks(figure, "3x3")] == [
        *(128, 192),  # the 3×3 column of Table 1: 3a, 3b
        *(208, 224, 256, 288, 320),  # 4a … 4e
        *(320, 384),  # 5a, 5b
    ]
    for channels in ("64", "192", "256", "480", "512", "528", "832", "1024", "1000"):
        assert channels in texts(figure)


def test_a_block_is_as_high_as_the_root_of_its_map():
    figure, _ = nb05.draw_network(GoogLeNet())
    squares = [round(b.get_height() ** 2) for b in blocks(figure, "5x5")]
    assert squares == [28] * 2 + [14] * 5 + [7] * 2


def test_the_heads_are_drawn_and_told_only_if_there_are_any():
    with_heads, told = nb05.draw_network(GoogLeNet())
    without, silent = nb05.draw_network(GoogLeNet(aux_logits=False))
    assert "head 1" in texts(with_heads) and "heads tap 4a and 4d" in told
    assert "head 1" not in texts(without) and "head" not in silent


def test_the_network_of_another_size_is_drawn_with_its_own_maps():
    model = GoogLeNet(2, image_size=82, aux_logits=False, pool4_kernel_size=2)
    figure, alt = nb05.draw_network(model)
    assert "82 → 41 → 20" in texts(figure)
    assert "4e 5×5, 5a 3×3" in alt


def test_costs_by_row_adds_up_to_the_networks_parameters():
    figure, alt = nb05.draw_costs(costs.googlenet_parts(aux_logits=False))
    bars = sum(p.get_width() for p in rectangles(figure.axes[0]))
    assert bars == pytest.approx(6.998552)  # millions
    assert "multiply-adds are most in conv2" in alt


def test_ratios_name_what_is_off_and_mark_what_is_off_the_scale():
    table = pd.DataFrame({"params": [1.0, 1.07], "ops": [3.47, 0.5]}, ["3a", "4c"])
    figure, alt = nb05.draw_ratios(table)
    assert [text.strip() for text in texts(figure)] == ["3.5 →", "← 0.5"]
    assert "params of 4c 1.07" in alt and "params of 3a" not in alt


def test_the_norm_lowers_the_loud_place_by_its_formula():
    maps = torch.zeros(4, 2, 2)
    maps[:3, 1, 1] = torch.tensor([0.0, 3.0, 1.0])
    figure, alt = nb05.draw_norm(maps, pixels=100, size=3, beta=75)
    assert figure.axes[0].get_title().endswith("channel 1 and its window of 3")
    after = [bar.get_height() for bar in rectangles(figure.axes[0])[-4:]]
    left = (1 + 1e-4 / 3 * (300**2 + 100**2)) ** -0.75
    assert after == pytest.approx([0, 300 * left, 100 * left, 0])
    assert f"300 → {300 * left:.0f}" in alt
    assert "300 → 300" in nb05.draw_norm(maps, 100, 3, beta=0).alt


def test_bars_give_each_columns_sum():
    table = pd.DataFrame({"paper": [1.0, 2.0], "naive": [10.0, 30.0]}, ["3a", "3b"])
    figure, alt = nb05.draw_bars(table, "Modules", "millions")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["paper: 3", "naive: 40"]
    assert "naive from 10 to 30, 40 in all" in alt


def test_a_picture_becomes_many_small_maps(monkeypatch):
    seen = []

    def look(fig, steps, alt, milliseconds):
        left, right = fig.axes
        for _ in steps:
            shown = left.images[0].get_array()
            ends = [line.get_ydata()[-1] for line in right.lines]
            seen.append((left.get_title(), right.get_title(), ends, shown))
        assert milliseconds * len(seen) + HELD <= 12_000
        return alt

    monkeypatch.setattr(nb05, "film", look)
    torch.manual_seed(0)
    model, x = GoogLeNet(aux_logits=False).eval(), torch.randn(1, 3, 224, 224)
    pixels = torch.randint(0, 256, (3, 224, 224)).byte()
    alt = nb05.watch_picture(model, pixels, x)
    titles, numbers, ends, shown = zip(*seen, strict=True)
    assert titles[0] == "image: 3 maps, 224×224" and ends[0] == [224, 3]
    assert (shown[0] == pixels.permute(1, 2, 0).numpy()).all()
    for name, (channels, side) in costs.module_inputs().items():
        before = [i for i, title in enumerate(titles) if title.startswith(name)][0] - 1
        assert ends[before][1] == channels and ends[before + 1][0] == side
    assert titles[-1] == "5b: 1024 of 1024 maps, 7×7"
    assert numbers[-1] == "1024 × 7 × 7 = 50,176 numbers" and "5b 1024 of 7×7" in alt
    with torch.no_grad():
        maps = stage_maps(model, x)["5b"][0]
    corner, first = shown[-1][:7, :7], maps[0] - maps[0].min()
    np.testing.assert_allclose(corner, first / first.max().clamp_min(1e-9), atol=1e-5)


def test_maps_are_tiled_row_by_row():
    square = nb05.tiled(torch.arange(5 * 4).view(5, 2, 2).float(), 7)
    assert square.shape == (7, 7)
    assert square[:4, :6].isfinite().sum() == 4 * 6 and not square[4:].isfinite().any()
    expected = torch.tensor([[0, 1 / 3], [2 / 3, 1]])
    torch.testing.assert_close(square[2:4, 2:4], expected)
