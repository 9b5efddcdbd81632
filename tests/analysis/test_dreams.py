"""Dreams against what is known: a filter's own pattern, waves, colours, transforms."""

import pytest
import skimage.data
import torch
from torch import nn

from inception_lib import GoogLeNet
from inception_lib.analysis import dreams
from inception_lib.analysis.parts import stage_maps

SIZE = 48


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def model() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(2, aux_logits=False, batch_norm=True).eval()


def ready(pictures):
    return ((pictures - 127) / 60).expand(-1, 3, -1, -1)


def test_a_filter_of_stripes_gets_its_stripes():
    """The network is a single filter, and what it likes best is known."""
    stripes = torch.arange(24).div(3, rounding_mode="floor") % 2 * 2.0 - 1
    eye = nn.Conv2d(1, 1, 24, bias=False)
    eye.weight.data = stripes.expand(1, 1, 24, 24).clone()

    def score(pictures):
        return dreams.soft_maximum(eye(pictures / 255 - 0.5), torch.zeros(2).long())

    pictures = dreams.dream(score, 2, SIZE, steps=40)
    assert pictures.shape == (2, 1, SIZE, SIZE)
    assert 0 <= pictures.min() and pictures.max() <= 255
    assert score(pictures).min() > 3 * score(255 * torch.rand(2, 1, SIZE, SIZE)).max()
    assert eye.weight.grad is None  # the network is asked, not trained


def test_the_same_seed_dreams_the_same_and_grey_is_asked_of_nothing():
    calm = [
        dreams.dream(lambda x: 0 * x.sum((1, 2, 3)), 1, 16, seed=s) for s in (0, 0, 1)
    ]
    assert calm[0].equal(calm[1]) and not calm[0].equal(calm[2])
    assert calm[0].std() < 2  # no gradient: it stays grey


@pytest.mark.parametrize("wrong", [{"count": 0}, {"side": 0}, {"steps": 0}])
def test_numbers_must_be_positive(wrong):
    with pytest.raises(ValueError, match="positive"):
        dreams.dream(lambda x: x.sum((1, 2, 3)), **{"count": 1, "side": 16} | wrong)


def test_equal_waves_fall_a_little_faster_than_their_frequency():
    spread = []
    for row, column in ((0, 4), (0, 8), (4, 0)):
        waves = torch.zeros(1, 1, 64, 33, 2)
        waves[..., row, column, 0] = 0.5
        spread.append(torch.special.logit(dreams.painted(waves, 64) / 255).std().item())
    assert spread[0] == pytest.approx(2**1.5 * spread[1], rel=0.01)
    assert spread[2] == pytest.approx(spread[0] / 2, rel=0.01)  # has no mirror image


def test_the_colours_are_those_of_three_photographs():
    photos = [getattr(skimage.data, name)() for name in ("astronaut", "coffee", "cat")]
    pixels = torch.cat([torch.from_numpy(p).double().flatten(0, 1) for p in photos])
    axes = torch.tensor(dreams.COLOURS, dtype=torch.float64)
    assert torch.allclose(axes @ axes.T, torch.cov((pixels / 255).T), atol=5e-4)
    across = axes.T @ axes
    assert (across - across.diag().diag()).abs().max() < 5e-4


def test_moving_by_nothing_changes_nothing_and_turning_turns():
    x = torch.rand(2, 1, 32, 32, generator=generator())
    assert dreams.moved(x, 0, 0, 0, generator()) == pytest.approx(x, abs=1e-4)
    right = dreams.moved(x, 3, 0, 0, generator())
    shift = 3 * (2 * torch.rand(4, 2, generator=generator()) - 1)[0, 0]
    whole = round(shift.item())
    assert abs(shift.item()) <= 3 and abs(whole) >= 0 and not right.equal(x)
    disc = torch.zeros(1, 1, 33, 33)
    disc[0, 0, 12:21, 12:21] = 1
    turned = dreams.moved(disc, 0, 10, 0, generator())
    assert turned.sum() == pytest.approx(81, rel=0.05) and not turned.equal(disc)


def test_what_is_unseen_is_blurred_but_as_bright():
    x = torch.rand(4, 3, 32, 32, generator=generator())
    seen = dreams.unseen(x, generator())
    assert seen.mean() == pytest.approx(x.mean().item(), abs=0.02)
    assert seen.std() < 0.5 * x.std()


@pytest.mark.parametrize("stage", ["conv1", "conv3", "3a", "5b"])
def test_before_the_relu_and_cut_off_it_is_the_stage(model, stage):
    x = torch.randn(2, 3, 64, 64, generator=generator())
    with torch.no_grad():
        maps = dreams.before_relu(model, stage)(x)
        expected = stage_maps(model, x)[stage]
    assert maps.min() < 0
    assert maps.relu() == pytest.approx(expected, abs=1e-4)
    assert model.conv1.conv.weight.requires_grad


def test_an_unknown_stage_is_named(model):
    with pytest.raises(ValueError, match="no stage '3c': choose from conv1"):
        dreams.before_relu(model, "3c")


def test_the_soft_maximum_is_at_least_the_maximum_of_the_own_channel():
    maps = torch.randn(3, 5, 4, 4, generator=generator())
    channels = torch.tensor([4, 0, 2])
    best = torch.stack([maps[i, c].max() for i, c in enumerate(channels)])
    soft = dreams.soft_maximum(maps, channels)
    assert (soft > best).all() and (soft < best + 16**0.5).all()


def test_one_place_in_a_thousand_is_rare():
    maps = torch.arange(4000.0).view(10, 1, 20, 20).repeat(1, 2, 1, 1)
    maps[:, 1] *= -1
    assert dreams.rare(maps).tolist() == [3996, -3]


def test_own_dreams_drive_the_channels_and_strange_ones_do_not(model, monkeypatch):
    """An untrained network has tastes as well; another one's are no use to it."""
    torch.manual_seed(1)
    other = GoogLeNet(2, aux_logits=False, batch_norm=True).eval()
    x = ready(255 * torch.rand(16, 1, SIZE, SIZE, generator=generator()))
    model.train()(x)  # the statistics of these images
    model.eval()
    other.train()(x)
    other.eval()
    monkeypatch.setattr(dreams, "GOOGLENET_WIDTHS", ("3a", "4b"))  # to save time
    own, strange = (dreams.driven(model, d, x, ready, 2) for d in (model, other))
    assert list(own["module"]) == ["3a", "3a", "4b", "4b"]
    assert own["reached"].median() > 2 * strange["reached"].median()
