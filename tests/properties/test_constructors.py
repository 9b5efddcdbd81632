"""The network's constructors: what they build, and what they refuse to build."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from wrong import NO_COUNT, NO_FLAG, NO_RATE, refuses

from inception_lib import (
    BasicConv2d,
    BranchWidths,
    GoogLeNet,
    GoogLeNetOutputs,
    Inception,
    InceptionAux,
)
from inception_lib.analysis import costs, layer_table
from inception_lib.analysis.costs import Cost
from inception_lib.model.googlenet import map_sizes, smallest_image_size

FLAG = st.booleans()
# The whole network, as options of GoogLeNet and of its closed form alike.
FORMS = st.fixed_dictionaries(
    {
        "image_size": st.integers(63, 400),
        "aux_logits": FLAG,
        "batch_norm": FLAG,
        "kernel_size_5x5": st.sampled_from([3, 5]),
        "pool4_kernel_size": st.sampled_from([2, 3]),
    }
)


# --- what is built --------------------------------------------------------------------


@settings(max_examples=10)
@given(st.integers(1, 30), FORMS)
def test_the_network_answers_in_every_form(classes, form):
    model = GoogLeNet(classes, **form).to("meta")
    x = torch.empty(2, 3, form["image_size"], form["image_size"], device="meta")
    outputs = model.train()(x)
    if form["aux_logits"]:
        assert isinstance(outputs, GoogLeNetOutputs)
        assert {logits.shape for logits in outputs} == {(2, classes)}
    else:
        assert outputs.shape == (2, classes)
    assert model.eval()(x).shape == (2, classes)


@settings(max_examples=20)
@given(FLAG, st.sampled_from([2, 3]), st.integers(1, 80))
def test_exactly_the_sizes_from_the_smallest_on_work(heads, pool4, size):
    options = {"image_size": size, "aux_logits": heads, "pool4_kernel_size": pool4}
    if size >= smallest_image_size(heads, pool4):
        model = GoogLeNet(2, **options).to("meta").train()
        model(torch.empty(2, 3, size, size, device="meta"))
        costs.googlenet(2, **options)
    else:
        for refuse in (GoogLeNet, costs.googlenet):
            with pytest.raises(ValueError, match=f"^image_size={size} is too small"):
                refuse(2, **options)


@settings(max_examples=6)
@given(st.integers(1, 1000), FORMS)
def test_the_network_costs_what_pytorch_counts(classes, form):
    size = form["image_size"]
    model = GoogLeNet(classes, **form).to("meta").train()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(2, 3, size, size, device="meta"))
    parameters = sum(p.numel() for p in model.parameters())
    closed = sum(costs.googlenet(classes, **form).values(), Cost(0, 0))
    assert closed == Cost(parameters, counter.get_total_flops() // 4)
    table = layer_table(GoogLeNet(classes, **form), (1, 3, size, size))
    assert table["parameters"].sum() == parameters


# --- what is refused ------------------------------------------------------------------

SIX = dict.fromkeys(BranchWidths.__dataclass_fields__, 2)
CHANNELS = {"in_channels": 2, "out_channels": 2}
TWO = BranchWidths(**SIX)
MODULE = {"in_channels": 2, "widths": TWO}
HEAD = {"in_channels": 2, "num_classes": 2}
# The public constructors: arguments that are right, and what to make wrong, one at a
# time.
REFUSED = [
    (BranchWidths, SIX, NO_COUNT, "ch1x1 pool_proj"),
    (BasicConv2d, CHANNELS, NO_COUNT, "in_channels out_channels kernel_size stride"),
    (BasicConv2d, CHANNELS, NO_COUNT.filter(lambda x: x != 0), "padding"),
    (BasicConv2d, CHANNELS, NO_FLAG, "batch_norm"),
    (Inception, MODULE, NO_COUNT, "in_channels kernel_size_5x5"),
    (Inception, MODULE, NO_FLAG, "batch_norm"),
    (Inception, MODULE, st.sampled_from([None, 3, "3a", (1,) * 6, {}]), "widths"),
    (InceptionAux, HEAD, NO_COUNT, "in_channels num_classes map_size"),
    (InceptionAux, HEAD, NO_RATE, "dropout"),
    (InceptionAux, HEAD, NO_FLAG, "batch_norm"),
    (GoogLeNet, {}, NO_COUNT, "num_classes image_size pool4_kernel_size"),
    (GoogLeNet, {}, NO_COUNT, "kernel_size_5x5"),
    (GoogLeNet, {}, NO_RATE, "dropout dropout_aux"),
    (GoogLeNet, {}, NO_FLAG, "batch_norm aux_logits local_response_norm"),
]


@pytest.mark.parametrize(
    "call, right, name, wrong",
    [
        pytest.param(call, right, name, wrong, id=f"{call.__name__}, {name}")
        for call, right, wrong, names in REFUSED
        for name in names.split()
    ],
)
@settings(max_examples=20)
@given(data=st.data())
def test_a_wrong_argument_is_refused_by_name(call, right, name, wrong, data):
    refuses(name, call, **{**right, name: data.draw(wrong)})


@pytest.mark.parametrize("huge", [10**9, 10**40])
def test_what_exceeds_all_memory_is_refused_before_it_is_made(huge):
    for build in (
        lambda: BasicConv2d(huge, 3),
        lambda: BasicConv2d(3, 3, huge),
        lambda: Inception(3, BranchWidths(huge, 1, 1, 1, 1, 1)),
        lambda: InceptionAux(3, huge),
        lambda: GoogLeNet(huge, aux_logits=False),
    ):
        with pytest.raises(ValueError, match="doesn't fit into memory: at most"):
            build()
    # Arithmetic has no such bound, and Python's integers no overflow.
    assert costs.convolution(huge, 3, 1, bias=False).parameters == 3 * huge
    assert map_sizes(huge)["conv1"] == (huge + 1) // 2


@pytest.mark.parametrize("x", [None, "image", [[1]], torch.zeros(3), torch.zeros(())])
def test_what_is_no_image_is_refused(x):
    for module in (GoogLeNet(2, aux_logits=False), Inception(3, TWO)):
        with pytest.raises(ValueError, match="expects a tensor of shape N×3×H×W, got"):
            module(x)
