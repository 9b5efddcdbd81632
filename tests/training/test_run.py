"""One road from a picture to its probabilities, whoever walks it."""

import os
import shutil
from dataclasses import replace
from itertools import product

import pytest
import torch
from PIL import Image

from inception_lib.model import serving
from inception_lib.teaching.lessons import nb09
from inception_lib.training import (
    Run,
    TrainingConfig,
    image_folder,
    image_stream,
    load_picture,
    load_run,
    prepare,
    save_run,
)
from inception_lib.training import (
    run as library,
)
from inception_lib.training.export import export_program
from inception_lib.training.run import build_model
from inception_lib.training.views import VIEWS

REAL_NETWORKS = True  # every layer is to be computed alike elsewhere


@pytest.fixture(scope="module", params=["solar-cells", "photographs"])
def run(request):
    torch.manual_seed(0)
    config = TrainingConfig(image_size=64, batch_norm=True, data=request.param)
    model = build_model(config, 2)
    for _ in range(3):  # statistics of their own
        model(torch.randn(8, 3, 64, 64))
    return Run(model.eval(), config, ("dark", "light"), 0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of two pictures each, of the network's size and larger."""
    root = tmp_path_factory.mktemp("pictures")
    rng = torch.Generator().manual_seed(0)
    for name, side in product(("dark", "light"), (64, 90)):
        pixels = torch.randint(0, 256, (side, side), dtype=torch.uint8, generator=rng)
        (root / name).mkdir(exist_ok=True)
        Image.fromarray(pixels.numpy()).save(root / name / f"{side}.png")
    return root


def by_hand(run: Run, images: torch.Tensor, flips) -> torch.Tensor:
    """Plain PyTorch: the mean of the softmax over the flipped images."""
    with torch.no_grad():
        answers = [
            run.model(prepare(images.flip(dims), run.pixel_std)).softmax(1)
            for dims in flips
        ]
    return torch.stack(answers).mean(0)


def test_every_road_gives_the_same_probabilities(run, folder):
    files = sorted(folder.rglob("*.png"))
    pixels = torch.cat([load_picture(file, 64)[:, : run.channels] for file in files])
    flips = [(), (3,), (2,), (2, 3)] if run.channels == 1 else [(), (3,)]
    expected = by_hand(run, pixels, flips)
    roads = {
        "tensor": run.predict(pixels),
        "set": run.predict(image_folder(folder, 64)),
        "stream": run.predict(image_stream(folder, 64, workers=1)),
        "folder": run.predict(folder),
        "paths": run.predict(files),
        "a path each": torch.cat([run.predict(str(file)) for file in files]),
        "answers": torch.stack([a.probabilities for a in run.answers(folder)]),
        "notebook": torch.stack([nb09.explain(run, p[None])[0] for p in pixels]),
        "exported": export_program(run).module()(pixels),
    }
    for name, found in roads.items():
        torch.testing.assert_close(
            found, expected, rtol=0, atol=1e-5, msg=f"{name} differs"
        )
    table = run.answer_folder(folder)
    best = expected.max(1).values
    assert table["probability"].tolist() == pytest.approx(best.tolist(), abs=1e-3)


def test_views_are_looks_at_the_same_picture(run):
    images = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8)
    flips = {"one": [()], "horizontal": [(), (3,)], "both": [(), (3,), (2,), (2, 3)]}
    for name, dims in flips.items():
        found = run.predict(images, views=name)
        torch.testing.assert_close(found, by_hand(run, images, dims), atol=1e-5, rtol=0)
    turned = torch.cat([images, images.transpose(2, 3)])
    eight = run.predict(turned, views="both").unflatten(0, (2, 3)).mean(0)
    found = run.predict(images, views="dihedral")
    torch.testing.assert_close(found, eight, atol=1e-5, rtol=0)
    for name in VIEWS:
        assert run.predict(images, views=name).sum(1) == pytest.approx([1] * 3)
    with pytest.raises(ValueError, match="views must be one of one, horizontal"):
        run.predict(images, views="mirrored")


