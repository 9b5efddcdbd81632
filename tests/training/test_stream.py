"""Pictures read from disk as they are needed: the same pictures, in little memory."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from signal import SIGINT, SIGKILL

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from test_loop import CONFIG, same
from warm_start import await_checkpoint

from inception_lib.training import fit, image_folder, pixel_std, split
from inception_lib.training.augment import Augment, PaperCrops
from inception_lib.training.stream import image_stream

WHOLE = slice(None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Coloured pictures of odd shapes, a broken one and one that is no picture."""
    root = tmp_path_factory.mktemp("pictures with spaces äöü")
    rng = np.random.default_rng(0)
    for name, level in {"dämmerung": 60, "tag": 190}.items():
        (root / name).mkdir()
        for i in range(12):
            shape = (64 + i, 80 - i, 3)
            pixels = rng.normal(level, 30, shape).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    cut_off = (root / "tag" / "3.png").read_bytes()[:500]
    (root / "tag" / "broken.png").write_bytes(cut_off)
    (root / "tag" / "notes.txt").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module")
def stream(folder, said):
    return image_stream(folder, 64, said.append)


def whole_batch(stream, augment, share=WHOLE):
    batches = [torch.arange(len(stream))]
    return next(iter(stream.batches(batches, augment, share)))


def test_its_pictures_are_those_of_the_folder_in_memory(folder, stream, said):
    messages: list[str] = []
    memory = image_folder(folder, 64, messages.append)
    assert said == messages and "2 skipped" in said[0]
    assert len(stream) == len(memory) == 24
    assert stream.classes == memory.classes
    assert torch.equal(stream.labels, memory.labels)
    assert torch.equal(stream.targets, memory.targets)
    assert torch.cat(list(stream.pictures(torch.arange(24)))).equal(memory.images)
    assert pixel_std(stream) == pytest.approx(pixel_std(memory))
    p = torch.rand(24, 2).softmax(1)
    assert stream.cross_entropy(p) == memory.cross_entropy(p)
    for mine, theirs in zip(split(stream), split(memory), strict=True):
        images = torch.cat(list(mine.pictures(torch.arange(len(mine)))))
        assert images.equal(theirs.images) and mine.labels.equal(theirs.labels)


def test_joined_and_resized(stream):
    first, second, _ = split(stream)
    joined = first.joined(second).resized(20)
    assert joined.index.tolist() == first.index.tolist() + second.index.tolist()
    assert next(iter(joined.pictures(torch.arange(3)))).shape == (3, 3, 20, 20)


def test_grey_pictures_have_one_channel(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), (50, 50, 50)).save(tmp_path / name / "1.png")
    grey = image_stream(tmp_path, 8, workers=1)
    assert next(iter(grey.pictures(torch.arange(2)))).shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match="one flat grey"):
        pixel_std(grey)


@pytest.mark.parametrize("wrong", ["missing", "empty", "one class"])
def test_a_folder_without_classes_shows_the_layout(wrong, tmp_path):
    if wrong != "missing":
        (tmp_path / "data" / "cats").mkdir(parents=True)
    if wrong == "one class":
        Image.new("L", (9, 9)).save(tmp_path / "data" / "cats" / "1.png")
    with pytest.raises((ValueError, FileNotFoundError), match="dogs/1.jpg"):
        image_stream(tmp_path / "data")


@pytest.mark.parametrize("augment", [Augment((3,)), PaperCrops(32)])
def test_shares_of_processes_add_up_to_the_batch_of_one(stream, augment):
    torch.manual_seed(3)
    images, targets, labels = whole_batch(stream, augment)
    assert torch.equal(labels, stream.labels) and targets.argmax(1).equal(labels)
    for rank in range(2):
        torch.manual_seed(3)
        share = slice(rank, None, 2)
        own, _, own_labels = whole_batch(stream, augment, share)
        assert own.equal(images[share]) and own_labels.equal(labels[share])
    assert not whole_batch(stream, augment)[0].equal(images)  # another epoch


def test_the_number_of_workers_changes_nothing(folder, stream):
    config = replace(
        CONFIG,
        augmentation="paper",
        schedule="paper",
        epochs=1,
        aux=False,
        image_size=32,
    )
    one = image_stream(folder, 64, report=lambda _: None, workers=1)
    runs = []
    for data in (stream, one):
        train, validation, test = split(data)
        run = fit(train, validation, config, progress=None)
        runs.append(run)
        assert len(run.predict(test)) == len(test)
    assert same(*runs) and runs[0].history.equals(runs[1].history)


