"""What a GoogLeNet promises: train and eval, sizes, errors, every part at work."""

import pytest
import torch
from torch import nn

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet, GoogLeNetOutputs, googlenet_loss
from inception_lib.model.googlenet import map_sizes, smallest_image_size

MODULES = [f"inception{name}" for name in GOOGLENET_WIDTHS]
LAST = {
    "branch1": "branch1",
    "branch2": "branch2.1",
    "branch3": "branch3.1",
    "branch4": "branch4.1",
}


def images(size=64, n=2):
    return torch.randn(n, 3, *(size if isinstance(size, tuple) else (size, size)))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_train_gives_three_outputs_and_eval_the_logits(batch_norm):
    model = GoogLeNet(5, image_size=64, batch_norm=batch_norm)
    heads = []
    for head in (model.aux1, model.aux2):
        head.register_forward_hook(lambda m, x, output: heads.append(output))
    outputs = model.train()(images())
    assert isinstance(outputs, GoogLeNetOutputs)
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    assert all(logits.shape == (2, 5) for logits in outputs)
    assert outputs.aux_logits1 is heads[0] and outputs.aux_logits2 is heads[1]
    heads.clear()
    logits = model.eval()(images())
    assert type(logits) is torch.Tensor and logits.shape == (2, 5)
    assert not heads  # never computed


def test_without_heads_train_gives_the_logits():
    model = GoogLeNet(5, aux_logits=False).train()
    assert model.aux1 is None and model.aux2 is None
    assert type(model(images())) is torch.Tensor


def test_dropout_is_on_in_train_and_off_in_eval():
    model, x = GoogLeNet(5, aux_logits=False), images()
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))
    assert model.dropout.p == 0.4
    model = GoogLeNet(5, dropout=0.0, dropout_aux=0.0, image_size=64).train()
    assert all(torch.equal(a, b) for a, b in zip(model(x), model(x), strict=True))
    assert GoogLeNet(5).aux1.dropout_rate == GoogLeNet(5).aux2.dropout_rate == 0.7


