"""Folders as people bring them: splits of their own, litter, copies, links, 12 bits."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_pictures import deep_png

from inception_lib.training import (
    ImageSet,
    Run,
    TrainingConfig,
    fit,
    image_folder,
    image_stream,
    load_picture,
    load_run,
    save_run,
    split,
)
from inception_lib.training.command import train_main
from inception_lib.training.export import model_card
from inception_lib.training.folder import PARTS, is_litter, part_of
from inception_lib.training.run import build_model, picture_files

RNG = np.random.default_rng(0)


def draw(path: Path, top: int = 256) -> Path:
    """A picture like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = np.uint8 if top == 256 else np.uint16
    Image.fromarray(RNG.integers(0, top, (24, 24)).astype(kind)).save(path)
    return path


def fill(root: Path, *folders: str, n: int = 3) -> Path:
    for folder in folders:
        for i in range(n):
            draw(root / folder / f"{i}.png")
    return root


def read(root: Path, reader=image_folder, **options):
    said: list[str] = []
    data = reader(root, 24, said.append, **options)
    assert len(said) < 2
    return data, "".join(said)


def refused(root: Path) -> str:
    messages = []
    for reader in (image_folder, image_stream):
        with pytest.raises(ValueError) as caught:
            reader(root, 24)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    return messages[0]


# --- a split of one's own -------------------------------------------------------------

ALL = ("train/cats", "train/dogs", "valid/cats", "valid/dogs", "test/cats", "test/dogs")


@pytest.mark.parametrize("reader", [image_folder, image_stream])
@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Training", "VAL", "Testing"),
        ("train2017", "val2017", "test2017"),
        ("training_set", "validation set", "test-set"),
        ("pets_train", "pets_validation", "pets_test"),
    ],
    ids=str,
)
def test_a_split_is_used_as_it_is(reader, names, tmp_path):
    for name, n in zip(names, (5, 2, 3), strict=True):
        fill(tmp_path, f"{name}/cats", f"{name}/dogs", n=n)
    data, said = read(tmp_path, reader)
    assert data.classes == ("cats", "dogs")
    assert "the split is the folder's own: 10 train, 4 validation, 6 test" in said
    parts = split(data, seed=3)
    assert [len(part) for part in parts] == [10, 4, 6]
    for part, name in zip(parts, PARTS, strict=True):
        assert set(part.parts) == {name}
        assert part.labels.bincount().tolist() == [len(part) // 2] * 2
    if reader is image_folder:
        for part, name in zip(parts, names, strict=True):
            assert {Path(file).parts[0] for file in part.names} == {name}
    assert split(parts.train, seed=1).test.labels.tolist() == [0, 1]  # once more


@pytest.mark.parametrize("given", ["validation", "test"])
def test_a_part_that_is_missing_is_drawn_from_train(given, tmp_path):
    fill(tmp_path, "train/cats", "train/dogs", n=8)
    fill(tmp_path, f"{given}/cats", f"{given}/dogs", n=3)
    data, said = read(tmp_path)
    drawn = "test" if given == "validation" else "validation"
    assert f"16 train, 6 {given} pictures; {drawn}: drawn from train" in said
    parts = split(data)._asdict()
    assert set(parts[given].parts) == {given} and len(parts[given]) == 6
    assert set(parts[drawn].parts) == {"train"} and len(parts[drawn]) == 4
    assert len(parts["train"]) == 12


def test_a_split_inside_each_class(tmp_path):
    fill(tmp_path, "cats/train", "cats/test", "dogs/train", "dogs/test", n=4)
    data, _ = read(tmp_path)
    assert data.classes == ("cats", "dogs")
    assert all("/test/" in name for name in split(data).test.names)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("birds",), "the parts of a split, test and train and valid, lie beside"),
        (("validation/cats", "validation/dogs"), "name the same part twice"),
        (("test/birds",), "different classes: test has birds, cats, dogs; train has"),
        (("train/birds",), "validation has cats, dogs"),
    ],
    ids=str,
)
def test_a_mixture_is_refused_with_the_layout(folders, words, tmp_path):
    message = refused(fill(tmp_path, *ALL, *folders, n=1))
    assert words in message and f"{tmp_path}/validation/cats/2.jpg" in message


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train/cats", "train/dogs", "test"), "take --data {root}/train"),
        (("train", "test"), "hold pictures, not class folders"),
        (("val/cats", "val/dogs", "test/cats", "test/dogs"), "no folder train"),
        (("cats/train", "cats/test", "dogs"), "some classes are split into parts"),
        (("a", "b", "all/a", "all/b"), "all holds the classes a and b again"),
    ],
    ids=str,
)
def test_half_a_split_is_refused(folders, words, tmp_path):
    message = refused(fill(tmp_path, *folders, n=1))
    assert words.format(root=tmp_path) in message
    assert f"{tmp_path}/train/dogs/1.jpg" in message


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, "train", "car", "plane")
    data, said = read(tmp_path)
    assert data.classes == ("car", "plane", "train") and data.parts == () and not said


