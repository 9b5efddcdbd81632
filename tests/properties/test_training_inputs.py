"""Configurations, image sets, augmentation, scores, the split and the readers."""

import io
import math
import os
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from wrong import NO_COUNT, NO_FLAG, NO_RATE

from inception_lib.training import (
    Augment,
    ImageSet,
    TrainingConfig,
    image_folder,
    load_run,
    split,
)
from inception_lib.training.checkpoint import read_tensors, write_tensors
from inception_lib.training.pictures import load_picture


def one_sentence(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert message and len(message) < 400, message
    return message


# --- the configuration ----------------------------------------------------------------

DEFAULT = TrainingConfig()
COUNTS = ["image_size", "epochs", "batch_size", "accumulate", "workers"]
RIGHT = {
    **dict.fromkeys(COUNTS, st.integers(1, 10**6)),
    **dict.fromkeys(["seed", "split_seed"], st.integers(0, 2**32 - 1)),
    "full_scale": st.just(0) | st.integers(255, 65535),
    "lr": st.none() | st.floats(1e-9, 1e9),
    "weight_decay": st.none() | st.floats(0, 1e9),
    "minutes": st.none() | st.floats(1e-9, 1e9),
    "data": st.text(min_size=1),
    "weights": st.text(),
    "stage_lr": st.floats(0, 1, exclude_min=True),
    "checkpoint_minutes": st.integers(0, 10**6) | st.floats(0, 1e9),
}


KINDS = get_type_hints(TrainingConfig)


def right(f) -> st.SearchStrategy:
    if get_origin(KINDS[f.name]) is Literal:
        return st.sampled_from(get_args(KINDS[f.name]))
    return RIGHT.get(f.name, st.booleans())


@given(st.fixed_dictionaries({f.name: right(f) for f in fields(TrainingConfig)}))
def test_every_right_configuration_is_kept_as_it_is(options):
    cells = options["data"] == "solar-cells"
    options["stream"] &= not cells  # reads a folder
    options["batch_size"] *= 2 * options["accumulate"]  # two images in a part
    options["split_by"] = options["split_by"] if cells else "class"
    config = TrainingConfig(**options)
    assert vars(config) == options
    assert config.peak_lr > 0 and config.decay >= 0
    assert set(config.flip_dims) <= {2, 3}


ANYTHING = st.one_of(NO_COUNT, NO_FLAG, NO_RATE, st.integers(), st.text(max_size=3))


def is_right(name: str, value) -> bool:
    """The rules once more, written another way."""
    f = {f.name: f for f in fields(TrainingConfig)}[name]
    if get_origin(KINDS[name]) is Literal:
        return isinstance(value, str) and value in get_args(KINDS[name])
    if name in ("lr", "minutes", "weight_decay"):
        if value is None:
            return True
        number = type(value) in (int, float) and math.isfinite(value)
        return number and (value >= 0 if name == "weight_decay" else value > 0)
    if name == "stage_lr":
        return type(value) in (int, float) and 0 < value <= 1
    if name == "checkpoint_minutes":
        return type(value) in (int, float) and math.isfinite(value) and value >= 0
    if type(value) is not type(f.default):
        return False
    if name in COUNTS:
        return value >= 1 and (name != "accumulate" or DEFAULT.batch_size % value == 0)
    if name == "full_scale":
        return value == 0 or value in range(255, 65536)
    return 0 <= value < 2**32 if "seed" in name else True


@pytest.mark.parametrize("name", [f.name for f in fields(TrainingConfig)])
@given(value=ANYTHING)
def test_a_value_is_right_or_refused_by_name(name, value):
    if is_right(name, value) and (name, value) != ("stream", True):
        assert getattr(TrainingConfig(**{name: value}), name) == value
        return
    with pytest.raises(ValueError, match=f"^{name} ") as caught:
        TrainingConfig(**{name: value})
    one_sentence(caught)


# --- image sets -----------------------------------------------------------------------


def image_set(labels: list[int], k: int, groups=None, size: int = 4) -> ImageSet:
    n = len(labels)
    images = torch.arange(n * size * size).remainder(256).byte()
    indices = torch.tensor(labels, dtype=torch.long)
    return ImageSet(
        images.view(n, 1, size, size),
        indices,
        torch.nn.functional.one_hot(indices, k).float(),
        tuple(f"class {i}" for i in range(k)),
        tuple(groups) if groups else ("",) * n,
        tuple(str(i) for i in range(n)),
    )


LABELS = st.lists(st.integers(0, 2), min_size=1, max_size=9)


@given(LABELS, st.data())
def test_a_subset_takes_the_same_of_everything(labels, data):
    whole, n = image_set(labels, 3), len(labels)
    index = st.integers(-n, n - 1)
    slices = st.slices(n).filter(lambda s: s.step is None or s.step > 0)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    chosen = data.draw(st.lists(index, max_size=12) | slices | flags.map(np.array))
    places = list(range(n))
    expected = np.array(places)[chosen if np.size(chosen) else places[:0]].tolist()
    part = whole.subset(chosen)
    assert part.names == tuple(str(i) for i in expected)
    assert part.labels.tolist() == [labels[i] for i in expected]
    assert torch.equal(part.images, whole.images[expected])
    assert torch.equal(part.targets.argmax(1), part.labels)


NO_TENSOR = [torch.zeros(3), torch.zeros(()), torch.zeros(2, 1, 4, 4), np.zeros(2)]
NO_TENSOR += [torch.tensor([0, 7]), torch.tensor([-1, 0]), torch.full((2, 3), math.nan)]


@pytest.mark.parametrize(
    "name", ["images", "labels", "targets", "classes", "groups", "names"]
)
@given(wrong=ANYTHING | st.sampled_from(NO_TENSOR) | st.just((1,) * 7))
def test_a_part_that_is_none_is_refused(name, wrong):
    with pytest.raises(ValueError) as caught:
        ImageSet(**{**vars(image_set([0, 1], 3)), name: wrong})
    one_sentence(caught)


# --- augmentation ---------------------------------------------------------------------

STRENGTH = st.floats(0, 1, exclude_max=True)
BATCH = torch.randint(0, 256, (3, 1, 8, 8), generator=torch.Generator().manual_seed(0))
BATCH = BATCH.byte()


@given(
    st.lists(st.sampled_from([2, 3]), max_size=2, unique=True),
    st.tuples(*[STRENGTH] * 3),
    st.floats(0, 180),
)
def test_augmented_images_are_images_of_the_same_shape(mirrored, strengths, rotate):
    names = ("shift", "scale", "contrast")
    options = dict(zip(names, strengths, strict=True), rotate=rotate)
    augment = Augment(tuple(mirrored), **options)
    before = BATCH.clone()
    torch.manual_seed(0)
    one = augment(BATCH)
    torch.manual_seed(0)
    assert torch.equal(one, augment(BATCH))
    assert one.shape == BATCH.shape and one.dtype == torch.uint8
    assert torch.equal(BATCH, before)
    # A share of it is drawn alike; rounding may differ, as a part is computed alone.
    after = torch.get_rng_state()
    torch.manual_seed(0)
    share = augment(BATCH, slice(1, None, 2))
    assert (share.int() - one[1::2].int()).abs().max() <= 1
    assert torch.equal(torch.get_rng_state(), after)


# --- the split ------------------------------------------------------------------------


@given(
    st.lists(st.integers(3, 40), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
    st.randoms(use_true_random=False),
)
def test_a_split_is_disjoint_complete_and_stratified(counts, seed, random):
    labels = [k for k, count in enumerate(counts) for _ in range(count)]
    random.shuffle(labels)
    groups = [random.choice("ab") for _ in labels]
    data = image_set(labels, len(counts), groups)
    parts = split(data, seed)
    names = [name for part in parts for name in part.names]
    assert sorted(names, key=int) == list(data.names)  # each once
    again, other = split(data, seed), split(data, (seed + 1) % 2**32)
    assert [part.names for part in again] == [part.names for part in parts]
    assert [len(part) for part in other] == [len(part) for part in parts]
    train, validation, test = (Counter(part.labels.tolist()) for part in parts)
    for k, n in enumerate(counts):
        assert abs(test[k] - n / 4) <= 1 and test[k] >= 1
        assert abs(validation[k] - (n - test[k]) / 4) <= 1 and validation[k] >= 1
        assert train[k] == n - test[k] - validation[k] >= 1
        for group in "ab":
            here = [groups[i] == group and labels[i] == k for i in range(len(labels))]
            kept = sum(here[int(name)] for name in parts.test.names)
            assert abs(kept - sum(here) * test[k] / n) <= 1.5
    assert all(
        list(map(int, part.names)) == sorted(map(int, part.names)) for part in parts
    )


# --- readers --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("read")


def encoded(format: str, mode: str) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((24, 24)).convert(mode).save(file, format)
    return file.getvalue()


WHOLE = [
    encoded(format, mode)
    for format, modes in {
        "BMP": ["1", "L", "P", "RGB"],
        "GIF": ["L", "P", "RGB"],
        "JPEG": ["L", "RGB", "CMYK"],
        "JPEG2000": ["L", "RGB", "RGBA"],
        "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
        "PPM": ["L", "RGB"],
        "TIFF": ["1", "L", "P", "RGB", "RGBA", "CMYK", "F", "I"],
        "WEBP": ["RGB", "RGBA"],
    }.items()
    for mode in modes
]
PLACES = st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=4)


def changed(content: bytes, places: list, length: int) -> bytes:
    """Some bytes changed, and cut off behind ``length``."""
    new = bytearray(content[:length])
    for place, value in places:
        if new:
            new[place % len(new)] = value
    return bytes(new)


@settings(max_examples=400)
@given(st.sampled_from(WHOLE), PLACES, st.sampled_from([10**6] * 3 + [700, 90, 20]))
def test_a_changed_picture_is_read_or_refused(folder, content, places, length):
    path = folder / "changed"
    path.write_bytes(changed(content, places, length))
    try:
        pixels = load_picture(path, 8)
    except ValueError as error:
        message = str(error)
        assert message.startswith(f"{path} can't be used as a picture: ")
        assert len(message.splitlines()) == 1
    else:
        assert pixels.shape == (1, 3, 8, 8) and pixels.dtype == torch.uint8


@given(st.binary(max_size=300))
def test_any_bytes_are_no_picture_and_no_weights(folder, content):
    path = folder / "any"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="can't be used as a picture"):
        load_picture(path, 8)
    with pytest.raises(
        ValueError, match="not a file of this library, or it is damaged"
    ):
        read_tensors(path)


