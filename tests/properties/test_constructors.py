"""The network's constructors: what they build, and what they refuse to build."""

from dataclasses import astuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from wrong import NO_COUNT, NO_FLAG, NO_RATE, refuses

from inception_lib import (
    BasicConv2d,
    BranchWidths,
    GoogLeNet,
    GoogLeNetOutputs,
    Inception,
    InceptionAux,
    googlenet_loss,
)
from inception_lib.analysis import costs, layer_table
from inception_lib.analysis.attribution import class_activation_map
from inception_lib.analysis.costs import Cost
from inception_lib.analysis.receptive_field import inception_views, through, windows
from inception_lib.model.googlenet import auxiliary_pool, map_sizes, smallest_image_size

COUNT = st.integers(1, 12)
ODD = st.sampled_from([1, 3, 5, 7])
FLAG = st.booleans()
WIDTHS = st.builds(BranchWidths, *[COUNT] * 6)
HUGE = st.integers(10**9, 10**40)
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


def live(module: nn.Module, *shape: int) -> Cost:
    """Parameters and multiply-adds as PyTorch counts them: without memory, by shape."""
    module = module.to("meta").train()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty(shape, device="meta"))
    parameters = sum(p.numel() for p in module.parameters())
    return Cost(parameters, counter.get_total_flops() // (2 * shape[0]))


def total(parts: dict[str, Cost]) -> Cost:
    return sum(parts.values(), Cost(0, 0))


# --- what is built --------------------------------------------------------------------


@given(
    COUNT, COUNT, ODD, st.integers(1, 3), st.integers(0, 3), FLAG, st.integers(7, 20)
)
def test_a_layer_is_pytorch_s_convolution_norm_and_relu(
    c_in, c_out, kernel, stride, padding, norm, size
):
    torch.manual_seed(0)
    options = {"stride": stride, "padding": padding, "batch_norm": norm}
    layer = BasicConv2d(c_in, c_out, kernel, **options)
    x = torch.randn(2, c_in, size, size)
    convolution = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=not norm)
    norms = [nn.BatchNorm2d(c_out, eps=1e-3)] if norm else []
    plain = nn.Sequential(convolution, *norms, nn.ReLU()).eval()
    weights = zip(plain.state_dict(), layer.state_dict().values(), strict=True)
    plain.load_state_dict(dict(weights))
    torch.testing.assert_close(layer.eval()(x), plain(x))


@given(COUNT, WIDTHS, FLAG, ODD, st.integers(1, 9), st.integers(1, 9))
def test_a_module_keeps_the_map_and_puts_its_branches_side_by_side(
    c_in, widths, norm, kernel, height, width
):
    module = Inception(c_in, widths, batch_norm=norm, kernel_size_5x5=kernel).eval()
    x = torch.randn(2, c_in, height, width)
    with torch.no_grad():
        y, branches = module(x), module.branches(x)
    ends = [widths.ch1x1, widths.ch3x3, widths.ch5x5, widths.pool_proj]
    assert (
        y.shape
        == (2, sum(ends), height, width)
        == (2, widths.out_channels, *y.shape[2:])
    )
    assert [branch.shape[1] for branch in branches] == ends
    assert all(map(torch.equal, y.split(ends, dim=1), branches))


@given(st.tuples(*[COUNT] * 6))
def test_widths_are_what_they_were_made_of(six):
    widths = BranchWidths(*six)
    assert tuple(widths) == astuple(widths) == six
    assert widths == BranchWidths(**vars(widths)) and hash(widths) == hash(
        BranchWidths(*six)
    )


@given(COUNT, COUNT, st.integers(4, 30), FLAG)
def test_a_head_pools_any_map_from_4_on_to_4(c_in, classes, size, norm):
    head = InceptionAux(c_in, classes, map_size=size, batch_norm=norm).eval()
    x = torch.randn(2, c_in, size, size)
    assert head.pool(x).shape == (2, c_in, 4, 4)
    assert head(x).shape == (2, classes)
    # Every place counts, the last row and column too.
    pool = auxiliary_pool(size)
    assert pool.kernel_size + 3 * pool.stride == size


@settings(max_examples=15)
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


