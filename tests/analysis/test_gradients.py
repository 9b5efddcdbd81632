"""Stored inner products against real backward passes; the signal against theory."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inception_lib import GoogLeNet, googlenet_loss
from inception_lib.analysis.gradients import image_spread, loss_gradients

STAGES = "conv1 conv2 conv3 3a 3b 4a 4b 4c 4d 4e 5a 5b fc".split()


def network(**options) -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(3, image_size=64, dropout=0.0, dropout_aux=0.0, **options)


def reset(model: GoogLeNet) -> GoogLeNet:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.reset_parameters()
    return model


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(1)
    return torch.randn(4, 3, 64, 64), torch.tensor([0, 1, 2, 0])


def real(model, batch, weight: float) -> list[float]:
    """By one backward pass through the whole loss."""
    googlenet_loss(model.train()(batch[0]), batch[1], weight).backward()
    ratios = []
    for stage in STAGES:
        part = model.get_submodule(f"inception{stage}" if stage[0] in "345" else stage)
        layers = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        gradient = torch.cat([layer.weight.grad.flatten() for layer in layers])
        weights = torch.cat([layer.weight.detach().flatten() for layer in layers])
        ratios.append((gradient.norm() / weights.norm()).item())
    return ratios


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_any_weight_equals_a_real_backward_pass(batch, batch_norm, weight):
    model = network(batch_norm=batch_norm)
    stored = loss_gradients(model, *batch)
    assert list(stored.stages) == STAGES
    expected = real(model, batch, weight)
    # Batch norm's ReLUs and pools may flip on a last digit: a looser tolerance.
    assert stored.relative(weight, weight).tolist() == pytest.approx(expected, rel=1e-3)


def test_the_two_heads_have_a_weight_each(batch):
    model = network()
    stored = loss_gradients(model, *batch)
    out = model.train()(batch[0])
    loss = F.cross_entropy(out.logits, batch[1])
    loss = loss + 0.2 * F.cross_entropy(out.aux_logits1, batch[1])
    loss = loss + 0.9 * F.cross_entropy(out.aux_logits2, batch[1])
    weight = model.conv1.conv.weight
    (gradient,) = torch.autograd.grad(loss, weight)
    expected = (gradient.norm() / weight.norm()).item()
    assert stored.relative(0.2, 0.9)[0].item() == pytest.approx(expected, rel=1e-3)


def test_a_head_reaches_its_tap_and_what_lies_before_it(batch):
    stored = loss_gradients(network(), *batch)
    reached = stored.products.diagonal(dim1=1, dim2=2) > 0
    for head, tap in ((1, "4a"), (2, "4d")):
        last = STAGES.index(tap)
        assert reached[:, head].tolist() == [i <= last for i in range(len(STAGES))]
    assert reached[:, 0].all()


def test_without_heads_only_the_output_sends_anything(batch):
    stored = loss_gradients(network(aux_logits=False), *batch)
    assert not stored.products[:, 1:].any() and not stored.products[:, :, 1:].any()
    assert torch.equal(stored.relative(1, 1), stored.relative(0, 0))


def test_the_network_stays_as_it_is(batch):
    model = network(batch_norm=True).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss_gradients(model, *batch)
    image_spread(model, batch[0])
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_at_pytorchs_default_the_first_layer_gets_a_millionth(batch):
    sick = loss_gradients(reset(network()), *batch).relative(0, 0)[0]
    assert 1e-8 < sick < 1e-5
    remedies = {
        "heads": loss_gradients(reset(network()), *batch).relative(0.3, 0.3)[0],
        "initialisation": loss_gradients(network(), *batch).relative(0, 0)[0],
        "batch norm": loss_gradients(reset(network(batch_norm=True)), *batch).relative(
            0, 0
        )[0],
    }
    for name, ratio in remedies.items():
        assert ratio > 20 * sick, name


def test_the_signal_dies_at_pytorchs_default_and_survives_at_the_librarys(batch):
    dying = image_spread(reset(network()), batch[0])
    assert list(dying) == STAGES[:-1]
    values = list(dying.values())
    assert all(
        later < earlier for earlier, later in zip(values, values[1:], strict=False)
    )
    assert dying["5b"] < 1e-4 * dying["conv1"]
    assert all(0.1 < value < 3 for value in image_spread(network(), batch[0]).values())
