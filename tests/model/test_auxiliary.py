"""The auxiliary head: from any map to 4×4, then to classes."""

import pytest
import torch

from inception_lib import InceptionAux
from inception_lib.model.googlenet import auxiliary_pool


@pytest.mark.parametrize(
    ("map_size", "kernel_size", "stride"),
    [(14, 5, 3), (5, 2, 1), (4, 1, 1), (6, 3, 1), (7, 4, 1), (8, 2, 2)],
)
def test_the_pooling(map_size, kernel_size, stride):
    pool = auxiliary_pool(map_size)
    assert (pool.kernel_size, pool.stride) == (kernel_size, stride)


@pytest.mark.parametrize("map_size", range(4, 33))
def test_any_map_becomes_4_by_4_and_every_value_counts(map_size):
    x = torch.zeros(1, 1, map_size, map_size, requires_grad=True)
    pooled = auxiliary_pool(map_size)(x)
    assert pooled.shape == (1, 1, 4, 4)
    pooled.sum().backward()
    assert (x.grad > 0).all()


def test_classes_come_out():
    head = InceptionAux(24, 7, map_size=9, dropout=0.0)
    assert head(torch.randn(2, 24, 9, 9)).shape == (2, 7)
    parameters = (24 + 1) * 128 + (2048 + 1) * 1024 + (1024 + 1) * 7
    assert sum(p.numel() for p in head.parameters()) == parameters


def test_dropout_only_in_training():
    head = InceptionAux(8, 3, dropout=0.7)
    x = torch.randn(2, 8, 14, 14)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


def test_dropout_drops_70_per_cent():
    head = InceptionAux(8, 1024)
    with torch.no_grad():
        head.fc1.weight.zero_()
        head.fc1.bias.fill_(1.0)
        head.fc2.weight.copy_(torch.eye(1024))
        kept = head(torch.randn(8, 8, 14, 14)) > 0
    assert kept.float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_a_map_too_small_to_pool():
    with pytest.raises(ValueError, match="at least 4×4 to pool to 4×4, got 3×3"):
        InceptionAux(8, 3, map_size=3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 7, 14, 14), "InceptionAux expects a tensor of shape N×8×H×W"),
        ((1, 8, 20, 20), "pools 20×20 to 6×6, not 4×4"),
        ((1, 8, 14, 20), "pools 14×20 to 4×6, not 4×4"),
    ],
)
def test_wrong_inputs(shape, message):
    with pytest.raises(ValueError, match=message):
        InceptionAux(8, 3)(torch.zeros(shape))