@given(
    st.lists(
        st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=3, max_size=3
    ),
    st.integers(0, 2),
    st.floats(0, 5),
)
def test_the_loss_is_the_sum_of_the_paper(rows, label, weight):
    logits = torch.tensor(rows, dtype=torch.float64)
    outputs = GoogLeNetOutputs(*logits[:, None])  # of one image each
    plain = [-row.log_softmax(0)[label].item() for row in logits]
    loss = googlenet_loss(outputs, torch.tensor([label]), weight).item()
    assert loss == pytest.approx(
        plain[0] + weight * (plain[1] + plain[2]), rel=1e-9, abs=1e-9
    )
    assert googlenet_loss(logits[:1], torch.tensor([label])).item() == pytest.approx(
        plain[0], rel=1e-9, abs=1e-9
    )


# --- the closed forms against the live network ----------------------------------------


@given(COUNT, COUNT, ODD, st.integers(1, 9), FLAG, st.integers(1, 3))
def test_a_convolution_costs_what_pytorch_counts(
    c_in, c_out, kernel, size, bias, groups
):
    c_in, c_out = c_in * groups, c_out * groups
    options = {"bias": bias, "groups": groups}
    layer = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, **options)
    closed = costs.convolution(c_in, c_out, kernel, size, **options)
    assert closed == live(layer, 2, c_in, size, size)


@given(COUNT, COUNT, FLAG)
def test_a_linear_layer_costs_what_pytorch_counts(c_in, c_out, bias):
    closed = costs.linear(c_in, c_out, bias=bias)
    assert closed == live(nn.Linear(c_in, c_out, bias=bias), 2, c_in)


@given(COUNT, COUNT, COUNT, ODD, st.integers(1, 9), FLAG)
def test_a_bottleneck_costs_what_pytorch_counts(c_in, width, c_out, kernel, size, norm):
    pair = nn.Sequential(
        BasicConv2d(c_in, width, batch_norm=norm),
        BasicConv2d(width, c_out, kernel, padding=kernel // 2, batch_norm=norm),
    )
    closed = costs.bottleneck(c_in, width, c_out, kernel, size, batch_norm=norm)
    assert closed == live(pair, 2, c_in, size, size)


@given(st.integers(1, 600), st.integers(1, 600), ODD)
def test_the_break_even_width_is_the_last_that_pays(c_in, c_out, kernel):
    direct = c_in * c_out * kernel**2
    widths = range(1, c_in + c_out + 1)
    paying = [w for w in widths if c_in * w + w * c_out * kernel**2 <= direct]
    assert costs.break_even_width(c_in, c_out, kernel) == max(paying, default=0)


@given(COUNT, WIDTHS, st.integers(1, 9), FLAG, ODD)
def test_a_module_costs_what_pytorch_counts(c_in, widths, size, norm, kernel):
    form = {"batch_norm": norm, "kernel_size_5x5": kernel}
    closed = total(costs.inception(c_in, widths, size, **form))
    assert closed == live(Inception(c_in, widths, **form), 2, c_in, size, size)


@given(COUNT, WIDTHS, st.integers(1, 9))
def test_a_naive_module_costs_what_pytorch_counts(c_in, w, size):
    outputs = {1: w.ch1x1, 3: w.ch3x3, 5: w.ch5x5}
    layers = [nn.Conv2d(c_in, n, k, padding=k // 2) for k, n in outputs.items()]
    counted = total(
        {str(i): live(f, 2, c_in, size, size) for i, f in enumerate(layers)}
    )
    assert total(costs.naive_inception(c_in, w, size)) == counted


@given(COUNT, COUNT, st.integers(4, 20), FLAG)
def test_a_head_costs_what_pytorch_counts(c_in, classes, size, norm):
    head = InceptionAux(c_in, classes, map_size=size, batch_norm=norm)
    closed = costs.auxiliary(c_in, classes, batch_norm=norm)
    assert closed == live(head, 2, c_in, size, size)


@settings(max_examples=12)
@given(st.integers(1, 1000), FORMS)
def test_the_network_costs_what_pytorch_counts(classes, form):
    size = form["image_size"]
    counted = live(GoogLeNet(classes, **form), 2, 3, size, size)
    assert total(costs.googlenet(classes, **form)) == counted
    table = layer_table(GoogLeNet(classes, **form), (1, 3, size, size))
    assert table["parameters"].sum() == counted.parameters


@given(st.integers(0, 2000), st.sampled_from([2, 3]))
def test_map_sizes_are_those_of_pytorch_s_layers(above, pool4):
    size = smallest_image_size(False, pool4) + above
    x = torch.empty(1, 1, size, size, device="meta")
    layers: list[nn.Module] = [nn.Conv2d(1, 1, 7, 2, 3, device="meta")]
    layers += [nn.MaxPool2d(k, 2, ceil_mode=True) for k in (3, 3, 3, pool4)]
    sides = [(x := layer(x)).shape[-1] for layer in layers]
    assert list(map_sizes(size, pool4).values()) == sides


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=5))
def test_a_view_is_what_a_place_s_gradient_reaches(layers):
    """By brute force, in one dimension: which inputs does one output depend on?"""
    view = through(layers)
    x = torch.zeros(1, 1, view.largest + view.jump, requires_grad=True)
    y = x
    for kernel, stride in layers:
        y = nn.functional.conv1d(y, torch.ones(1, 1, kernel), stride=stride)
    reached = [
        torch.autograd.grad(y[0, 0, place], x, retain_graph=True)[0][0, 0].nonzero()
        for place in (0, 1)
    ]
    assert reached[0].max() - reached[0].min() + 1 == view.largest == view.smallest
    assert reached[1].min() - reached[0].min() == view.jump
    module = nn.Sequential(*(nn.Conv2d(1, 1, k, s) for k, s in layers))
    assert windows(module) == layers


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))
def test_an_activation_map_averages_to_the_logits(channels, classes, height, width):
    torch.manual_seed(channels)
    linear = nn.Linear(channels, classes).double()
    maps = torch.randn(2, channels, height, width, dtype=torch.float64)
    evidence = class_activation_map(maps, linear)
    logits = linear(maps.mean(dim=(2, 3)))
    torch.testing.assert_close(evidence.mean(dim=(2, 3)) + linear.bias, logits)