def test_names_of_parts():
    names = {"TRAIN": "train", "Valid": "validation", "dev": "validation"}
    names |= {"test_images": "test", "01_train": "train", "trainset": "train"}
    names |= {"trains": "", "contest": "", "value": "", "strain": "", "cats": ""}
    assert {name: part_of(name) for name in names} == names


def test_the_command_trains_and_measures_on_the_split(tmp_path, capsys):
    fill(tmp_path / "data", "train/cats", "train/dogs", n=4)
    fill(tmp_path / "data", "val/cats", "val/dogs", "test/cats", "test/dogs", n=2)
    options = "--image-size 32 --no-aux --no-grow --batch-size 4 --epochs 1"
    command = ["--data", str(tmp_path / "data"), *options.split()]
    command += ["--precision", "float32", "--out", str(tmp_path / "run")]
    assert train_main(command) == 0
    said = capsys.readouterr().out
    assert "8 train, 4 validation, 4 test" in said
    assert "8 training, 4 validation, 4 test images, classes cats, dogs" in said


# --- classes elsewhere, litter, nothing in them ---------------------------------------


@pytest.mark.parametrize("around", ["pets", "pets/pets", "images", "a/b c/d"])
def test_classes_that_lie_deeper_are_found(around, tmp_path):
    root = fill(tmp_path, f"{around}/cats", f"{around}/dogs")
    (root / "annotations").mkdir()
    (root / "annotations" / "1.xml").write_text("<a/>")
    message = refused(root)
    (command,) = (word for word in message.splitlines() if "to lie deeper" in word)
    path = command.partition("--data ")[2].strip("'")
    assert path == str(root / around) and len(image_folder(path, 8)) == 6


def test_a_split_that_lies_deeper_is_found(tmp_path):
    fill(tmp_path, "data/train/cats", "data/train/dogs", "data/test/cats")
    assert f"--data {tmp_path}/data" in refused(tmp_path)
    fill(tmp_path / "only", "train/cats", "train/dogs")
    assert f"--data {tmp_path}/only/train" in refused(tmp_path / "only")


def test_one_of_the_classes_is_not_the_folder(tmp_path):
    fill(tmp_path, "pets/cats", "pets/dogs")
    assert f"take --data {tmp_path}/pets\n" in refused(tmp_path / "pets" / "cats")


LITTER = """@eaDir #recycle lost+found $RECYCLE.BIN .Trash-1000 .thumbnails .dtrash
@Recycle #snapshot RECYCLER FOUND.000 __MACOSX .Trashes .picasaoriginals""".split()
LITTER += ["System Volume Information", "Network Trash Folder"]


@pytest.mark.parametrize("folder", LITTER)
def test_what_a_system_leaves_behind_is_no_picture(folder, tmp_path):
    fill(tmp_path, "cats", "dogs")
    fill(tmp_path, folder, f"cats/{folder}", f"dogs/deep/{folder}/again")
    data, said = read(tmp_path)
    assert len(data) == 6 and data.classes == ("cats", "dogs")
    assert f"left behind by a system or a program: {folder}, cats/{folder}" in said
    assert len(picture_files(tmp_path)) == 6


def test_files_that_a_system_leaves_behind(tmp_path):
    fill(tmp_path, "cats", "dogs", n=1)
    for name in ("Thumbs.db", "desktop.ini", "ehthumbs_vista.db", "Picasa.ini"):
        (tmp_path / "cats" / name).touch()
    assert "4 × left behind by a system or a program: cats/" in read(tmp_path)[1]
    assert not any(map(is_litter, ["cats", "$1", "#1", "@home", "found", "trash"]))


