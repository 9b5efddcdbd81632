"""Cracks against arithmetic: where they lie, how dark they are, where one is found."""

import math

import pytest
import torch

from inception_lib.analysis.cracks import darkest_lines, draw_crack

GREY = torch.full((2, 1, 64, 64), 200, dtype=torch.uint8)
ANGLES = [0.0, 45.0, 90.0, 135.0]
MIDDLE = (0.5, 0.5)


def dark(angle: float, length: float = 0.6):
    """Where a crack is, as rows and columns from the middle, right and up positive."""
    down, right = (
        (draw_crack(GREY, angle, length, 2.0, 0.4, MIDDLE)[0, 0] < 200).nonzero().T
    )
    return right - 32, 32 - down


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120, 150])
def test_it_lies_along_its_angle_and_ends_at_its_length(angle):
    x, y = dark(angle, length=0.5)
    turn = math.radians(angle)
    along, across = (
        x * math.cos(turn) + y * math.sin(turn),
        y * math.cos(turn) - x * math.sin(turn),
    )
    assert across.abs().max() <= 2 and along.max() == pytest.approx(16, abs=2)
    assert along.min() == pytest.approx(-16, abs=2)


def test_it_takes_as_much_light_as_it_should():
    wide = draw_crack(GREY, 0, 0.9, 4, 0.25, MIDDLE)
    assert wide.shape == GREY.shape and wide.dtype == torch.uint8
    assert wide.min() == 150 and wide[0, 0, 31:34, 32].eq(150).all()
    lost = (200 - wide[0].float()).sum() / 200
    ends = math.pi * 2**2  # two half discs
    assert lost == pytest.approx(0.25 * (4 * 0.9 * 64 + ends), rel=0.01)


def test_the_middle_is_a_part_of_the_side():
    rows = (draw_crack(GREY, 0, middle=(0.25, 0.5))[0, 0] < 200).nonzero()[:, 0]
    assert set(rows.tolist()) == {16}


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120, 135])
def test_a_thin_crack_is_as_dark_at_every_angle(angle):
    assert draw_crack(GREY, angle, width=1, darkness=0.4).min() == 120


def test_nothing_is_drawn_without_darkness_and_colours_stay_apart():
    assert draw_crack(GREY, 20, darkness=0).equal(GREY)
    colours = torch.tensor([100, 150, 200]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    drawn = draw_crack(colours.byte(), 45, width=3, darkness=0.5, middle=MIDDLE)
    assert drawn[0, :, 32, 32].tolist() == [50, 75, 100]


@pytest.mark.parametrize("wrong", [{"length": 1.0}, {"darkness": -0.1}])
def test_lengths_and_darknesses_are_parts(wrong):
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        draw_crack(GREY, 0, **wrong)


@pytest.mark.parametrize("angle", ANGLES)
def test_a_line_is_found_at_its_own_angle_with_its_darkness(angle):
    images = draw_crack(GREY, angle, 0.7, 1.0, 0.3)
    found = darkest_lines(images, ANGLES)
    assert found.shape == (2, 4) and found.argmax(1).eq(ANGLES.index(angle)).all()
    assert 0.14 < found[0].max() < 0.31
    others = found[0, [i for i, a in enumerate(ANGLES) if a != angle]]
    assert others.max() < 0.1


def test_an_edge_is_no_line():
    half = GREY.clone()
    half[..., 32:] = 100
    assert darkest_lines(half, ANGLES).max() < 0.05