# --- what is refused ------------------------------------------------------------------

SIX = dict.fromkeys(BranchWidths.__dataclass_fields__, 2)
TWO = BranchWidths(**SIX)
# For each call: arguments that are right, to be made wrong one at a time.
COUNTS = [
    (BranchWidths, SIX, SIX),
    (BasicConv2d, {"in_channels": 2, "out_channels": 2}, ["kernel_size", "stride"]),
    (Inception, {"in_channels": 2, "widths": TWO}, ["kernel_size_5x5"]),
    (InceptionAux, {"in_channels": 2, "num_classes": 2}, ["map_size"]),
    (
        GoogLeNet,
        {},
        ["num_classes", "image_size", "pool4_kernel_size", "kernel_size_5x5"],
    ),
    (auxiliary_pool, {"map_size": 5}, []),
    (map_sizes, {"image_size": 64}, ["pool4_kernel_size"]),
    (
        costs.convolution,
        {"in_channels": 2, "out_channels": 2, "kernel_size": 1},
        ["groups"],
    ),
    (costs.linear, {"in_features": 2, "out_features": 2}, []),
    (costs.auxiliary, {"in_channels": 2, "num_classes": 2}, []),
    (
        costs.inception,
        {"in_channels": 2, "widths": TWO},
        ["kernel_size_5x5", "map_size"],
    ),
    (costs.naive_inception, {"in_channels": 2, "widths": TWO}, ["map_size"]),
    (costs.module_inputs, {}, ["image_size", "pool4_kernel_size"]),
    (costs.googlenet, {}, ["num_classes", "image_size", "pool4_kernel_size"]),
    (
        costs.break_even_width,
        {"in_channels": 2, "out_channels": 2, "kernel_size": 1},
        [],
    ),
]


def single(calls) -> list:
    """A row per argument: which call, its right arguments, which one is to be wrong."""
    return [
        pytest.param(call, right, name, id=f"{call.__name__}, {name}")
        for call, right, others in calls
        for name in dict.fromkeys([*right, *others])
        if name != "widths"
    ]


@pytest.mark.parametrize("call, right, name", single(COUNTS))
@settings(max_examples=25)
@given(wrong=NO_COUNT)
def test_what_is_no_count_is_refused(call, right, name, wrong):
    named = "kernel_" if call is costs.convolution and name == "kernel_size" else name
    refuses(named, call, **{**right, name: wrong})


RATES = [
    (InceptionAux, {"in_channels": 2, "num_classes": 2}, "dropout"),
    (GoogLeNet, {}, "dropout"),
    (GoogLeNet, {}, "dropout_aux"),
]


