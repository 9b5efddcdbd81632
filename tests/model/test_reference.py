"""The forward pass against two other GoogLeNets that have the same weights."""

import pytest
import torch
import torchvision
from plain_googlenet import googlenet
from torch.testing import assert_close

TORCHVISION = {"batch_norm": True, "kernel_size_5x5": 3, "pool4_kernel_size": 2}
FORMS = {
    "paper": {},
    "batch norm": {"batch_norm": True},
    "local response norm": {"local_response_norm": True},
    "torchvision": TORCHVISION,
}
# image_size, and the kernel and stride that average the heads' map to 4×4
SIZES = [(82, (2, 1)), (112, (4, 1)), (128, (2, 2))]


def plain(model, x, form, **options):
    return googlenet(
        model.state_dict(),
        x,
        norm=form.get("local_response_norm", False),
        pool4=form.get("pool4_kernel_size", 3),
        **options,
    )


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [(64, 64), (71, 97)])
def test_eval_equals_the_plain_build(network, form, size):
    model = network(**form).double().eval()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        assert_close(model(x), plain(model, x, form)["logits"])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("size", "pool"), SIZES)
def test_train_equals_the_plain_build(network, form, size, pool):
    model = network(image_size=size, dropout=0.0, dropout_aux=0.0, **form).double()
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        expected = plain(model, x, form, head_pool=pool, training=True)
        outputs = model.train()(x)
    assert_close(outputs.logits, expected["logits"])
    assert_close(outputs.aux_logits1, expected["aux1"])
    assert_close(outputs.aux_logits2, expected["aux2"])


@pytest.fixture
def twins(network):
    """Our torchvision form and torchvision's own network, with the same weights."""
    # At 128 pixels its adaptive 4×4 pooling and the paper's fixed one are the same.
    ours = network(3, image_size=128, dropout=0.2, **TORCHVISION)
    theirs = torchvision.models.googlenet(
        num_classes=3, aux_logits=True, init_weights=False, transform_input=False
    )
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def test_eval_equals_torchvision(twins):
    x = torch.randn(2, 3, 75, 90)
    with torch.no_grad():
        ours, theirs = (model.eval()(x) for model in twins)
    assert_close(ours, theirs)


def test_train_equals_torchvision_in_outputs_statistics_and_gradients(twins):
    x = torch.randn(2, 3, 128, 128)
    outputs = []
    for model in (model.double().train() for model in twins):
        torch.manual_seed(1)  # the same dropout
        outputs.append(model(x.double()))
        sum(logits.square().sum() for logits in outputs[-1]).backward()
    ours, theirs = twins
    for name in ("logits", "aux_logits2", "aux_logits1"):
        assert_close(getattr(outputs[0], name), getattr(outputs[1], name))
    assert_close(ours.state_dict(), theirs.state_dict())
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        message = (name + ": {}").format
        assert_close(parameter.grad, gradients[name].grad, msg=message)
