"""The command line, as a user runs it, on a folder of small pictures."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from inception_lib.training import TrainingConfig, command, load_run, loop, step
from inception_lib.training.command import main as inception
from inception_lib.training.command import train_main as main

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
        save(*arguments)
        raise KeyboardInterrupt

    save = loop.Keeper.save
    monkeypatch.setattr(loop.Keeper, "save", stop)
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
        (["--epochs", "many"], "--epochs: invalid literal for int() with base 10"),
        (["--epoch", "3"], "Unrecognized options: --epoch, 3 Perhaps you meant"),
        (["--schedule", "linear"], "Expected one of ('cosine', 'paper')"),
        (["--image-size", "40"], "image_size=40 is too small"),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(arguments, sentence, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and sentence in error
    assert "Traceback" not in error and not set(error) & set("│╭╰─")


def test_a_folder_that_is_called_solar_cells_is_not_taken_for_ours(
    pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solar-cells").symlink_to(pictures)
    assert main(["--data", "solar-cells", *FAST]) == 2
    assert "--data ./solar-cells trains on its pictures" in capsys.readouterr().err
    read = command.read_data(TrainingConfig(data="./solar-cells", image_size=64))
    assert read.classes == ("dark", "light")


def test_home_is_found_and_any_terminal_is_spoken_to(tmp_path, monkeypatch):
    """--out=~/run, as the shell leaves it; class names that cp1252 lacks; a full log
    disk.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    for name in ("кот", "猫", "x\udce9"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    said = tmp_path / "said.txt"
    with open(said, "w", encoding="cp1252") as out, open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["--data=~/data", "--out=~/run", *FAST]) == 0
        picture = "~/data/猫/0.png"
        options = ["--csv=~/answers.csv", "--explain=~/maps"]
        assert inception(["predict", "~/run", picture, *options]) == 0
    assert load_run(tmp_path / "run").classes[1:] == ("кот", "猫")
    assert "\\u043a\\u043e\\u0442" in said.read_text(encoding="cp1252")
    assert list(pd.read_csv(tmp_path / "answers.csv"))[3:5] == ["кот", "猫"]
    assert len(list((tmp_path / "maps").rglob("0.png.png"))) == 1