def test_a_class_without_a_picture_is_named(tmp_path):
    fill(tmp_path, "cats", "dogs")
    (tmp_path / "birds").mkdir()
    heic = b"\0\0\0\x18ftypheic" + bytes(99)
    (tmp_path / "fish").mkdir()
    (tmp_path / "fish" / "IMG_1.HEIC").write_bytes(heic)
    data, said = read(tmp_path)
    assert data.classes == ("cats", "dogs")
    left_out = "is left out, it has no picture that can be read"
    assert f"class 'birds' {left_out} (empty): put some into birds" in said
    assert f"class 'fish' {left_out} (HEIC or AVIF, which Pillow can't decode:" in said
    assert "1 × HEIC or AVIF, which Pillow can't decode: save it as JPEG: fish/" in said


# --- copies ---------------------------------------------------------------------------


@pytest.mark.parametrize("reader", [image_folder, image_stream])
def test_copies_stay_on_one_side_and_are_named(reader, tmp_path):
    fill(tmp_path, "cats", "dogs", n=12)
    for i in range(9):
        copy = tmp_path / "cats" / f"{i} (copy).png"
        (
            copy.hardlink_to
            if i % 2
            else lambda path, c=copy: c.write_bytes(path.read_bytes())
        )(tmp_path / "cats" / f"{i}.png")
    with Image.open(tmp_path / "cats" / "10.png") as image:
        image.save(tmp_path / "dogs" / "again.bmp")  # other bytes, the same pixels
    data, said = read(tmp_path, reader)
    assert "10 × a copy (the same pixels), which a split keeps on one side: " in said
    assert "cats/0 (copy).png = cats/0.png" in said
    torn = "1 × the same picture in several classes at once, so a label must be wrong: "
    assert torn + "cats/10.png = dogs/again.bmp" in said
    for seed in range(5):
        parts = split(data, seed)
        seen = [
            {bytes(row) for row in part_pixels(part).flatten(1).numpy()}
            for part in parts
        ]
        assert sum(map(len, seen)) == len(set.union(*seen)) == 24
        assert sum(map(len, parts)) == len(data) == 34


def part_pixels(part) -> torch.Tensor:
    if isinstance(part, ImageSet):
        return part.images
    # As a worker reads them, without starting one.
    pixels = part.loader.pictures[part.index.numpy(), 24, None, 0]
    return torch.as_tensor(pixels)


def test_copies_across_a_split_of_ones_own_are_said(tmp_path):
    fill(tmp_path, *ALL)
    (tmp_path / "test/cats/x.png").hardlink_to(tmp_path / "train/cats/0.png")
    data, said = read(tmp_path)
    words = "1 × the same picture in several parts of the split, which flatters its"
    assert f"{words} scores: test/cats/x.png = train/cats/0.png" in said
    assert [len(part) for part in split(data)] == [6, 6, 7]


def test_too_few_different_pictures(tmp_path):
    fill(tmp_path, "cats", "dogs")
    for i in (1, 2):
        (tmp_path / "cats" / f"{i}.png").unlink()
        (tmp_path / "cats" / f"{i}.png").hardlink_to(tmp_path / "cats" / "0.png")
    with pytest.raises(ValueError, match=r"too few images, 1: 3 .*copies count once"):
        split(read(tmp_path)[0])


# --- links ----------------------------------------------------------------------------


@pytest.mark.parametrize("reader", [image_folder, image_stream])
def test_links_are_followed_if_asked_for(reader, tmp_path):
    fill(tmp_path / "cache", "x", "y")
    root = tmp_path / "data"
    (root / "cats").mkdir(parents=True)
    for i in range(3):
        (root / "cats" / f"{i}.png").symlink_to(tmp_path / "cache" / "x" / f"{i}.png")
    (root / "dogs").symlink_to(tmp_path / "cache" / "y")
    (root / "cats" / "loop").symlink_to(root)
    (root / "cats" / "gone.png").symlink_to("nowhere")
    data, said = read(root, reader, follow_links=True)
    assert data.classes == ("cats", "dogs") and len(data) == 6
    assert "1 × a broken link: cats/gone.png" in said
    assert "a link to a folder that is read already: cats/loop" in said
    message = refused(root)
    assert "6 × links are not followed: " in message and "--follow-links" in message
    with pytest.raises(ValueError, match="links are not followed: name the files"):
        picture_files(root)


# --- 12 bits in 16 --------------------------------------------------------------------


def deep_folder(root: Path, top: int, suffix: str = "tif") -> Path:
    for name in ("broken", "whole"):
        for i in range(4):
            draw(root / name / f"{i}.{suffix}", top)
    return root


