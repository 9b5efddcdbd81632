"""Views of section 7, against their description and against torchvision."""

import pytest
import torch
from torchvision.transforms import v2

from inception_lib.training import views


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randint(0, 256, (3, 1, 80, 80), dtype=torch.uint8)


def test_the_papers_144():
    crops = views.paper_crops(300, 400)
    assert len(crops) == len(set(crops)) == 4 * 3 * 6 * 2
    assert {min(c.height, c.width) for c in crops} == {256, 288, 320, 352}
    assert sum(c.flipped for c in crops) == 72
    whole = [c for c in crops if c.side != 224]
    assert {c.side for c in whole} == {256, 288, 320, 352} and len(whole) == 24
    for c in crops:
        assert 0 <= c.top <= c.height - c.side and 0 <= c.left <= c.width - c.side


def test_left_middle_and_right_square_of_a_landscape():
    whole = [c for c in views.paper_crops(256, 456) if c.side == 256]
    assert sorted({(c.top, c.left) for c in whole}) == [(0, 0), (0, 100), (0, 200)]


def test_top_middle_and_bottom_square_of_a_portrait():
    whole = [c for c in views.paper_crops(456, 256) if c.side == 256]
    assert sorted({(c.top, c.left) for c in whole}) == [(0, 0), (100, 0), (200, 0)]


def test_corners_and_centre_of_a_square():
    small = views.paper_crops(256, 256)[:10:2]
    places = [(c.top, c.left) for c in small]
    assert places == [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]


def test_a_square_picture_has_48_different_crops(images):
    assert len(list(views.paper(images, 64))) == 48


@pytest.mark.parametrize(
    ("kind", "count"),
    [("one", 1), ("horizontal", 2), ("both", 4), ("dihedral", 8), ("ten_crops", 10)],
)
def test_the_number_and_size_of_the_views(images, kind, count):
    found = list(getattr(views, kind)(images, 64))
    assert [tuple(view.shape) for view in found] == [(3, 1, 64, 64)] * count
    assert len({view.numpy().tobytes() for view in found}) == count  # all different


def test_the_eight_views_of_a_square_are_closed_under_turning(images):
    found = {v.numpy().tobytes() for v in views.dihedral(images, 80)}
    turned = {v.rot90(1, (2, 3)).numpy().tobytes() for v in views.dihedral(images, 80)}
    assert found == turned


def test_a_crop_is_torchvisions_five_crop(images):
    scaled = v2.functional.resize(images, [256, 256], antialias=True)
    five = v2.FiveCrop(224)(scaled)
    mine = [c for c in views.paper_crops(80, 80) if c.side == 224 and not c.flipped]
    for crop, theirs in zip(mine[:5], five, strict=True):
        assert torch.equal(views.cut(images, crop, 224), theirs)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "many", None])
def test_sizes_are_positive_integers(wrong):
    with pytest.raises(ValueError, match="height must be a positive integer"):
        views.paper_crops(wrong, 300)
