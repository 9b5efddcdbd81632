"""Ablation against a network whose weights are cut by hand; shares against sums."""

import pytest
import torch
import torch.nn.functional as F

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet
from inception_lib.analysis.ablation import ablation, branch_shares
from inception_lib.analysis.parts import BRANCHES

x = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
labels = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.fixture
def model() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(3, aux_logits=False).eval()


def losses(model: GoogLeNet) -> torch.Tensor:
    with torch.no_grad():
        return F.cross_entropy(model(x), labels, reduction="none")


def test_zero_is_a_branch_without_weights(model):
    table = ablation(model, x, labels, "zero", batch_size=4)
    before = losses(model)
    with torch.no_grad():  # the last convolution of the branch gives zeros
        last = model.inception4b.branch2[-1].conv
        last.weight.zero_()
        last.bias.zero_()
    rise = losses(model) - before
    row = table.query("module == '4b' and branch == '3x3'").iloc[0]
    assert row.loss == pytest.approx(rise.mean().item(), abs=1e-5)
    error = (rise.square().mean() - rise.mean() ** 2).sqrt().item() / 6**0.5
    assert row.error == pytest.approx(error, abs=1e-5)


def test_a_branch_that_is_always_the_same_is_not_missed(model):
    with torch.no_grad():
        last = model.inception3b.branch3[-1].conv
        last.weight.zero_()
        last.bias.fill_(7.0)
    for replacement, missed in (("mean", False), ("zero", True)):
        table = ablation(model, x, labels, replacement).set_index(["module", "branch"])
        assert (abs(table.loss["3b", "5x5"]) > 1e-5) == missed


def test_a_row_per_module_and_branch_and_flips_bound_the_accuracy(model):
    table = ablation(model, x, labels)
    expected = [(module, branch) for module in GOOGLENET_WIDTHS for branch in BRANCHES]
    assert list(zip(table.module, table.branch, strict=True)) == expected
    assert (table.accuracy.abs() <= table.flips + 1e-9).all()


def test_the_batch_size_does_not_matter(model):
    one, other = (ablation(model, x, labels, batch_size=n) for n in (6, 2))
    assert one.loss.to_numpy() == pytest.approx(other.loss.to_numpy(), abs=1e-5)


def test_shares_are_sums_of_squares(model):
    table = branch_shares(model, x, labels, batch_size=4)
    row = table.query("module == '5a'").set_index("branch")
    seen = {}
    for kind, name in BRANCHES.items():
        branch = model.inception5a.get_submodule(name)
        branch.register_forward_hook(
            lambda *parts, kind=kind: seen.update({kind: parts[-1]})
        )
    loss = F.cross_entropy(model(x), labels, reduction="sum")
    pulls = torch.autograd.grad(loss, list(seen.values()))
    energy = {kind: y.detach().square().sum().item() for kind, y in seen.items()}
    for kind, value in energy.items():
        share = value / sum(energy.values())
        assert row.energy[kind] == pytest.approx(share, rel=1e-3)
    squares = torch.stack([pull.square().sum() for pull in pulls])
    expected = (squares / squares.sum()).tolist()
    assert row.gradient.to_list() == pytest.approx(expected, rel=1e-3)
    assert row.channels["1x1"] == pytest.approx(256 / 832)
    sums = table.groupby("module")[["channels", "energy", "gradient"]].sum()
    assert sums.to_numpy() == pytest.approx(1)


def test_a_branch_nobody_listens_to_gets_no_gradient(model):
    with torch.no_grad():  # the linear layer ignores the 5×5 channels of 5b
        model.fc.weight[:, 768:896] = 0
    table = branch_shares(model, x, labels).set_index(["module", "branch"])
    assert table.gradient["5b", "5x5"] == 0 < table.energy["5b", "5x5"]


def test_an_unknown_replacement_is_refused(model):
    with pytest.raises(ValueError, match="mean or zero, got 'noise'"):
        ablation(model, x, labels, "noise")
