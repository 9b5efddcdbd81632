"""The exported files give the run's own answers, in other programs."""

from dataclasses import replace
from pathlib import Path

import onnxruntime
import pandas as pd
import pytest
import torch

from inception_lib.training import Run, TrainingConfig, export
from inception_lib.training.export import model_card, save_for_use
from inception_lib.training.run import build_model


@pytest.fixture(scope="module")
def run():
    torch.manual_seed(0)
    config = TrainingConfig(image_size=64)
    model = build_model(config, 2).eval()
    return Run(model, config, ("functional", "defective"), 0.17, pd.DataFrame())


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    tested = replace(run, scores={"test": {"accuracy": 0.8125}})
    return save_for_use(tested, tmp_path_factory.mktemp("use"))


@pytest.mark.parametrize("count", [1, 3])  # the batch is free
def test_other_programs_give_the_same_probabilities(run, folder, count):
    pixels = torch.randint(0, 256, (count, 1, 64, 64), dtype=torch.uint8)
    expected = run.predict(pixels)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (found,) = session.run(["probabilities"], {"pixels": pixels.numpy()})
    torch.testing.assert_close(torch.tensor(found), expected, rtol=0, atol=1e-5)
    program = torch.export.load(folder / "model.pt2").module()
    torch.testing.assert_close(program(pixels), expected, rtol=0, atol=1e-5)


def test_the_card_says_what_a_user_must_know(run, folder):
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for part in ("functional, defective", "N×1×64×64", "accuracy 0.812", "BY-NC-SA"):
        assert part in card
    assert "must be measured (calibration)" in card
    assert "not measured" in model_card(run)


def test_a_measured_calibration_is_on_the_card(run):
    scores = {"test": {"accuracy": 0.8, "calibration_error": 0.0312}}
    card = model_card(replace(run, scores=scores))
    assert "off by 0.031 on average" in card and "must be measured" not in card


def test_the_card_says_what_becomes_of_it_on_new_panels(run):
    record = pd.read_csv(Path(__file__).parents[2] / "benchmarks" / "record.csv")
    default = record[record["recipe"] == "default"]
    means = default.groupby("protocol")[["test_accuracy", "test_roc_auc"]].mean()
    random, panel = (
        " / ".join(f"{score:.3f}" for score in means.loc[p]) for p in ("class", "panel")
    )
    assert f"from {random} to {panel}" in model_card(run)
    config = replace(run.config, split_by="panel")
    assert "that it has never seen" in model_card(replace(run, config=config))
    folder = replace(run.config, data="my_pictures")
    assert "anels" not in model_card(replace(run, config=folder))


def test_without_onnx_nothing_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs onnx and onnxscript: pip install"):
        save_for_use(run, tmp_path)
    assert list(tmp_path.iterdir()) == []
