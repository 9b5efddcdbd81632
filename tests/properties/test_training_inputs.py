"""Configurations, image sets, augmentation, scores, the split and the readers."""

import io
import math
import os
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inception_lib.training import (
    Augment,
    ImageSet,
    TrainingConfig,
    image_folder,
    metrics,
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
    "lr": st.none() | st.floats(1e-9, 1e9),
    "weight_decay": st.none() | st.floats(0, 1e9),
    "data": st.text(min_size=1),
    "weights": st.text(),
    "stage_lr": st.floats(0, 1, exclude_min=True),
}


def right(f) -> st.SearchStrategy:
    if f.metadata["choices"]:
        return st.sampled_from(f.metadata["choices"])
    return RIGHT.get(f.name, st.booleans())


@given(st.fixed_dictionaries({f.name: right(f) for f in fields(TrainingConfig)}))
def test_every_right_configuration_is_kept_as_it_is(options):
    if options["stream"] and options["data"] == "solar-cells":
        options["stream"] = False
    config = TrainingConfig(**options)
    assert vars(config) == options
    assert config.peak_lr > 0 and config.decay >= 0
    assert set(config.mirrored) <= {2, 3}


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


@given(LABELS, LABELS, st.integers(1, 9))
def test_joined_and_resized_sets_keep_what_they_hold(one, other, size):
    both = image_set(one, 3).joined(image_set(other, 3)).resized(size)
    assert both.labels.tolist() == one + other
    assert both.images.shape == (len(one) + len(other), 1, size, size)


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


@given(st.integers(0, 99))
def test_without_strengths_an_image_is_itself_or_mirrored(seed):
    torch.manual_seed(seed)
    assert torch.equal(Augment((), shift=0)(BATCH), BATCH)
    mirrored = Augment((3,), shift=0)(BATCH)
    for before, after in zip(BATCH, mirrored, strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(2))


# --- scores ---------------------------------------------------------------------------


@st.composite
def predictions(draw, most: int = 4):
    """N×K probabilities and N labels of which every class has at least one."""
    k = draw(st.integers(2, most))
    labels = draw(
        st.permutations([*range(k), *draw(st.lists(st.integers(0, k - 1), max_size=9))])
    )
    rows = [draw(st.lists(st.integers(0, 4), min_size=k, max_size=k)) for _ in labels]
    p = torch.tensor(rows).float() + 0.5
    return p / p.sum(1, keepdim=True), torch.tensor(labels)


@given(predictions(), st.sampled_from([0.25, 0.5, 0.75]))
def test_scores_are_what_counting_gives(given_, threshold):
    p, labels = given_
    k = p.shape[1]
    if k == 2:
        said = [int(row[1] >= threshold) for row in p.tolist()]
    else:
        said = [row.index(max(row)) for row in p.tolist()]
    pairs = Counter(zip(labels.tolist(), said, strict=True))
    matrix = [[pairs[true, guess] for guess in range(k)] for true in range(k)]
    assert metrics.confusion_matrix(p, labels, threshold).tolist() == matrix
    right = [matrix[i][i] for i in range(k)]
    recalls = [right[i] / sum(matrix[i]) for i in range(k)]
    f1 = [
        2 * right[i] / (sum(matrix[i]) + sum(row[i] for row in matrix))
        for i in range(k)
    ]
    found = metrics.scores(p, labels, threshold)
    assert found["accuracy"] == pytest.approx(sum(right) / len(labels))
    assert found["balanced_accuracy"] == pytest.approx(sum(recalls) / k, abs=1e-6)
    assert found["f1"] == pytest.approx(f1[1] if k == 2 else sum(f1) / k, abs=1e-6)
    aucs = [auc(p[:, i], labels == i) for i in range(k)]
    assert found["roc_auc"] == pytest.approx(sum(aucs) / k, abs=1e-6)


def auc(p: torch.Tensor, positive: torch.Tensor) -> float:
    """How often one of the class gets more than one of the others; a tie is a half."""
    more = p[positive][:, None] - p[~positive]
    return ((more > 0).double() + (more == 0).double() / 2).mean().item()


@given(predictions(most=2), st.floats(0.01, 1))
def test_the_threshold_is_the_highest_that_finds_enough(given_, recall):
    p, labels = given_
    chosen = metrics.threshold_for_recall(p, labels, recall)
    chances = p[labels == 1, 1].tolist()
    enough = [
        t for t in chances if sum(c >= t for c in chances) >= recall * len(chances)
    ]
    assert chosen == max(enough)
    (_, _), (missed, found) = metrics.confusion_matrix(p, labels, chosen).tolist()
    assert found >= recall * (found + missed)


@given(st.floats(0, 1), st.integers(1, 10**6))
def test_the_standard_error_is_that_of_a_mean(accuracy, n):
    """Of n numbers, a share of them 1 and the rest 0."""
    variance = accuracy * (1 - accuracy) ** 2 + (1 - accuracy) * accuracy**2
    assert metrics.standard_error(accuracy, n) == pytest.approx(math.sqrt(variance / n))


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


@given(st.sampled_from([-1, 2**32, 1.5, "1", "many", math.nan, object()]))
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises((ValueError, TypeError)) as caught:
        split(image_set([0] * 5, 1), seed)
    one_sentence(caught)


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


@pytest.mark.parametrize("path", [None, 3, 1.5, b"pictures", ["a"]])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(TypeError):
        image_folder(path)


@pytest.mark.parametrize("path", ["nowhere", "no\0where", __file__])
def test_a_path_without_a_folder_shows_what_is_expected(path):
    with pytest.raises(FileNotFoundError, match="one per class, with pictures in them"):
        image_folder(path)


def test_what_is_skipped_is_named_on_one_line_each(tmp_path):
    """A name could else end its line and begin another, or break the terminal."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "fine.png")
    names = ["two\nlines.png", "\x1b[31mred.png", "right\u202eleft.png", "Größe.png"]
    names += [os.fsdecode(b"Stra\xdfe.png")] if os.name == "posix" else []
    for name in names:
        (tmp_path / "a" / name).touch()
    said: list[str] = []
    image_folder(tmp_path, 8, report=said.append)
    head, line = said[0].splitlines()
    assert f"{len(names)} × empty" in line and "a/Größe.png" in line
    assert line.isprintable() and line.encode()