@pytest.mark.parametrize("reader", [image_folder, image_stream])
@pytest.mark.parametrize(
    ("top", "suffix", "white"),
    [(3900, "tif", 4095), (3900, "png", 4095), (1000, "png", 1023), (65536, "tif", 0)],
)
def test_the_range_of_16_bits_is_found(reader, top, suffix, white, tmp_path):
    deep_folder(tmp_path, top, suffix)
    data, said = read(tmp_path, reader)
    assert data.full_scale == (white or 65535)
    assert (f"in pictures of 16 bits, {white} is white" in said) == bool(white)
    pixels = part_pixels(data)[0, 0].numpy()
    raw = np.asarray(Image.open(tmp_path / "broken" / f"0.{suffix}")).astype(float)
    assert (pixels == np.rint(raw / data.full_scale * 255)).all()
    assert len(np.unique(pixels)) > 200


def test_12_bits_in_colour(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        raw = RNG.integers(0, 4096, (24, 24, 3)).astype(np.uint16)
        (tmp_path / name / "1.png").write_bytes(deep_png(raw, 2))
    data, _ = read(tmp_path)
    pixels = data.images[1].permute(1, 2, 0).numpy()
    assert data.full_scale == 4095
    assert (pixels == np.rint(raw / 4095 * 255)).all()


def test_the_range_goes_with_the_run(tmp_path):
    """Training, prediction, file and model card: the same scale everywhere."""
    data, _ = read(deep_folder(tmp_path / "data", 3900))
    config = TrainingConfig(
        str(tmp_path / "data"), 32, 1, False, 4, aux=False, precision="float32"
    )
    run = fit(data.resized(32), None, config, progress=None)
    assert run.full_scale == 4095 and "value × 255 / 4095" in model_card(run)
    save_run(run, tmp_path / "run")
    again = load_run(tmp_path / "run")
    assert again.full_scale == 4095
    file = tmp_path / "data" / "broken" / "0.tif"
    pixels = load_picture(file, 32, 4095)[:, :1]
    assert pixels.float().mean() > 100
    expected = again.predict(pixels)
    assert torch.equal(again.predict(file), expected)
    (answer,) = again.answers(file)
    torch.testing.assert_close(answer.probabilities, expected[0], rtol=0, atol=0)
    assert torch.equal(again.predict([file]), expected)


def test_the_range_can_be_asked_for(tmp_path):
    data, said = read(deep_folder(tmp_path, 2000), full_scale=4095)
    assert data.full_scale == 4095 and data.images.max() < 128
    assert "4095 is white" in said
    with pytest.raises(ValueError, match="full_scale must be 255 to 65535, or 0"):
        read(tmp_path, full_scale=7)
    with pytest.raises(ValueError, match="full_scale must be 0, or 255 to 65535"):
        TrainingConfig(full_scale=70_000)


def test_another_camera_is_noticed(tmp_path):
    """16 bits shown to a network of 12: white, but no picture."""
    run = Run(
        build_model(TrainingConfig(image_size=64), 2), TrainingConfig(), ("", ""), 1
    )
    run.full_scale = 4095
    with pytest.raises(ValueError, match="mostly above 4095, the white"):
        run.predict(draw(tmp_path / "16.png", 65536))


# --- large photographs ----------------------------------------------------------------


def test_a_telephone_s_200_megapixels_are_decoded_small(tmp_path):
    path = tmp_path / "108.jpg"
    Image.new("RGB", (16_320, 12_240), (200, 30, 40)).save(path)
    assert (
        load_picture(path, 64)[0, :, 9, 9] - torch.tensor([200, 30, 40])
    ).abs().max() < 4
    Image.new("L", (16_320, 12_240)).save(
        tmp_path / "progressive.jpg", progressive=True
    )
    with pytest.raises(ValueError, match="too large, over 89 million pixels"):
        load_picture(tmp_path / "progressive.jpg", 64)


def test_names_that_are_no_text(tmp_path):
    """Bytes that aren't UTF-8, in class and file names."""
    fill(tmp_path, "a", os.fsdecode(b"Stra\xdfe"))
    (tmp_path / os.fsdecode(b"Stra\xdfe") / "copy.png").hardlink_to(
        tmp_path / "a" / "0.png"
    )
    data, said = read(tmp_path)
    assert len(data.classes) == 2 and said.encode()
