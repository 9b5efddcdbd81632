"""A network to look into: loaded if it is there, else trained once and kept."""

from dataclasses import replace

import pandas as pd
import pytest

from inception_lib.teaching import trained
from inception_lib.training import Run, TrainingConfig, load_run, save_run
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


def test_trained_once_and_kept(quick_training, tmp_path, capsys):
    folders = tmp_path / "mine", tmp_path / "quick"
    first, second = trained.trained_run(*folders), trained.trained_run(*folders)
    assert len(quick_training) == 1
    assert first.classes == second.classes
    assert "mine holds no network" in capsys.readouterr().out
    assert not folders[0].exists()


def test_the_readers_own_run_comes_first(quick_training, untrained, tmp_path, capsys):
    save_run(replace(untrained, classes=("quick", "one")), tmp_path / "quick")
    trained.keep(untrained, tmp_path / "mine")
    run = trained.trained_run(tmp_path / "mine", tmp_path / "quick")
    assert run.classes == untrained.classes
    assert f"the network in {tmp_path / 'mine'}, trained on" in capsys.readouterr().out
    assert not quick_training


def test_an_interrupted_training_is_not_kept(quick_training, untrained, tmp_path):
    untrained.interrupted = True
    run = trained.trained_run(tmp_path / "mine", tmp_path / "quick")
    assert run is untrained
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_the_readers_own_pictures_stays(untrained, tmp_path, capsys):
    config = replace(untrained.config, data="my_pictures")
    save_run(replace(untrained, config=config), tmp_path / "mine")
    trained.keep(untrained, tmp_path / "mine")
    assert "trained on my_pictures, which stays there" in capsys.readouterr().out
    assert load_run(tmp_path / "mine").config.data == "my_pictures"
    assert load_run(tmp_path / "mine-07").config == untrained.config
    trained.keep(untrained, tmp_path / "mine-07")  # its own place it takes again
    assert not (tmp_path / "mine-07-07").exists()
