"""The network against Table 1 of the paper, as printed."""

import csv
from dataclasses import astuple
from pathlib import Path

import pytest
import torch

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet

REFERENCE = Path(__file__).parents[1] / "reference" / "paper_table1.csv"
ROWS = list(csv.DictReader(REFERENCE.read_text().splitlines()))
WIDTHS = ("n1x1", "n3x3_reduce", "n3x3", "n5x5_reduce", "n5x5", "pool_proj")
# The children of a GoogLeNet whose output is a row of the table, in its order.
STAGES = (
    "conv1 maxpool1 conv3 maxpool2 inception3a inception3b maxpool3 inception4a "
    "inception4b inception4c inception4d inception4e maxpool4 inception5a inception5b "
    "avgpool dropout fc"
).split()


def test_the_widths_are_the_printed_ones():
    printed = {
        row["type"][-3:-1]: tuple(int(row[width]) for width in WIDTHS)
        for row in ROWS
        if row["type"].startswith("inception")
    }
    assert {name: astuple(w) for name, w in GOOGLENET_WIDTHS.items()} == printed


@pytest.mark.parametrize("norm", [False, True])
def test_the_stages_have_the_printed_shapes(norm):
    model = GoogLeNet(local_response_norm=norm).eval()
    shapes = {}
    for name, child in model.named_children():
        child.register_forward_hook(
            lambda m, x, output, name=name: shapes.update({name: output.shape[1:]})
        )
    with torch.no_grad():
        model(torch.randn(1, 3, 224, 224))
    assert "aux1" not in shapes and "aux2" not in shapes
    assert ("norm1" in shapes) == ("norm2" in shapes) == norm
    for name, row in zip(STAGES, ROWS[:-1], strict=True):  # the softmax is in the loss
        channels = int(row["output_channels"])
        size = int(row["output_height"]), int(row["output_width"])
        expected = (channels, *size) if shapes[name][1:] else (channels,)
        assert tuple(shapes[name]) == expected, name


@pytest.mark.parametrize(
    ("form", "parameters"),
    [
        ({"aux_logits": False}, 6_998_552),
        ({}, 13_378_280),
        ({"num_classes": 2, "image_size": 82, "pool4_kernel_size": 2}, 10_309_430),
    ],
)
def test_parameters(form, parameters):
    assert sum(p.numel() for p in GoogLeNet(**form).parameters()) == parameters