@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_parameter_gets_a_gradient(network, batch_norm):
    model = network(image_size=64, batch_norm=batch_norm, dropout_aux=0.0).train()
    googlenet_loss(model(images(n=4)), torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_every_branch_reaches_the_output(network):
    model, x = network(aux_logits=False).eval(), images()
    with torch.no_grad():
        before = model(x)
        for name in MODULES:
            for branch in LAST.values():
                conv = model.get_submodule(f"{name}.{branch}.conv")
                weights = [p.clone() for p in conv.parameters()]
                for parameter in conv.parameters():
                    parameter.zero_()
                assert not torch.allclose(model(x), before), f"{name}.{branch}"
                for parameter, weight in zip(conv.parameters(), weights, strict=True):
                    parameter.copy_(weight)
        assert torch.equal(model(x), before)


@pytest.mark.parametrize("name", ["aux1", "aux2"])
def test_each_head_reaches_the_loss(network, name):
    model = network(image_size=64, dropout=0.0, dropout_aux=0.0).train()
    x, targets = images(), torch.tensor([0, 1])
    with torch.no_grad():
        before = googlenet_loss(model(x), targets)
        model.get_submodule(name).fc2.weight.zero_()
        assert not torch.isclose(googlenet_loss(model(x), targets), before)


def test_the_heads_read_4a_and_4d(network):
    """What comes after a head's tap does not change it; what comes before does."""
    model = network(image_size=64, dropout_aux=0.0).train()
    x = images()
    taps = {"aux_logits1": "inception4a", "aux_logits2": "inception4d"}
    for output, tap in taps.items():
        following = MODULES[MODULES.index(tap) + 1]
        with torch.no_grad():
            before = getattr(model(x), output)
            model.get_submodule(following).branch1.conv.weight.mul_(2)
            assert torch.equal(getattr(model(x), output), before)
            model.get_submodule(tap).branch1.conv.weight.mul_(2)
            assert not torch.equal(getattr(model(x), output), before)


@pytest.mark.parametrize("pool4", [3, 2])
@pytest.mark.parametrize("extra", [(0, 0), (1, 0), (0, 33), (2, 5), (50, 3), (97, 97)])
def test_any_image_size_works_in_eval(pool4, extra):
    smallest = smallest_image_size(pool4_kernel_size=pool4)
    model = GoogLeNet(5, pool4_kernel_size=pool4).eval()
    with torch.no_grad():
        logits = model(images(tuple(smallest + n for n in extra), n=1))
    assert logits.shape == (1, 5) and logits.isfinite().all()


@pytest.mark.parametrize(("pool4", "smallest"), [(3, 31), (2, 15)])
@pytest.mark.parametrize("rows_short", [True, False])
def test_a_pixel_less_is_a_value_error(pool4, smallest, rows_short):
    assert smallest_image_size(pool4_kernel_size=pool4) == smallest
    size = (smallest - 1, 64) if rows_short else (64, smallest - 1)
    message = f"at least {smallest}×{smallest} pixels, got {size[0]}×{size[1]}"
    with pytest.raises(ValueError, match=message):
        GoogLeNet(5, pool4_kernel_size=pool4).eval()(images(size))


@pytest.mark.parametrize("pool4", [3, 2])
def test_map_sizes_are_those_of_the_layers(pool4):
    model = GoogLeNet(5, aux_logits=False, pool4_kernel_size=pool4).eval().to("meta")
    live = {}
    names = list(map_sizes(224))
    assert names == ["conv1", "maxpool1", "maxpool2", "maxpool3", "maxpool4"]
    for name in names:
        model.get_submodule(name).register_forward_hook(
            lambda m, x, y, name=name: live.update({name: tuple(y.shape[-2:])})
        )
    for size in range(31, 260):
        model(torch.empty(1, 3, size, size, device="meta"))
        assert live == {k: (n, n) for k, n in map_sizes(size, pool4).items()}, size


@pytest.mark.parametrize("size", [63, 64, 79, 82, 96, 97, 224])
def test_heads_work_at_any_image_size(size):
    model = GoogLeNet(2, image_size=size).to("meta")
    outputs = model(torch.empty(2, 3, size, size, device="meta"))
    assert [o.shape for o in outputs] == [(2, 2)] * 3


def test_image_size_can_be_changed_and_keeps_the_weights():
    model, other = GoogLeNet(2), GoogLeNet(2, image_size=82)
    weights = {name: p.clone() for name, p in model.named_parameters()}
    with pytest.raises(ValueError, match="set model.image_size to the size of your"):
        model(images(82))
    model.image_size = 82
    assert model.image_size == 82
    assert all(torch.equal(p, weights[name]) for name, p in model.named_parameters())
    other.load_state_dict(model.state_dict())
    outputs = []
    for network in (model, other):
        torch.manual_seed(1)
        outputs.append(network(images(82)))
    assert all(torch.equal(a, b) for a, b in zip(*outputs, strict=True))
    with pytest.raises(ValueError, match="image_size=62 is too small.*63×63"):
        model.image_size = 62
    with pytest.raises(ValueError, match="image_size must be a positive integer"):
        model.image_size = 82.0  # type: ignore[assignment]
    assert model.image_size == 82  # a refused size changes nothing
    headless = GoogLeNet(2, aux_logits=False)
    headless.image_size = 31
    assert headless.image_size == 31


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"image_size": 62}, "with auxiliary heads needs at least 63×63 pixels"),
        (
            {"image_size": 30, "aux_logits": False},
            "without auxiliary heads needs at least 31×31 pixels",
        ),
        ({"pool4_kernel_size": 4}, r"must be 3 \(the paper\) or 2 \(torchvision\)"),
        ({"kernel_size_5x5": 4}, "kernel_size_5x5 must be odd"),
    ],
)
def test_forms_that_cannot_be(form, message):
    with pytest.raises(ValueError, match=message):
        GoogLeNet(**form)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64), (1, 64, 64, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_wrong_images(shape, training):
    model = GoogLeNet(2, image_size=64).train(training)
    with pytest.raises(ValueError, match="GoogLeNet expects a tensor of shape N×3×H×W"):
        model(torch.zeros(shape))


def test_norms_stand_where_figure_3_has_them():
    model = GoogLeNet(2, local_response_norm=True, aux_logits=False).eval()
    order = []
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, x, y, name=name: order.append(name))
    model(images())
    assert order[:7] == "conv1 maxpool1 norm1 conv2 conv3 norm2 maxpool2".split()
    for norm in (model.norm1, model.norm2):
        assert isinstance(norm, nn.LocalResponseNorm)
        assert (norm.size, norm.alpha, norm.beta, norm.k) == (5, 1e-4, 0.75, 1.0)