def test_a_folder_in_use_is_not_overwritten(pictures, tmp_path, capsys):
    command = ["--data", str(pictures), "--out", str(tmp_path), *FAST]
    assert main(command) == 0
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert main([*command, "--seed", "1"]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_the_defaults_are_the_config_s(monkeypatch):
    seen: list = []
    monkeypatch.setattr(command, "train_and_save", lambda *given: seen.append(given))
    main([])
    assert seen[0][:2] == (TrainingConfig(), None)


def test_the_precision_that_is_printed_is_the_one_that_trains(
    pictures, monkeypatch, capsys
):
    """It is measured once: a second answer would end the iterator."""
    measured = iter([("bfloat16", "measured")])
    monkeypatch.setattr(step, "pick_precision", lambda *_: next(measured))
    states = []
    restore = loop.train_epoch

    def noted(stage, run, state, *rest):
        states.append(state.precision)
        return restore(stage, run, state, *rest)

    monkeypatch.setattr(loop, "train_epoch", noted)
    assert main(["--data", str(pictures), *FAST[:-1], "auto"]) == 0
    assert "bfloat16 (measured)" in capsys.readouterr().out
    assert states == ["bfloat16"]


def test_a_long_training_says_beforehand_how_long(
    pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command, "seconds_ahead", lambda *sets: 372)
    arguments = ["--data", str(pictures), "--out", str(tmp_path), *FAST]
    assert main(arguments) == 0
    assert "of training here" not in capsys.readouterr().out
    monkeypatch.setattr(command, "LONG", 2)
    assert main([*arguments[:3], str(tmp_path / "long"), *FAST]) == 0
    assert "about 6.2 minutes of training here" in capsys.readouterr().out


def test_help_is_a_page_for_people(capsys):
    for program in (main, lambda arguments: inception(["train", *arguments])):
        assert program(["--help"]) == 0
        page = capsys.readouterr().out
        for option in ("--data", "--no-batch-norm", "--resume", "--out runs/cells"):
            assert option in page
    assert inception(["--help"]) == 0 and inception([]) == inception(["learn"]) == 2
    page = capsys.readouterr().out
    assert all(f"\n  {name} " in page for name in ("train", "predict", "export"))
    assert inception(["predict", "--help"]) == 0
    assert "Exit status: 0 if all files were answered" in capsys.readouterr().out


def test_python_m_is_the_same_command():
    command = [sys.executable, "-m", "inception_lib.training", "--image-size", "5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: image_size=5 is")


# --- predict and export ---------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mine"
    assert main(["--data", str(pictures), "--out", str(out), *FAST]) == 0
    return out


def test_a_folder_is_answered_line_by_line_and_in_a_table(
    trained, pictures, tmp_path, capsys
):
    table, maps = tmp_path / "answers.csv", tmp_path / "maps"
    options = ["--csv", str(table), "--explain", str(maps)]
    assert inception(["predict", str(trained), str(pictures), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    files = sorted(pictures.rglob("*.png"))
    expected = load_run(trained).predict(pictures)
    for line, file, row in zip(lines, files, expected, strict=True):
        name = ("dark", "light")[int(row.argmax())]
        assert line == f"{file}: {name} {row.max():.3f}"
    rows = pd.read_csv(table)
    assert list(rows) == ["picture", "answer", "dark", "light", "problem"]
    found = torch.tensor(rows[["dark", "light"]].to_numpy(), dtype=torch.float32)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert len(list(maps.rglob("*.png"))) == len(files)
    with Image.open(next(maps.rglob("*.png"))) as drawn:
        assert drawn.size == (448, 448)


def test_pictures_of_one_name_have_heat_maps_of_their_own(
    trained, pictures, tmp_path, monkeypatch
):
    below = tmp_path / "below"
    below.mkdir()
    for folder in (tmp_path, below):
        shutil.copy(pictures / "dark" / "0.png", folder / "a.png")
    monkeypatch.chdir(below)
    files = ["a.png", "../a.png"]
    assert inception(["predict", str(trained), *files, "--explain", "maps"]) == 0
    assert len(list((below / "maps").rglob("*.png"))) == 2


def test_unreadable_files_are_named_and_the_rest_is_answered(
    trained, pictures, tmp_path, capsys
):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    missing, good = tmp_path / "missing.png", pictures / "dark" / "0.png"
    table = tmp_path / "answers.csv"
    files = [str(file) for file in (broken, missing, good)]
    assert inception(["predict", str(trained), *files, "--csv", str(table)]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 and said.out.startswith(f"{good}: ")
    assert len(said.err.splitlines()) == 2 and str(broken) in said.err
    assert pd.read_csv(table)["problem"].notna().tolist() == [True, True, False]


def test_a_wrong_prediction_command_is_one_sentence(trained, tmp_path, capsys):
    for arguments, sentence in (
        ([str(tmp_path), "x.png"], "there is no trained model"),
        ([str(trained)], "name at least one picture or folder"),
        ([str(trained), str(tmp_path)], "there is no file in"),
    ):
        assert inception(["predict", *arguments]) == 2
        assert capsys.readouterr().err.startswith(f"error: {sentence}")


def test_export_writes_the_files_for_other_programs(trained, tmp_path, capsys):
    assert inception(["export", str(trained), str(tmp_path / "use")]) == 0
    names = {path.name for path in (tmp_path / "use").iterdir()}
    assert names == {"model.onnx", "model.pt2", "MODEL_CARD.md"}
    assert "accuracy" in (tmp_path / "use" / "MODEL_CARD.md").read_text()
