"""The exported files give the run's own answers, in other programs."""

import json
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pandas as pd
import pytest
import torch

from inception_lib.training import Run, TrainingConfig, export
from inception_lib.training.export import model_card, save_for_use
from inception_lib.training.run import build_model

REAL_NETWORKS = True  # every layer is to be computed alike elsewhere


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


def test_in_8_bits_another_program_says_nearly_the_same(run, tmp_path):
    pixels = torch.randint(0, 256, (64, 1, 64, 64), dtype=torch.uint8)
    save_for_use(run, tmp_path, pixels[:48])
    whole, small = (
        onnxruntime.InferenceSession(tmp_path / name)
        for name in ("model.onnx", "model.int8.onnx")
    )
    given = {"pixels": pixels[48:].numpy()}
    (expected,), (found,) = (one.run(None, given) for one in (whole, small))
    assert 1e-6 < abs(found - expected).max() < 0.1
    sizes = [(tmp_path / f"model{kind}.onnx").stat().st_size for kind in ("", ".int8")]
    assert sizes[1] < 0.3 * sizes[0]
    carried = [one.get_modelmeta().custom_metadata_map for one in (whole, small)]
    assert carried[0]["preprocessing"] == carried[1]["preprocessing"]


def test_both_models_carry_what_the_pixels_must_be(folder):
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    carried = session.get_modelmeta().custom_metadata_map["preprocessing"]
    extra = {"preprocessing.json": ""}
    torch.export.load(folder / "model.pt2", extra_files=extra)
    assert extra["preprocessing.json"] == carried
    about = json.loads(carried)
    assert about["input"] == "pixels: N×1×64×64 uint8, 0 to 255"
    assert about["classes"] == ["functional", "defective"]


def test_other_pixels_are_refused_by_the_files(folder):
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    program = torch.export.load(folder / "model.pt2").module()
    pixels = torch.rand(2, 1, 64, 64)
    for wrong in (pixels, (255 * pixels).byte().permute(0, 2, 3, 1)):
        with pytest.raises(Exception, match="(?i)expect"):
            session.run(None, {"pixels": wrong.numpy()})
        with pytest.raises(Exception, match="(?i)expected|guard"):
            program(wrong)


def test_on_a_full_disk_the_old_files_stay(run, tmp_path):
    names = ["model.pt2", "model.onnx", "MODEL_CARD.md"]
    for name in names:
        (tmp_path / name).write_text("old")
    (tmp_path / "model.pt2.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="model.pt2 .No space left.*unchanged; make room"):
        save_for_use(run, tmp_path)
    assert [(tmp_path / name).read_text() for name in names] == ["old"] * 3


def test_a_class_of_any_name_has_a_card(run):
    named = replace(run, classes=("x\udce9", "猫"))
    assert "'x\\udce9', 猫" in model_card(named)
    assert json.loads(export.preprocessing(named).encode())["classes"][1] == "猫"


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
