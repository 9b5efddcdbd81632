"""The layer table against the reference network's, and against torchinfo."""

import copy
from pathlib import Path

import pandas as pd
import pytest
import torch
import torchinfo
from torch import nn

from inception_lib import GoogLeNet
from inception_lib.analysis import layer_table, printed_table1

REFERENCE = Path(__file__).parents[1] / "reference"
FORMS = {
    "paper": {},
    "without heads": {"aux_logits": False},
    "batch norm": {"batch_norm": True},
    "local response norm": {"local_response_norm": True},
    "torchvision": {
        "batch_norm": True,
        "kernel_size_5x5": 3,
        "pool4_kernel_size": 2,
        "dropout": 0.2,
    },
}


def test_the_reference_network_row_by_row():
    expected = pd.read_csv(REFERENCE / "reference_summary.csv")
    assert len(expected) == 210
    model = GoogLeNet(2, image_size=82, pool4_kernel_size=2)
    pd.testing.assert_frame_equal(layer_table(model, (1, 3, 82, 82)), expected)


def test_table_1_is_packed_as_printed():
    expected = pd.read_csv(REFERENCE / "paper_table1.csv")
    pd.testing.assert_frame_equal(printed_table1(), expected)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_torchinfo_counts_the_same(form):
    model = GoogLeNet(7, image_size=96, **form)
    table = layer_table(model, (1, 3, 96, 96))
    info = torchinfo.summary(model, (2, 3, 96, 96), mode="train", verbose=0)
    theirs = sorted(
        (layer.class_name, "x".join(map(str, layer.output_size[1:])), layer.num_params)
        for layer in info.summary_list
        if layer.is_leaf_layer
    )
    leaves = table[~table.layer.isin(["BasicConv2d", "Inception", "InceptionAux"])]
    ours = leaves[["layer", "output_shape", "parameters"]].itertuples(index=False)
    assert sorted(map(tuple, ours)) == theirs
    assert table.parameters.sum() == info.total_params


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_was(form, training):
    model = GoogLeNet(7, image_size=96, **form).train(training)
    model.inception3a.eval()  # a mode of its own
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    layer_table(model, (1, 3, 128, 128))
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in model.modules()] == modes
    assert model.image_size == 96
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_heads_are_listed_after_the_module_they_read():
    layers = layer_table(GoogLeNet()).layer.tolist()
    modules = [name for name in layers if name.startswith("Inception")]
    heads = [i for i, name in enumerate(modules) if name == "InceptionAux"]
    assert heads == [3, 7] and len(modules) == 11  # after 3a, 3b, 4a and 4b, 4c, 4d
    assert "InceptionAux" not in set(layer_table(GoogLeNet(aux_logits=False)).layer)


def test_the_batch_does_not_count():
    model = GoogLeNet(batch_norm=True)
    one, many = (layer_table(model, (n, 3, 224, 224)) for n in (1, 1000))
    pd.testing.assert_frame_equal(one, many)


def test_one_image_of_the_smallest_size_with_batch_norm():
    model = GoogLeNet(3, aux_logits=False, batch_norm=True)
    shapes = layer_table(model, (1, 3, 31, 31)).output_shape
    assert "1024x1x1" in set(shapes)


def test_images_of_any_shape_without_heads():
    table = layer_table(GoogLeNet(3, aux_logits=False), (1, 3, 31, 300))
    assert table.output_shape.iloc[0] == "64x16x150"
    assert table.output_shape.iloc[-1] == "3"


def test_any_network():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sequential(nn.ReLU(), nn.Flatten()))
    table = layer_table(model, (1, 1, 5, 5))
    assert list(table.itertuples(index=False, name=None)) == [
        (1, "Conv2d", "4x3x3", 40),
        (2, "ReLU", "4x3x3", 0),
        (3, "Flatten", "36", 0),
    ]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((3, 224, 224), "input_size must be N×C×H×W"),
        ((0, 3, 224, 224), "input_size must be N×C×H×W, all positive"),
        ((1, 1, 224, 224), "GoogLeNet expects a tensor of shape N×3×H×W"),
        ((1, 3, 62, 62), "image_size=62 is too small"),
    ],
)
def test_wrong_sizes(size, message):
    with pytest.raises(ValueError, match=message):
        layer_table(GoogLeNet(), size)