def test_a_picture_that_vanishes_is_one_sentence(folder, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (9, 9)).save(tmp_path / name / "1.png")
    data = image_stream(tmp_path, 8, workers=1)
    (tmp_path / "b" / "1.png").unlink()
    with pytest.raises(ValueError, match="b/1.png could be read when the training"):
        list(data.pictures(torch.arange(2)))
    # And a worker that is killed, by a system without memory, is another sentence.
    Image.new("L", (9, 9)).save(tmp_path / "b" / "1.png")
    (worker,) = data.loader.workshop._iterator._workers
    os.kill(worker.pid, SIGKILL)
    with pytest.raises(ChildProcessError, match="that reads pictures has died"):
        list(data.pictures(torch.arange(2)))
    assert len(next(data.pictures(torch.arange(2)))) == 2  # by a new one


@pytest.mark.parametrize("moment", ["workers start", "training"])
def test_ctrl_c_is_for_the_process_that_trains(moment, warm, few_pictures, tmp_path):
    """A terminal sends it to the workers, too."""
    options = "--stream --workers 1 --image-size 32 --no-aux --no-grow --batch-size 8"
    command = ["--data", few_pictures, *options.split(), "--epochs", 500]
    pid = warm.start(*command, "--out", tmp_path, own_group=True)
    if moment == "training":
        await_checkpoint(tmp_path)
        said = "interrupted: these are the numbers of the weights so far"
    else:
        end = time.monotonic() + 60
        trains = psutil.Process(pid)
        while not any("spawn_main" in str(c.cmdline()) for c in trains.children()):
            assert time.monotonic() < end, "no worker appeared"
            time.sleep(0.01)
        said = "interrupted: nothing was kept"
    os.killpg(pid, SIGINT)
    assert warm.wait(pid) == 130
    assert said in warm.said(pid) and "Traceback" not in warm.said(pid)
    assert (tmp_path / "model.safetensors").exists() == (moment == "training")


def test_memory_does_not_grow_with_the_pictures(tmp_path):
    """1,200 images that would take 236 MB are walked through in less than 60, in a
    process of its own: here, other tests have left memory in pieces.
    """
    Image.new("RGB", (16, 16), (10, 90, 200)).save(tmp_path / "one.png")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(600):
            (tmp_path / name / f"{i}.png").hardlink_to(tmp_path / "one.png")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        n, grown, kept = pool.submit(walk_through, tmp_path).result()
    assert n == 1200
    assert grown < 60e6
    assert kept < 50 * n


def walk_through(folder: Path) -> tuple[int, int, int]:
    """How many pictures there are, the bytes that it took, and those that are kept."""
    process = psutil.Process()
    before, most, n = process.memory_info().rss, 0, 0
    data = image_stream(folder, 256, report=lambda _: None, workers=1)
    order = torch.randperm(len(data)).split(32)
    for images, _, _ in data.batches(order, Augment((3,)), WHOLE):
        assert images.sum() > 0  # a page that is never read takes no memory
        n += len(images)
        most = max(most, process.memory_info().rss)
    kept = (data.loader.pictures.folder.files, data.index, data.labels, data.variance)
    return n, most - before, sum(part.nbytes for part in kept)


def test_patches_have_the_papers_areas_and_sides():
    """Read off two ramps: how far they still rise across the patch."""
    size, n = 200, 300
    ramp = torch.arange(size, dtype=torch.uint8).expand(size, size)
    picture = torch.stack([ramp, ramp.T, torch.zeros_like(ramp)])
    crop = PaperCrops(50, ()).transform.transforms[0]
    torch.manual_seed(0)
    patches = torch.stack([crop(picture) for _ in range(n)]).float()
    # 50 pixels across: from the middle of the first to the middle of the last.
    wide = (patches[:, 0, 25, -2] - patches[:, 0, 25, 1]) * 50 / 47
    high = (patches[:, 1, -2, 25] - patches[:, 1, 1, 25]) * 50 / 47
    area, ratio = wide * high / size**2, wide / high
    assert 0.06 < area.min() < 0.12 and 0.9 < area.max() < 1.03
    assert 0.4 < area.median() < 0.62  # evenly distributed
    assert 0.7 < ratio.min() < 0.8 and 1.25 < ratio.max() < 1.4


def test_brightness_is_halved_to_half_as_much_again():
    flat = torch.full((300, 3, 8, 8), 100, dtype=torch.uint8)
    torch.manual_seed(0)
    levels = PaperCrops(8)(flat).float().mean((1, 2, 3))
    assert 47 <= levels.min() < 55 and 145 < levels.max() <= 151  # rounded on the way
    assert PaperCrops(8)(flat[:, :1]).shape == (300, 1, 8, 8)


def test_patches_are_mirrored_half_the_time():
    ramp = torch.arange(100, dtype=torch.uint8).expand(1, 100, 100)
    torch.manual_seed(0)
    patches = PaperCrops(20, (3,))(ramp.expand(200, 1, 100, 100)).float()
    falling = (patches[:, 0, 10, 0] > patches[:, 0, 10, -1]).sum()
    assert 60 < falling < 140