def test_crops_of_a_file_are_cut_from_enough_pixels(run, folder, monkeypatch):
    sides = []

    def noted(path, side, full_scale):
        sides.append(side)
        return load_picture(path, side, full_scale)

    monkeypatch.setattr(library, "load_picture", noted)
    assert run.predict(folder / "dark" / "90.png", views="paper").shape == (1, 2)
    assert sides == [round(64 * 352 / 224)]


def test_the_network_is_made_ready_once(run, folder, monkeypatch):
    calls = []

    def noted(model):
        calls.append(1)
        return folded(model)

    folded = serving.folded
    monkeypatch.setattr(serving, "folded", noted)
    monkeypatch.setattr(library, "BATCH", 1)
    run.predict(image_stream(folder, 64, workers=1))
    run.predict(folder)
    assert len(calls) == 2


def test_what_is_no_picture_is_named(run, folder, tmp_path):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(ValueError, match="a.png can't be used as a picture"):
        run.predict(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file .*none.png"):
        run.predict(tmp_path / "none.png")
    answers = list(run.answers([tmp_path / "a.png", folder / "dark" / "64.png"]))
    assert "a.png can't" in answers[0].problem and answers[0].probabilities is None
    assert answers[1].problem == "" and answers[1].pixels.shape[-2:] == (64, 64)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (torch.rand(2, 3, 64, 64), "uint8, pixels of 0 to 255, got torch.float32"),
        (torch.zeros(2, 64, 64, 3).byte(), "channels last: hand over x.permute"),
        (torch.zeros(3, 64, 64).byte(), "N×3×H×W, got 3×64×64"),
    ],
)
def test_other_numbers_than_pixels_are_refused(run, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        run.predict(wrong)


def test_a_saved_run_is_found_by_folder_by_file_and_at_home(run, tmp_path, monkeypatch):
    """Without a history, too, and with a class that is no valid UTF-8."""
    monkeypatch.setenv("HOME", str(tmp_path))
    named = replace(run, classes=("x\udce9", "猫"))
    assert save_run(named, "~/mine") == tmp_path / "mine"
    for place in ("~/mine", tmp_path / "mine" / "model.safetensors"):
        loaded = load_run(place)
        assert loaded.classes == named.classes and loaded.history.empty
    for name in ("weights.pth", "model.pt"):
        with pytest.raises(ValueError, match=f"{name} is no run .*from_torchvision"):
            load_run(tmp_path / name)


def test_a_file_of_any_name_is_answered(run, folder, tmp_path, monkeypatch):
    """Undecodable bytes, a dollar, a new line, ~ for the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (b"x\xe9.png", b"a\nb.png", b"$1.png"):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        shutil.copy(folder / "dark" / "64.png", path)
    table = run.answer_folder("~")
    names = ["$1.png", "'a\\nb.png'", "'x\\udce9.png'"]
    assert list(table.index) == names and (table["problem"] == "").all()
    assert table.to_html().encode()
    nb09.browse_folder(run, "~")
    assert len(run.predict("~")) == 3


def test_grey_is_what_a_grey_run_sees(run):
    colour = torch.tensor([30, 60, 90]).byte()[None, :, None, None].expand(1, 3, 80, 80)
    fitted = run.fitted(colour)
    assert fitted.shape == (1, run.channels, 64, 64)
    if run.channels == 1:
        assert set(fitted.unique().tolist()) == {60}


def test_runs_of_earlier_versions_have_the_channels_of_their_data():
    config = TrainingConfig(image_size=64)
    model = build_model(config, 2)
    for data, channels in {"solar-cells": 1, "folder": 3}.items():
        assert (
            Run(model, replace(config, data=data), ("a", "b"), 1).channels == channels
        )
