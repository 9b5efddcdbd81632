"""Muon beside PyTorch's own, which takes matrices only, and beside the SVD."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from inception_lib.training.optim import ITERATIONS, Muon, orthogonal

GROUP = {"lr": 0.01, "weight_decay": 0.1}


def as_matrix(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().permute(0, 2, 3, 1).flatten(1).clone()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has none")
@pytest.mark.parametrize("shape", [(8, 5, 3, 3), (64, 3, 1, 1)], ids=["wide", "tall"])
@pytest.mark.parametrize(
    "layout", [torch.channels_last, torch.contiguous_format], ids=str
)
def test_a_convolution_moves_as_pytorchs_muon_moves_its_matrix(shape, layout):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(shape).contiguous(memory_format=layout))
    matrix = nn.Parameter(as_matrix(weight))
    ours = Muon([{"params": [weight], **GROUP}], 0.01, precision="bfloat16")
    pytorchs = torch.optim.Muon(
        [{"params": [matrix], **GROUP}],
        ns_steps=ITERATIONS,
        adjust_lr_fn="match_rms_adamw",
    )
    start = matrix.detach().clone()
    for _ in range(5):
        weight.grad = torch.randn(shape)
        matrix.grad = as_matrix(weight.grad)
        ours.step()
        pytorchs.step()
    moved = (matrix.detach() - start).norm()
    assert (as_matrix(weight) - matrix.detach()).norm() < 0.01 * moved  # bfloat16


def test_singular_values_become_equal_and_vectors_stay():
    torch.manual_seed(0)
    matrix = torch.randn(40, 90) @ torch.diag(torch.logspace(0, -1, 90))
    turned = orthogonal(matrix)
    before, after = torch.linalg.svdvals(matrix), torch.linalg.svdvals(turned)
    assert before.max() > 4 * before.min()
    assert after.max() < 2 * after.min() and 0.5 < after.min() < after.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    diagonal = u.T @ turned @ v.T
    off = diagonal - torch.diag(diagonal.diagonal())
    assert off.abs().max() < 1e-4
    torch.testing.assert_close(orthogonal(matrix.T), turned.T)


def test_all_else_moves_as_adamw_moves_it():
    torch.manual_seed(0)
    layers = [nn.Linear(4, 3), nn.BatchNorm2d(5)]
    ours = [p for layer in layers for p in layer.parameters()]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    muon = Muon([{"params": ours, **GROUP}], 0.01)
    adamw = torch.optim.AdamW([{"params": theirs, **GROUP}], fused=True)
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        muon.step()
        adamw.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other)


def test_a_dead_layer_stays_as_it_is():
    weight = nn.Parameter(torch.randn(4, 3, 3, 3))
    before = weight.detach().clone()
    muon = Muon([{"params": [weight], "weight_decay": 0.0}], 0.01)
    weight.grad = torch.zeros_like(weight)
    muon.step()
    assert torch.equal(weight, before)


def test_a_saved_state_goes_on_as_if_nothing_had_happened():
    def made():
        torch.manual_seed(0)
        layer = nn.Conv2d(3, 4, 3)
        return layer, Muon([{"params": list(layer.parameters()), **GROUP}], 0.01)

    def steps(layer, muon, seeds):
        for seed in seeds:
            torch.manual_seed(seed)
            layer(torch.randn(2, 3, 8, 8)).square().mean().backward()
            muon.step()
            muon.zero_grad()

    layer, muon = made()
    steps(layer, muon, range(3))
    other, second = made()
    other.load_state_dict(layer.state_dict())
    second.load_state_dict(deepcopy(muon.state_dict()))
    steps(layer, muon, range(3, 6))
    steps(other, second, range(3, 6))
    assert torch.equal(layer.weight, other.weight)
    assert torch.equal(layer.bias, other.bias)


def test_a_closure_is_computed_once_before_the_step():
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3)
    before, calls = layer.weight.detach().clone(), []

    def closure():
        loss = layer(torch.ones(1, 3, 8, 8)).square().mean()
        loss.backward()
        calls.append(loss)
        return loss

    muon = Muon([{"params": list(layer.parameters()), **GROUP}], 0.01)
    assert muon.step(closure) is calls[0] and len(calls) == 1
    assert not torch.equal(layer.weight, before)
