"""Wrong arguments of what a training is made of: each is refused by name."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_training_inputs import BATCH, COUNTS, STRENGTH, image_set, one_sentence
from wrong import NO_COUNT, NO_FLAG, NO_RATE

from inception_lib.training import (
    Augment,
    ImageSet,
    TrainingConfig,
    image_folder,
    load_run,
    metrics,
)
from inception_lib.training.checkpoint import write_tensors

ANYTHING = st.one_of(NO_COUNT, NO_FLAG, NO_RATE, st.integers(), st.text(max_size=3))
NUMBER_OR_NONE = ["lr", "weight_decay"]


def is_right(name: str, value) -> bool:
    """The rules once more, written another way."""
    f = {f.name: f for f in fields(TrainingConfig)}[name]
    if f.metadata["choices"]:
        return isinstance(value, str) and value in f.metadata["choices"]
    if name in NUMBER_OR_NONE:
        if value is None:
            return True
        number = type(value) in (int, float) and math.isfinite(value)
        return number and (value > 0 if name == "lr" else value >= 0)
    if name == "stage_lr":
        return type(value) in (int, float) and 0 < value <= 1
    if type(value) is not type(f.default):
        return False
    if name in COUNTS:
        return value >= 1
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


PARTS = ["images", "labels", "targets", "classes", "groups", "names"]
NO_PART = st.one_of(
    ANYTHING.filter(lambda x: not isinstance(x, tuple)),
    st.sampled_from(
        [torch.zeros(3), torch.zeros(()), torch.zeros(2, 1, 4, 4), np.zeros(2)]
    ),
    st.sampled_from(
        [torch.tensor([0, 7]), torch.tensor([-1, 0]), torch.full((2, 3), math.nan)]
    ),
    st.just((1,) * 7),
)


@pytest.mark.parametrize("name", PARTS)
@given(wrong=NO_PART)
def test_a_part_that_is_none_is_refused(name, wrong):
    with pytest.raises(ValueError) as caught:
        ImageSet(**{**vars(image_set([0, 1], 3)), name: wrong})
    one_sentence(caught)


@given(NO_COUNT)
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="^size must be at least 1 pixel, got"):
        image_set([0], 1).resized(size)


@given(STRENGTH, st.integers(0, 99))
def test_a_shifted_image_is_a_part_of_the_reflected_one(shift, seed):
    torch.manual_seed(seed)
    shifted = Augment((), shift=shift)(BATCH)
    pad = min(round(shift * 8), 7)
    for before, after in zip(BATCH.numpy(), shifted.numpy(), strict=True):
        wide = np.pad(before[0], pad, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(wide, (8, 8))
        assert (windows == after[0]).all((2, 3)).any()


@pytest.mark.parametrize("name", ["shift", "scale", "contrast"])
@given(wrong=NO_RATE)
def test_a_strength_that_is_none_is_refused(name, wrong):
    with pytest.raises(
        ValueError, match=f"^{name} must be at least 0 and below 1, got"
    ):
        Augment(**{name: wrong})


@pytest.mark.parametrize("wrong", [None, "3", -1, 181, math.nan, True, [90]])
def test_an_angle_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="^rotate must be 0 to 180 degrees, got"):
        Augment(rotate=wrong)


@pytest.mark.parametrize("wrong", [None, 3, "3", (1,), (2.0,), ("3",), [[2]], (True,)])
def test_a_dimension_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="^mirrored may hold the dimensions 2 and 3"):
        Augment(wrong)


P, Y = torch.tensor([[0.2, 0.8], [0.9, 0.1]]), torch.tensor([1, 0])
NO_SCORES = [
    (None, Y),
    (P, None),
    (P.numpy(), Y),
    (P.tolist(), Y.tolist()),
    (P[:1], Y),
    (P[0], Y),
    (P[:, :1], Y),
    (P[:0], Y[:0]),
    (P, Y[:, None]),
    (P, Y.float()),
    (P, Y + 1),
    (P, Y - 1),
    (P * math.nan, Y),
    (P * math.inf, Y),
]


@pytest.mark.parametrize("p, labels", NO_SCORES)
def test_scores_of_what_is_none_are_refused(p, labels):
    for call in (
        metrics.scores,
        metrics.confusion_matrix,
        lambda p, y: metrics.threshold_for_recall(p, y, 0.5),
    ):
        with pytest.raises(ValueError) as caught:
            call(p, labels)
        one_sentence(caught)


@given(
    NO_RATE.filter(
        lambda x: not isinstance(x, int | float) or not 0 < x <= 1 or x is True
    )
)
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(ValueError, match="^recall must be above 0 and at most 1, got"):
        metrics.threshold_for_recall(P, Y, share)
    if share != 0 or share is False:
        with pytest.raises(ValueError, match="^accuracy must be 0 to 1, got"):
            metrics.standard_error(share, 9)


@given(NO_COUNT)
def test_a_number_of_images_that_is_none_is_refused(n):
    with pytest.raises(ValueError, match="^n must be a positive integer, got"):
        metrics.standard_error(0.5, n)


@pytest.mark.parametrize("threshold", [None, "0.5", math.nan, True, [0.5]])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match="^threshold must be a number, got"):
        metrics.scores(P, Y, threshold)


@given(NO_COUNT)
def test_pictures_of_a_size_that_is_none_are_refused(size):
    with pytest.raises(ValueError, match="^image_size must be a positive integer, got"):
        image_folder("nowhere", size)


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
