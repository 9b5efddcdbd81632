"""The command line, as a user runs it, on a folder of small pictures."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from inception_lib.training import TrainingConfig, load_run, loop
from inception_lib.training.__main__ import main, parser

FAST = "--image-size 64 --epochs 1 --batch-size 8 --precision float32".split()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures with spaces äöü")
    rng = np.random.default_rng(0)
    for name, level in {"dark": 60, "light": 190}.items():
        (root / name).mkdir()
        for i in range(16):
            pixels = rng.normal(level, 30, (64, 64, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def test_a_run_leaves_its_four_files(pictures, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["--data", str(pictures), "--out", str(out), *FAST]) == 0
    expected = {"config.json", "history.csv", "metrics.json", "model.safetensors"}
    assert {path.name for path in out.iterdir()} == expected
    result = json.loads((out / "metrics.json").read_text())
    assert result["test"]["images"] == 8
    assert sum(map(sum, result["test"]["confusion_matrix"])) == 8
    assert load_run(out).classes == ("dark", "light")
    said = capsys.readouterr().out
    assert "18 training, 6 validation, 8 test" in said
    assert "accuracy" in said


def test_a_final_run_trains_on_the_validation_images_too(pictures, tmp_path, capsys):
    command = ["--data", str(pictures), "--out", str(tmp_path), "--final", *FAST]
    assert main(command) == 0
    assert "24 training, 0 validation, 8 test" in capsys.readouterr().out
    result = json.loads((tmp_path / "metrics.json").read_text())
    assert "validation" not in result and result["test"]["images"] == 8


def test_an_interrupted_run_goes_on_where_it_stopped(pictures, tmp_path, monkeypatch):
    command = ["--data", str(pictures), *FAST[:2], "--epochs", "2", *FAST[4:]]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0

    def stop(*arguments):
        save_checkpoint(*arguments)
        raise KeyboardInterrupt

    save_checkpoint = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", stop)
    assert main([*command, "--out", str(tmp_path / "cut")]) == 130
    monkeypatch.undo()
    assert main([*command, "--out", str(tmp_path / "cut"), "--resume"]) == 0
    assert json.loads((tmp_path / "cut" / "metrics.json").read_text())
    for name in ("history.csv", "model.safetensors"):
        whole, cut = tmp_path / "whole" / name, tmp_path / "cut" / name
        assert whole.read_bytes() == cut.read_bytes()


def test_a_run_without_an_epoch_leaves_its_folder_as_it_was(
    pictures, tmp_path, monkeypatch, capsys
):
    def stop(*_):
        raise KeyboardInterrupt

    command = ["--data", str(pictures), "--out", str(tmp_path), *FAST]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stop)
        assert main(command) == 130
    assert capsys.readouterr().err.endswith("interrupted: nothing was kept\n")
    assert list(tmp_path.iterdir()) == []
    assert main(command) == 0


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--data", "no_such_folder"], "no_such_folder"),
        (["--resume"], "--resume needs --out"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--image-size", "40"], "image_size=40 is too small"),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(arguments, sentence, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert "Traceback" not in error


def test_a_folder_in_use_is_not_overwritten(pictures, tmp_path, capsys):
    command = ["--data", str(pictures), "--out", str(tmp_path), *FAST]
    assert main(command) == 0
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert main([*command, "--seed", "1"]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_the_defaults_are_the_config_s():
    options = vars(parser().parse_args([]))
    del options["out"], options["resume"]
    assert TrainingConfig(**options) == TrainingConfig()


def test_help_is_a_page_for_people():
    command = [sys.executable, "-m", "inception_lib.training", "--help"]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for option in (
        "--data",
        "--image-size",
        "--no-batch-norm",
        "--resume",
        "examples:",
    ):
        assert option in page