@settings(max_examples=200)
@given(PLACES, st.sampled_from([10**6, 10**6, 100, 20]))
def test_changed_weights_are_refused_or_the_same(folder, places, length):
    path = folder / "weights"
    tensors, info = {"a": torch.arange(9.0), "b": torch.tensor([3])}, {"name": "größer"}
    write_tensors(path, tensors, info)
    path.write_bytes(changed(path.read_bytes(), places, length))
    try:
        read, said = read_tensors(path)
    except ValueError as error:
        assert str(path) in str(error) and len(str(error).splitlines()) == 1
    else:
        assert said == info and read.keys() == tensors.keys()
        assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_what_is_skipped_is_named_on_one_line_each(tmp_path):
    """A name could else end its line and begin another, or break the terminal."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), ord(name)).save(tmp_path / name / "fine.png")
    names = ["two\nlines.png", "\x1b[31mred.png", "right\u202eleft.png", "Größe.png"]
    names += [os.fsdecode(b"Stra\xdfe.png")] if os.name == "posix" else []
    for name in names:
        (tmp_path / "a" / name).touch()
    said: list[str] = []
    image_folder(tmp_path, 8, report=said.append)
    head, line = said[0].splitlines()
    assert f"{len(names)} × empty" in line and "a/Größe.png" in line
    assert line.isprintable() and line.encode()


RUN = {"config": {}, "classes": ["a", "b"], "pixel_std": 0.2, "interrupted": False}


@pytest.mark.parametrize(
    "info",
    [{}, {"rows": []}, RUN, {**RUN, "config": {"unknown": 1}}, {**RUN, "classes": 3}],
    ids=["nothing", "a checkpoint", "other weights", "a later version", "no classes"],
)
def test_whole_files_that_are_no_run_are_refused(info, tmp_path):
    write_tensors(tmp_path / "model.safetensors", {"x": torch.ones(2)}, info)
    with pytest.raises(ValueError, match="doesn't hold a finished run") as caught:
        load_run(tmp_path)
    assert str(tmp_path) in one_sentence(caught)
