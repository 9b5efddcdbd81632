"""A picture of the reader's own: what is shown, and what happens to odd files."""

import ast
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from ipywidgets import HTML, FileUpload, IntSlider
from PIL import Image
from widgets import parts

from inception_lib.teaching.lessons import nb09
from inception_lib.training import Run, TrainingConfig, prepare, solar_cells, split
from inception_lib.training.run import build_model


@pytest.fixture(scope="module")
def run():
    torch.manual_seed(0)
    config = TrainingConfig(image_size=64, aux=False)
    return Run(build_model(config, 2).eval(), config, ("no", "yes"), 0.2)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)


def uploaded(name: str, content: bytes) -> tuple:
    """What a FileUpload's value is after a choice."""
    now = datetime.now(UTC)
    kind = {"type": "image/png", "size": len(content), "last_modified": now}
    return ({"name": name, "content": memoryview(content), **kind},)


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_upload_that_did_not_arrive_is_said(run, picture):
    box = nb09.try_picture(run)
    (button,), (hint, note, _) = parts(box, FileUpload), parts(box, HTML)
    assert "200 MiB" in hint.value
    (file,) = uploaded("mine.png", png(picture))
    button.value = (file | {"size": file["size"] + 1},)
    assert "mine.png arrived in part" in note.value


def test_make_lab_takes_large_uploads():
    """Jupyter's own limit for a message from the browser is 10 MiB."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r'--ServerApp.tornado_settings="(.*)"', makefile)
    assert ast.literal_eval(options) == {"websocket_max_message_size": 200 * 2**20}


@pytest.mark.parametrize("content", [b"", b"not a picture"], ids=["empty", "text"])
def test_what_is_no_picture_is_named_and_the_last_answer_stays(run, picture, content):
    box = nb09.try_picture(run)
    (button,), (_, note, shown) = parts(box, FileUpload), parts(box, HTML)
    button.value = uploaded("mine.png", png(picture))
    before = shown.value
    button.value = uploaded("<odd>.png", content)
    assert "&lt;odd&gt;.png can" in note.value and "/tmp" not in note.value
    assert shown.value == before


@pytest.fixture
def folder(tmp_path, picture):
    (tmp_path / "below").mkdir()
    (tmp_path / "a.png").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes(png(picture))
    (tmp_path / "b.png").write_bytes(png(picture))
    (tmp_path / "below" / "c.jpg").write_bytes(png(picture[:50]))
    (tmp_path / "link.png").symlink_to(tmp_path / "b.png")
    return tmp_path


def test_a_folder_is_walked_through(run, folder):
    box = nb09.browse_folder(run, folder)
    (slider,), shown = parts(box, IntSlider), parts(box, HTML)[-1]
    assert (slider.value, slider.max) == (2, 3) and 'alt="b.png: ' in shown.value
    slider.value = 3
    assert 'alt="below/c.jpg: ' in shown.value
    slider.value = 1
    assert 'alt="below/c.jpg: ' in shown.value
    notes = [part.value for part in parts(box, HTML)[:-1]]
    assert any("a.png can" in note for note in notes)
    assert not any(str(folder) in note for note in notes)


def test_a_folder_without_pictures_is_one_sentence(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*none: check its name"):
        run.answer_folder(tmp_path / "none")
    for show in (Run.answer_folder, nb09.browse_folder):
        with pytest.raises(ValueError, match="no file in .*: put pictures into it"):
            show(run, tmp_path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="is a picture: choose another folder"):
        nb09.browse_folder(run, tmp_path)


def test_the_evidence_adds_up_to_the_answer(run):
    """Its mean, and the biases, are the difference of the two logits (notebook 03)."""
    x = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    probabilities, evidence = nb09.explain(run, x)
    with torch.no_grad():
        logits = run.model(prepare(x, run.pixel_std))[0]
    first, second = probabilities.topk(2).indices.tolist()
    bias = run.model.fc.bias[first] - run.model.fc.bias[second]
    expected = logits[first] - logits[second]
    torch.testing.assert_close(evidence.mean() + bias, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(probabilities, run.predict(x)[0])
    assert not run.model.inception5b._forward_hooks


@pytest.mark.parametrize("data", ["solar-cells", "folder"])
def test_a_third_is_taken_away_where_the_evidence_is_highest(run, data):
    """By hand: evidence in the two upper of six rows; 22 is 64 / 3."""
    run = replace(run, config=replace(run.config, data=data))
    picture = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    evidence = torch.zeros(6, 6)
    evidence[:2] = 1
    x = prepare(picture, run.pixel_std)
    fill = run.fill(picture)
    assert fill.shape == picture.shape and fill.dtype == torch.uint8
    less = x.clone()
    less[..., :22, :] = prepare(fill, run.pixel_std)[..., :22, :]
    with torch.no_grad():
        logits = run.model(torch.cat([x, less]))
    first, second = logits[0].topk(2).indices
    whole, without = logits[:, first] - logits[:, second]
    found = nb09.without_a_third(run, picture, evidence, int(first))
    assert found["whole"] == pytest.approx(whole.item(), abs=1e-4)
    expected = without.item()
    assert found["map's third gone"] == pytest.approx(expected, abs=1e-4)
    assert found["random third gone"] != pytest.approx(expected, abs=1e-4)


def test_the_mean_cell_or_a_blurred_copy_shows_instead(run):
    train, *_ = split(solar_cells(), run.config.split_seed)
    mean = train.resized(64).images.double().mean(0)
    noise = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    shown = run.fill(noise)[0]
    assert (shown - mean).abs().max() <= 0.5001
    other = replace(run, config=replace(run.config, data="folder"))
    blurred = other.fill(noise).float()
    assert blurred.std() < noise.float().std() / 5
    assert abs(blurred.mean() - noise.float().mean()) < 5


def test_a_line_goes_around_the_third_that_is_taken_away(run, monkeypatch):
    evidence = torch.arange(12.0).repeat(12, 1)  # the last third lies right of 8
    answer = torch.tensor([0.4, 0.6]), evidence
    monkeypatch.setattr(nb09, "explain", lambda *_: answer)
    picture = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    for flat in (False, True):
        if flat:
            evidence[:] = 1.0
        figure, _ = nb09.draw_answer(run, picture, "mine.png")
        (line,) = figure.axes[1].collections or [None]
        assert (line is None) == flat
        if line:
            assert line.get_paths()[0].vertices[:, 0] == pytest.approx(42, abs=1)


def test_reliability_tells_its_numbers():
    sure = torch.tensor([[0.1, 0.9]]).repeat(10, 1)
    labels = torch.tensor([1] * 7 + [0] * 3)
    figure, alt = nb09.draw_reliability({"mine": sure}, labels)
    assert "mine is off by 0.200 (confidence, accuracy: 0.90 0.70 of 10)" in alt
    (bar,) = figure.axes[0].containers[0][2]
    low, high = bar.get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx((0.9 * 0.1 / 10) ** 0.5)
