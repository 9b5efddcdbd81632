"""From pictures to answers: readers, preparation, views, calibration, serving, ONNX."""

import math
import os
import shutil
from pathlib import Path

import pytest
import torch
from bvlc_googlenet import from_onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from test_training_inputs import WHOLE, image_set, one_sentence

from inception_lib import GoogLeNet, for_serving
from inception_lib.training import (
    image_folder,
    image_stream,
    pixel_std,
    prepare,
    views,
)
from inception_lib.training.augment import PaperCrops
from inception_lib.training.metrics import (
    calibration_error,
    fit_temperature,
    reliability,
    with_temperature,
)

SEED = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator).byte()


# --- readers: on the disk as in memory ------------------------------------------------

FILES = st.one_of(
    st.sampled_from(WHOLE),
    st.sampled_from(WHOLE).map(lambda content: content[: len(content) // 2]),
    st.binary(max_size=9),
    st.just("link"),
)
NAMES = st.sampled_from(["a/1", "a/2", "b/1", "b/ö ä", "b/deep/1", "c/1", ".d/1", "1"])


def outcome(read, folder: Path):
    said: list[str] = []
    try:
        return read(folder, 8, said.append), said
    except ValueError as error:
        return str(error), said


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("read")


@given(st.dictionaries(NAMES, FILES, max_size=6))
def test_a_stream_finds_what_the_folder_in_memory_holds(place, files):
    shutil.rmtree(place)
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == "link":
            path.symlink_to(__file__)
        else:
            path.write_bytes(content)
    place.mkdir(exist_ok=True)
    (memory, said), (stream, also) = (
        outcome(read, place) for read in (image_folder, image_stream)
    )
    assert also == said
    if isinstance(memory, str):
        assert stream == memory
        return
    assert stream.classes == memory.classes
    assert stream.labels.tolist() == memory.labels.tolist()
    files = [os.fsdecode(name) for name in stream.loader.pictures.folder.files]
    assert tuple(files) == memory.names
    assert stream.loader.pictures.grey == (memory.images.shape[1] == 1)
    torch.testing.assert_close(stream.variances(), memory.variances())


@pytest.mark.parametrize("path", ["nowhere", "no\0where", __file__])
@pytest.mark.parametrize("read", [image_folder, image_stream])
def test_a_path_without_a_folder_shows_what_is_expected(read, path):
    with pytest.raises(FileNotFoundError, match="one per class, with pictures in them"):
        read(path)


# --- what the network reads -----------------------------------------------------------


@given(st.integers(1, 5), st.sampled_from([1, 3]), st.integers(1, 9), SEED)
def test_prepared_images_have_mean_0_and_the_set_variance_1(n, channels, size, seed):
    images = noise(seed, n, channels, size, size)
    if not images.double().var((1, 2, 3), correction=0).sum():
        return
    data = image_set([0] * n, 1)
    data = type(data)(images, *list(vars(data).values())[1:])
    before = images.clone()
    x = prepare(images, pixel_std(data)).double()
    assert x.shape == (n, 3, size, size) and torch.equal(images, before)
    assert x.mean((1, 2, 3)).abs().max() < 1e-5
    assert (x**2).mean().item() == pytest.approx(1, rel=1e-5)
    own = images.numpy().reshape(n, -1) / 255
    assert pixel_std(data) == pytest.approx(math.sqrt(own.var(1).mean()))


# --- views ----------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(3, 60), st.integers(3, 60), st.integers(7, 40), SEED)
def test_every_view_has_the_network_s_size_and_its_mirror_image(h, w, size, seed):
    images = noise(seed, 2, 1, h, w)
    crops = views.paper_crops(h, w, size)
    assert len(crops) == 144
    for crop in set(crops):
        assert 0 <= crop.top <= crop.height - crop.side
        assert 0 <= crop.left <= crop.width - crop.side
    assert {c._replace(flipped=not c.flipped) for c in crops} == set(crops)
    for kind in ("one", "horizontal", "both", "dihedral", "ten_crops"):
        found = list(getattr(views, kind)(images, size))
        assert {view.shape for view in found} == {(2, 1, size, size)}
        if kind not in ("one", "ten_crops"):  # whose middle may lie half a pixel off
            assert all(any(v.flip(3).equal(u) for u in found) for v in found)
    view = views.cut(images, crops[seed % 144], size)
    assert view.shape == (2, 1, size, size) and view.dtype == torch.uint8


@given(
    st.integers(1, 4), st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40)
)
def test_the_paper_s_patches_are_images_each_with_its_own_draw(n, channels, side, size):
    images = noise(n, n, channels, side, side)
    augment, before = PaperCrops(size, (3, 2)), images.clone()
    torch.manual_seed(side)
    patches = augment(images)
    torch.manual_seed(side)
    one_by_one = [augment(image[None]) for image in images]
    assert patches.equal(torch.cat(one_by_one)) and images.equal(before)
    assert patches.shape == (n, channels, size, size) and patches.dtype == torch.uint8


# --- calibration ----------------------------------------------------------------------


def answers(seed: int, n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits.softmax(1), torch.randint(0, k, (n,), generator=generator)


@given(SEED, st.integers(1, 60), st.integers(2, 5), st.integers(1, 20))
def test_the_table_holds_every_answer_and_gives_the_error(seed, n, k, bins):
    p, labels = answers(seed, n, k)
    table = reliability(p, labels, bins)
    count = table["count"]
    assert count.sum() == n and (table["confidence"] >= table["from"] - 1e-9).all()
    right = (p.argmax(1) == labels).double().mean().item()
    assert (table["accuracy"] * count).sum() / n == pytest.approx(right)
    distance = ((table["confidence"] - table["accuracy"]).abs() * count).sum() / n
    assert calibration_error(p, labels, bins) == pytest.approx(distance, abs=1e-5)


@settings(max_examples=8)
@given(SEED, st.integers(2, 30), st.integers(2, 5), st.floats(0.05, 20))
def test_no_temperature_is_better_than_the_one_found(seed, n, k, other):
    p, labels = answers(seed, n, k)

    def loss(temperature: float) -> float:
        chance = with_temperature(p, temperature).gather(1, labels[:, None])
        return -chance.clamp_min(1e-300).log().mean().item()

    found = fit_temperature(p, labels)
    assert found == 1 or loss(found) <= loss(other) + 1e-6  # 1: the data can't tell
    soft = torch.nn.functional.one_hot(labels, k).double()
    assert fit_temperature(p, soft) == pytest.approx(found)


# --- networks made ready, and networks of others --------------------------------------


@pytest.mark.parametrize("wrong", [None, 3, "model", GoogLeNet, torch.nn.Linear(2, 2)])
def test_what_is_no_network_is_not_made_ready(wrong):
    with pytest.raises(ValueError, match="^expected a GoogLeNet, got"):
        for_serving(wrong)


KINDS = st.lists(st.sampled_from(["Conv", "Relu", "Concat", "Gemm", "LRN"]), max_size=9)


def graph(kinds: list[str], inputs: int) -> bytes:
    """A chain of these nodes, each with the same weights behind its input."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1, 1], [1.0])
    nodes = [
        helper.make_node(kind, [f"x{i}", *["w"] * (inputs - 1)], [f"x{i + 1}"])
        for i, kind in enumerate(kinds)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in ("x0", f"x{len(kinds)}")
    ]
    made = helper.make_graph(nodes, "net", ends[:1], ends[1:], [weight])
    return helper.make_model(made).SerializeToString()


@given(st.one_of(st.binary(max_size=200), st.builds(graph, KINDS, st.integers(1, 4))))
def test_an_onnx_file_of_something_else_is_one_sentence(place, content):
    path = place.with_name("net.onnx")
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        from_onnx(path)
    message = one_sentence(caught)
    assert message.startswith(f"{path} is not") and len(message.splitlines()) == 1


@pytest.mark.parametrize("path", ["nowhere.onnx", "no\0where", "."])
def test_an_onnx_file_that_is_not_there_is_named(path):
    with pytest.raises(FileNotFoundError, match="^there is no file .*check its name"):
        from_onnx(path)
