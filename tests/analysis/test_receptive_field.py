"""The closed form against gradients: a place sees the pixels that can change it."""

import pytest
import torch
from torch import nn

from inception_lib import GOOGLENET_WIDTHS, BranchWidths, GoogLeNet, Inception
from inception_lib.analysis.receptive_field import (
    BRANCHES,
    PIXEL,
    ReceptiveField,
    first_centres,
    gradient_reach,
    inception_receptive_fields,
    receptive_fields,
    through,
    windows,
)


def seen(module: nn.Module, channels: int, side: int) -> int:
    """Side of the square of pixels with a gradient at the middle place of the output.

    All weights are positive, so that nothing cancels and no ReLU is at rest; average
    poolings stand in for max poolings, which let the gradient of one pixel through.
    """
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    x = torch.ones(1, channels, side, side, dtype=torch.float64, requires_grad=True)
    y = module.double()(x)
    middle = y.shape[-1] // 2
    y[0, :, middle, middle].sum().backward()
    rows = (x.grad.abs().sum(dim=(0, 1, 3)) > 0).nonzero()
    return int(rows.max() - rows.min()) + 1


def averaged(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d):
            same = (child.kernel_size, child.stride, child.padding, child.ceil_mode)
            setattr(module, name, nn.AvgPool2d(*same))
        else:
            averaged(child)
    return module


CHAINS = [
    [(1, 1)],
    [(5, 1)],
    [(3, 1), (3, 1)],
    [(7, 2), (3, 2), (1, 1), (3, 1), (3, 2)],
    [(3, 3), (5, 2), (3, 1)],
    [(1, 2), (3, 1)],
]


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_a_chain_sees_what_its_gradient_reaches(chain):
    layers = nn.Sequential(*(nn.Conv2d(1, 1, k, s, k // 2) for k, s in chain))
    field = through(windows(layers))
    assert field == through(chain)
    assert field.smallest == field.largest == seen(layers, 1, 129)


def test_the_jump_is_the_product_of_the_strides():
    assert through([(7, 2), (3, 2), (3, 2)]).jump == 8
    assert through([]) == PIXEL


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_each_branch_of_a_module(kernel_size):
    widths = BranchWidths(1, 1, 1, 1, 1, 1)
    module = Inception(2, widths, kernel_size_5x5=kernel_size)
    closed = {b: through(windows(module.get_submodule(b))) for b in BRANCHES.values()}
    averaged(module)
    for branch, field in closed.items():
        assert field.largest == seen(module.get_submodule(branch), 2, 15)


@pytest.mark.parametrize(
    "form", [{}, {"kernel_size_5x5": 3, "pool4_kernel_size": 2}], ids=["paper", "tv"]
)
def test_the_largest_field_of_the_modules_in_a_row(form):
    """Up to 4a, where it still lies inside of an image of a size that is quick."""
    model = GoogLeNet(aux_logits=False, **form)
    fields = inception_receptive_fields(model)
    children = list(model.named_children())
    names = [name for name, _ in children]
    for module in ("3a", "3b", "4a"):
        end = names.index(f"inception{module}") + 1
        part = averaged(nn.Sequential(*(layer for _, layer in children[:end])))
        assert max(v.largest for v in fields[module].values()) == seen(part, 3, 257)


def test_the_smallest_field_is_that_of_a_network_of_1x1s():
    """With the wide branches cut off a module lets only its 1×1 through."""
    model = GoogLeNet(aux_logits=False)
    smallest = min(
        field.smallest for field in inception_receptive_fields(model)["3b"].values()
    )
    stem = nn.Sequential(*list(model.children())[:5])
    assert smallest == seen(averaged(stem), 3, 129)


def test_the_fields_of_the_paper():
    fields = inception_receptive_fields(GoogLeNet(aux_logits=False))
    assert list(fields) == list(GOOGLENET_WIDTHS)
    assert fields["3a"] == {
        "1x1": ReceptiveField(27, 27, 8),
        "3x3": ReceptiveField(43, 43, 8),
        "5x5": ReceptiveField(59, 59, 8),
        "pool": ReceptiveField(43, 43, 8),
    }
    assert fields["3b"]["5x5"] == ReceptiveField(59, 91, 8)
    # 27 + 16 + 32 behind two more poolings; 27 + 2·32 + 16 + 5·64 + 32 + 2·128
    assert fields["5b"]["1x1"].smallest == 75
    assert fields["5b"]["5x5"].largest == 715


def test_heads_are_no_part_of_the_way():
    assert inception_receptive_fields(GoogLeNet()) == inception_receptive_fields(
        GoogLeNet(aux_logits=False)
    )


def test_the_stem_has_fields_too():
    fields = receptive_fields(GoogLeNet(aux_logits=False))
    assert fields["conv1"]["trunk"] == ReceptiveField(7, 7, 2)
    assert fields["conv3"]["trunk"] == ReceptiveField(19, 19, 4)


@pytest.mark.parametrize("stage", ["conv1", "conv3", "3a", "3b", "4a"])
@pytest.mark.parametrize("fourth", [2, 3])
def test_the_middle_of_what_a_place_sees_is_where_the_gradient_says(stage, fourth):
    model = GoogLeNet(aux_logits=False, pool4_kernel_size=fourth).double().eval()
    for parameter in averaged(model).parameters():
        nn.init.constant_(parameter, 0.1)
    images = torch.ones(1, 3, 257, 257, dtype=torch.float64)
    for branch, field in receptive_fields(GoogLeNet(aux_logits=False))[stage].items():
        place = round((128 - first_centres(GoogLeNet())[stage]) / field.jump)
        kind = None if branch == "trunk" else branch
        reach = gradient_reach(model, images, stage, (place, place), kind)
        rows = (reach.sum(1) > 0).nonzero().flatten()
        centre = first_centres(GoogLeNet())[stage] + place * field.jump
        assert (rows[0] + rows[-1]).item() / 2 == centre
        assert (rows[-1] - rows[0] + 1).item() == field.largest


def test_unknown_stages_and_branches_are_refused():
    model, images = GoogLeNet(aux_logits=False).eval(), torch.ones(1, 3, 64, 64)
    with pytest.raises(ValueError, match="there is no"):
        gradient_reach(model, images, "6a", (0, 0))
    with pytest.raises(ValueError, match="there is no 1x1 conv1"):
        gradient_reach(model, images, "conv1", (0, 0), "1x1")
    with pytest.raises(ValueError, match="branch must be one of"):
        gradient_reach(model, images, "3a", (0, 0), "7x7")
