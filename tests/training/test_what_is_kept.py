"""What a training leaves: the average, ready to answer, prepared as it was trained."""

from dataclasses import replace

import pytest
import torch
from test_loop import CONFIG, stripes

from inception_lib.training import fit, load_run, pixel_std, save_run
from inception_lib.training.checkpoint import read_tensors


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def run(checkpoint):
    faint = stripes(16, seed=1)
    faint = replace(faint, images=faint.images // 2 + 64)
    config = replace(CONFIG, epochs=1)
    return fit(stripes(32), faint, config, progress=None, checkpoint=checkpoint)


def test_the_network_is_ready_to_answer(run, tmp_path):
    assert not any(layer.training for layer in run.model.modules())
    loaded = load_run(save_run(run, tmp_path))
    assert not any(layer.training for layer in loaded.model.modules())


def test_images_are_prepared_as_the_training_images_were(run):
    assert run.pixel_std == pixel_std(stripes(32))


def test_batch_norm_s_statistics_are_averaged_as_the_weights_are(run, checkpoint):
    tensors, _ = read_tensors(checkpoint)
    for name in ("conv1.bn.running_mean", "conv1.conv.weight"):
        average = tensors[f"average.module.{name}"]
        assert torch.equal(average, run.model.state_dict()[name])
        assert average.any() and not torch.equal(average, tensors[f"model.{name}"])