@pytest.mark.parametrize("call, right, name", RATES)
@given(wrong=NO_RATE)
def test_what_is_no_rate_is_refused(call, right, name, wrong):
    refuses(name, call, **right, **{name: wrong})


FLAGS = [
    (BasicConv2d, {"in_channels": 2, "out_channels": 2}, ["batch_norm"]),
    (Inception, {"in_channels": 2, "widths": TWO}, ["batch_norm"]),
    (InceptionAux, {"in_channels": 2, "num_classes": 2}, ["batch_norm"]),
    (GoogLeNet, {}, ["batch_norm", "aux_logits", "local_response_norm"]),
    (costs.linear, {"in_features": 2, "out_features": 2}, ["bias"]),
    (costs.inception, {"in_channels": 2, "widths": TWO}, ["batch_norm"]),
    (costs.googlenet, {}, ["batch_norm", "aux_logits"]),
]


@pytest.mark.parametrize(
    "call, right, name",
    [(c, right, name) for c, right, names in FLAGS for name in names],
)
@settings(max_examples=25)
@given(wrong=NO_FLAG)
def test_what_is_neither_true_nor_false_is_refused(call, right, name, wrong):
    refuses(name, call, **right, **{name: wrong})


@pytest.mark.parametrize("call", [Inception, costs.inception, costs.naive_inception])
@pytest.mark.parametrize("widths", [None, 3, "3a", (1,) * 6, BranchWidths, {}])
def test_widths_that_are_none_are_refused(call, widths):
    refuses("widths", call, 8, widths)


@given(st.one_of(NO_COUNT, st.integers(max_value=-1)).filter(lambda x: x != 0))
def test_a_padding_below_nothing_is_refused(padding):
    refuses("padding", BasicConv2d, 2, 2, padding=padding)


@given(HUGE)
def test_what_exceeds_all_memory_is_refused_before_it_is_made(huge):
    huge_widths = BranchWidths(huge, 1, 1, 1, 1, 1)
    for build in (
        lambda: BasicConv2d(huge, 3),
        lambda: BasicConv2d(3, 3, huge),
        lambda: Inception(3, huge_widths),
        lambda: InceptionAux(3, huge),
        lambda: GoogLeNet(huge, aux_logits=False),
    ):
        with pytest.raises(ValueError, match="doesn't fit into memory: at most"):
            build()
    # Arithmetic has no such bound, and Python's integers no overflow.
    assert costs.convolution(huge, 3, 1, bias=False).parameters == 3 * huge
    assert map_sizes(huge)["conv1"] == (huge + 1) // 2


@given(
    NO_RATE.filter(
        lambda x: isinstance(x, bool) or not isinstance(x, int | float) or not x >= 0
    )
)
def test_a_weight_of_the_heads_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match="^aux_weight must not be negative, got"):
        googlenet_loss(torch.zeros(1, 2), torch.tensor([0]), weight)


@given(st.lists(NO_COUNT, min_size=4, max_size=4))
def test_an_input_size_that_is_none_is_refused(size):
    refuses("input_size", layer_table, nn.ReLU(), tuple(size))


@pytest.mark.parametrize(
    "size", [None, 224, "1×3×224×224", (3, 224, 224), {}, (1,) * 5]
)
def test_an_input_size_of_another_form_is_refused(size):
    refuses("input_size", layer_table, nn.ReLU(), size)


@pytest.mark.parametrize("model", [None, "googlenet", 3, GoogLeNet, torch.zeros(1)])
def test_what_is_no_model_is_refused(model):
    for call in (layer_table, inception_views):
        refuses("model", call, model)
    refuses("linear", class_activation_map, torch.zeros(1, 2, 3, 3), model)


@pytest.mark.parametrize(
    "x", [None, "image", 3.0, [[1]], torch.zeros(3), torch.zeros(())]
)
def test_what_is_no_image_is_refused(x):
    modules = [
        GoogLeNet(2, aux_logits=False),
        Inception(3, TWO),
        InceptionAux(3, 2, map_size=4),
    ]
    for module in modules:
        with pytest.raises(ValueError, match="expects a tensor of shape N×3×H×W, got"):
            module(x)
    with pytest.raises(ValueError, match="expected features of shape N×3×H×W, got"):
        class_activation_map(x, nn.Linear(3, 2))


@given(st.lists(st.tuples(NO_COUNT, NO_COUNT), min_size=1, max_size=3))
def test_layers_that_are_none_have_no_view(layers):
    refuses("kernel_size", through, layers)
