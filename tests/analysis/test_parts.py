"""A network taken apart and put together again says what it said."""

import pytest
import torch

from inception_lib import GOOGLENET_WIDTHS, GoogLeNet
from inception_lib.analysis.parts import answers, modules, stage_maps, trunk

FORMS = {
    "paper": {},
    "batch norm": {"batch_norm": True},
    "local response norm": {"local_response_norm": True},
    "no heads": {"aux_logits": False},
}


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def model(request) -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(3, image_size=64, **request.param).eval()


x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_layers_in_a_row_are_the_network(model):
    y = x
    for layer in trunk(model).values():
        y = layer(y)
    torch.testing.assert_close(y, model(x))


@torch.no_grad()
def test_the_answers_are_those_of_train_mode(model):
    found = answers(model, x)
    torch.testing.assert_close(found["output"][1], model(x))
    if not model.aux_logits:
        assert list(found) == ["output"]
        return
    assert [maps.shape[1] for maps, _ in found.values()] == [512, 528, 1024]
    for part in model.modules():  # no dropout, no batch statistics: only the flag
        part.training = part is model
    outputs = model(x)
    torch.testing.assert_close(found["head 1"][1], outputs.aux_logits1)
    torch.testing.assert_close(found["head 2"][1], outputs.aux_logits2)


@torch.no_grad()
def test_the_maps_are_what_hooks_see(model):
    seen = {}
    for name in ("conv1", "inception4c", "inception5b"):
        layer = model.get_submodule(name)
        layer.register_forward_hook(
            lambda *parts, name=name: seen.update({name: parts[-1].clone()})
        )
    model(x)
    maps = stage_maps(model, x)
    assert list(maps) == ["conv1", "conv2", "conv3", *GOOGLENET_WIDTHS]
    for name, y in seen.items():
        torch.testing.assert_close(maps[name.removeprefix("inception")], y)


@torch.no_grad()
def test_branches_and_the_rest_are_the_network(model):
    names = []
    for name, outputs, rest in modules(model, x):
        names.append(name)
        torch.testing.assert_close(rest(torch.cat([*outputs.values()], 1)), model(x))
    assert names == list(GOOGLENET_WIDTHS)


def test_train_mode_and_other_models_are_refused():
    with pytest.raises(ValueError, match="call model.eval"):
        stage_maps(GoogLeNet(2, aux_logits=False), x)
    with pytest.raises(TypeError, match="must be a GoogLeNet, got a Linear"):
        trunk(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
