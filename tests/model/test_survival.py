"""A GoogLeNet survives what people do with a network."""

import copy
import pickle

import pytest
import torch
from torch.testing import assert_close

FORMS = {
    "paper": {},
    "batch norm": {"batch_norm": True},
    "local response norm": {"local_response_norm": True},
    "without heads": {"aux_logits": False},
}


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def model(network, request):
    # Without dropout, train mode is repeatable too.
    return network(image_size=64, dropout=0.0, dropout_aux=0.0, **request.param)


@pytest.fixture
def x():
    return torch.randn(2, 3, 64, 64)


def outputs(model, x):
    with torch.no_grad():
        return model(x)


def test_deepcopy_is_equal_and_independent(model, x):
    twin = copy.deepcopy(model).eval()
    before = outputs(model.eval(), x)
    assert torch.equal(outputs(twin, x), before)
    with torch.no_grad():
        twin.fc.bias.add_(1)
    twin.image_size = 96
    assert torch.equal(outputs(model, x), before) and model.image_size == 64


def test_pickle(model, x):
    twin = pickle.loads(pickle.dumps(model.eval()))
    assert torch.equal(outputs(twin, x), outputs(model, x))


def test_state_dict_round_trip(model, network, x, request, tmp_path):
    form = FORMS[request.node.callspec.id]
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(1)
    twin = network(image_size=64, **form)
    assert not torch.equal(outputs(twin.eval(), x), outputs(model.eval(), x))
    twin.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(outputs(twin, x), outputs(model, x))


@pytest.mark.parametrize("training", [False, True])
def test_export(model, x, training):
    model.train(training)
    exported = torch.export.export(model, (x,)).module()
    assert_close(outputs(exported, x), outputs(model, x))


@pytest.mark.parametrize("model", [{}, {"batch_norm": True}], indirect=True, ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_compile(model, x, training):
    model.train(training)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_close(outputs(compiled, x), outputs(model, x))


def test_channels_last_changes_nothing(model, x):
    model, x = model.double(), x.double()
    expected = outputs(model.train(), x)
    model.to(memory_format=torch.channels_last)
    actual = outputs(model, x.contiguous(memory_format=torch.channels_last))
    assert_close(actual, expected)
