"""Weights of another task to begin with; frozen stages; rates that shrink."""

from dataclasses import replace
from textwrap import dedent

import pandas as pd
import pytest
import torch
from torchvision.models import googlenet

from inception_lib import GoogLeNet, googlenet_loss
from inception_lib.model import interop
from inception_lib.training import (
    Run,
    TrainingConfig,
    finetune,
    fit,
    image_folder,
    optim,
    save_run,
)
from inception_lib.training.finetune import (
    STAGES,
    freeze,
    load_weights,
    new_head,
)
from inception_lib.training.optim import parameter_groups
from inception_lib.training.run import build_model

CONFIG = TrainingConfig(
    image_size=64, epochs=1, batch_size=8, precision="float32", grow=False
)
CLASSES = ("dark", "light")


def source(folder, classes=CLASSES, **form):
    """A saved run with weights of its own."""
    torch.manual_seed(7)
    config = replace(CONFIG, **form)
    model = build_model(config, len(classes))
    history = pd.DataFrame({"epoch": [1]})
    save_run(Run(model, config, classes, 50.0, history), folder)
    return model.state_dict()


def changed(before: dict, after: dict) -> set[str]:
    """The layers (conv1, inception4a, …) of which anything is another."""
    return {
        name.partition(".")[0]
        for name in before
        if not torch.equal(before[name], after[name])
    }


def test_frozen_stages_stay_as_they_are_and_the_rest_learns(few_pictures, tmp_path):
    before = source(tmp_path / "run")
    data = image_folder(few_pictures, 64)
    config = replace(CONFIG, weights=str(tmp_path / "run"), freeze="4")
    run = fit(data, None, config, progress=None)
    learned = changed(before, run.model.state_dict())
    assert learned == {*STAGES["5"], "aux1", "aux2", "fc"}
    assert all(p.requires_grad for p in run.model.parameters())  # free again


def test_each_stage_learns_at_a_fraction_of_the_next_ones_rate():
    model = GoogLeNet(2, image_size=64)
    config = replace(CONFIG, lr=0.1, stage_lr=0.5)
    rate = {
        id(p): group["lr"]
        for group in parameter_groups(model, config)
        for p in group["params"]
    }
    assert len(rate) == len(list(model.parameters()))
    for layer, expected in {
        "conv1": 0.1 / 16,
        "inception3b": 0.1 / 8,
        "inception4e": 0.1 / 4,
        "inception5a": 0.1 / 2,
        "aux1": 0.1,
        "fc": 0.1,
    }.items():
        for p in model.get_submodule(layer).parameters():
            assert rate[id(p)] == pytest.approx(expected)


def test_a_network_of_another_source_is_tuned_as_the_module_says(real_network):
    """Its example, on two batches of random pictures."""
    state_dict = googlenet(num_classes=5, init_weights=False).state_dict()
    images, labels = torch.randn(2, 4, 3, 64, 64), torch.tensor([[0, 1, 2, 0]] * 2)
    batches = list(zip(images, labels, strict=True))
    example = dedent(finetune.__doc__.partition("::")[2])
    known: dict = {"googlenet_loss": googlenet_loss, "interop": interop, "torch": torch}
    known |= (
        vars(finetune)
        | {"optim": optim, "TrainingConfig": TrainingConfig}
        | {"state_dict": state_dict, "batches": batches}
    )
    exec(example, known)
    model = known["model"]
    assert model.fc.out_features == model.aux1.fc2.out_features == 3
    tuned = model.state_dict()
    old = {k: v for k, v in state_dict.items() if v.shape == tuned[k].shape}
    assert changed(old, tuned) == {*STAGES["4"], *STAGES["5"], "aux1", "aux2"}


def test_decay_on_weights_only():
    groups = parameter_groups(GoogLeNet(2, image_size=64, batch_norm=True), CONFIG)
    assert [group["weight_decay"] for group in groups] == [CONFIG.decay, 0.0]
    assert {p.dim() for p in groups[1]["params"]} == {1}


@pytest.mark.parametrize(
    ("last", "count"), [("none", 0), ("stem", 1), ("3", 2), ("4", 3), ("5", 4)]
)
def test_freezing_up_to_a_stage_frees_the_others(last, count):
    model = GoogLeNet(2, image_size=64)
    freeze(model, "5")
    freeze(model, last)
    kept = [name for layers in list(STAGES.values())[:count] for name in layers]
    for name, layer in model.named_children():
        flags = {p.requires_grad for p in layer.parameters()}
        assert flags <= {name not in kept}, name


def test_other_classes_get_new_last_layers(tmp_path):
    theirs = source(tmp_path, ("one", "two", "three"))
    model = build_model(CONFIG, 2)
    own = {name: value.clone() for name, value in model.state_dict().items()}
    load_weights(model, tmp_path, CLASSES)
    for name, value in model.state_dict().items():
        last = name.startswith(("fc.", "aux1.fc2", "aux2.fc2"))
        assert torch.equal(value, own[name] if last else theirs[name]), name


def test_the_same_classes_keep_the_last_layers(tmp_path):
    theirs = source(tmp_path)
    model = build_model(CONFIG, 2)
    load_weights(model, tmp_path, CLASSES)
    assert not changed(theirs, model.state_dict())


def test_heads_come_along_only_where_both_have_them(tmp_path):
    theirs = source(tmp_path, aux=False)
    model = build_model(CONFIG, 2)
    load_weights(model, tmp_path, CLASSES)
    assert torch.equal(
        model.state_dict()["conv1.conv.weight"], theirs["conv1.conv.weight"]
    )


def test_a_new_head_for_a_network_of_any_source():
    model = GoogLeNet(1000, image_size=64)
    new_head(model, 3)
    assert [out.shape for out in model(torch.randn(2, 3, 64, 64))] == [(2, 3)] * 3


def test_wrong_sources_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained model"):
        load_weights(build_model(CONFIG, 2), tmp_path, CLASSES)
    source(tmp_path, batch_norm=False)
    with pytest.raises(ValueError, match="without batch norm"):
        load_weights(build_model(CONFIG, 2), tmp_path, CLASSES)
    with pytest.raises(ValueError, match="last must be one of none, stem"):
        freeze(build_model(CONFIG, 2), "6")
    for wrong in (0.0, 1.5, float("nan"), "0.5"):
        with pytest.raises(ValueError, match="stage_lr must be"):
            TrainingConfig(stage_lr=wrong)  # type: ignore[arg-type]
