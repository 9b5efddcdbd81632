"""A network to look into: loaded if it is there, else trained once and kept."""

import pandas as pd
import pytest

from inception_lib.teaching import trained
from inception_lib.training import Run, TrainingConfig, save_run
from inception_lib.training.run import build_model


@pytest.fixture
def untrained():
    config = TrainingConfig(image_size=64, aux=False)
    history = pd.DataFrame({"epoch": [1]})
    classes = ("functional", "defective")
    return Run(build_model(config, 2), config, classes, 50.0, history)


@pytest.fixture
def quick_training(monkeypatch, untrained):
    """Count the trainings instead of running them."""
    calls = []

    def fit(*_, **__):
        calls.append(1)
        return untrained

    monkeypatch.setattr(trained, "fit", fit)
    return calls


def test_trained_once_and_kept(quick_training, tmp_path):
    first = trained.trained_run(tmp_path / "run")
    second = trained.trained_run(tmp_path / "run")
    assert len(quick_training) == 1
    assert first.classes == second.classes


def test_a_run_of_the_readers_own_is_loaded(quick_training, untrained, tmp_path):
    save_run(untrained, tmp_path / "mine")
    assert trained.trained_run(tmp_path / "mine").config == untrained.config
    assert not quick_training


def test_an_interrupted_training_is_not_kept(quick_training, untrained, tmp_path):
    untrained.interrupted = True
    assert trained.trained_run(tmp_path / "run") is untrained
    assert not (tmp_path / "run").exists()
