"""The figures about predictions say in words what they show."""

import pandas as pd
import pytest
import torch
from ipywidgets import BoundedIntText, IntSlider, ToggleButtons
from widgets import alt as told
from widgets import notes, parts, rectangles

from inception_lib.teaching.lessons import nb07
from inception_lib.training import ImageSet


@pytest.fixture
def data() -> tuple[torch.Tensor, ImageSet]:
    """Six cells, four of them predicted right; the surest mistake is cell 5."""
    p = torch.tensor([0.1, 0.2, 0.6, 0.9, 0.8, 0.05])
    experts = torch.tensor([0, 0, 1 / 3, 2 / 3, 1, 1])
    cells = ImageSet(
        images=torch.zeros(6, 1, 8, 8, dtype=torch.uint8),
        labels=(experts >= 0.5).long(),
        targets=torch.stack([1 - experts, experts], 1),
        classes=("functional", "defective"),
        groups=("mono",) * 6,
        names=tuple(f"cell {i}" for i in range(6)),
    )
    return torch.stack([1 - p, p], 1), cells


def test_compare_is_a_row_per_prediction(data):
    probabilities, cells = data
    table = nb07.compare({"network": probabilities}, cells.labels)
    assert table.loc["network", "accuracy"] == pytest.approx(4 / 6, abs=1e-3)


def test_confusion_counts_in_words(data):
    probabilities, cells = data
    figure, alt = nb07.draw_confusion(
        probabilities, cells.labels, cells.classes, {"at one half": 0.5, "low": 0.01}
    )
    assert (
        "2 functional cells right and 1 wrong, 2 defective cells right and 1 wrong"
        in alt
    )
    assert len(figure.axes) == 2


def test_by_certainty_gives_a_share_per_level(data):
    _, alt = nb07.draw_by_certainty(*data)
    assert alt.endswith("1.00 at 0, 0.00 at ⅓, 1.00 at ⅔, 0.50 at 1")


def test_confident_mistakes_begin_with_the_surest(data):
    probabilities, cells = data
    _, alt = nb07.draw_confident_mistakes(probabilities, cells, count=1)
    assert "cell 5" in alt and "cell 2" not in alt


def test_confident_mistakes_of_a_perfect_prediction(data):
    _, cells = data
    figure, _ = nb07.draw_confident_mistakes(cells.targets.round(), cells)
    assert not any(ax.images for ax in figure.axes)


def test_roc_names_the_areas(data):
    probabilities, cells = data
    _, alt = nb07.draw_roc({"network": probabilities}, cells.labels)
    assert (
        "0.667" in alt
    )  # 6 of 9 pairs of a defective and a functional cell are in order


@pytest.fixture
def predictions():
    """Four images: the second and the third are wrong, the third the most clearly."""
    second = torch.tensor([0.9, 0.6, 0.8, 0.3])
    return (
        torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8),
        torch.stack([1 - second, second], 1),
        torch.tensor([1, 0, 0, 0]),
        ("functional", "defective"),
        ("one", "two", "three", "four"),
    )


def walk(explorer) -> list[str]:
    position = parts(explorer, IntSlider)[0]
    order = []
    for value in range(1, position.max + 1):
        position.value = value
        order.append(told(explorer).split(",")[0])
    return order


def test_browsing_goes_from_the_clearest_mistake_to_the_clearest_success(predictions):
    assert walk(nb07.browse_predictions(*predictions)) == [
        "three",
        "two",
        "four",
        "one",
    ]


def test_only_the_wrong_ones_and_back(predictions):
    explorer = nb07.browse_predictions(*predictions)
    position, choice = parts(explorer, IntSlider)[0], parts(explorer, ToggleButtons)[0]
    position.value = 4
    choice.value = "only wrong"
    assert (position.max, position.value) == (2, 2)
    assert walk(explorer) == ["three", "two"]
    choice.value = "all"
    assert parts(explorer, BoundedIntText)[0].max == 4
    assert walk(explorer) == ["three", "two", "four", "one"]


def test_nothing_wrong_is_said_and_the_picture_stays(predictions):
    images, probabilities, _, classes, names = predictions
    labels = likeliest(probabilities)
    explorer = nb07.browse_predictions(images, probabilities, labels, classes, names)
    before = told(explorer)
    parts(explorer, ToggleButtons)[0].value = "only wrong"
    assert "none of them is wrong" in notes(explorer)[0]
    assert told(explorer) == before


def likeliest(probabilities):
    return torch.tensor([row.index(max(row)) for row in probabilities.tolist()])


def test_colour_images_and_many_classes():
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    probabilities = torch.eye(5)
    labels = torch.tensor([0, 1, 2, 3, 0])
    explorer = nb07.browse_predictions(
        images, probabilities, labels, list("abcde"), list("vwxyz")
    )
    assert told(explorer) == (
        "z, in truth a: predicted e with probability 1.00, which is wrong."
    )


MEASURED = pd.DataFrame(
    [
        ("channels first", "float32", 1.0, 0.1),
        ("channels first", "bfloat16", 1.5, 0.15),
        ("channels last", "float32", 2.0, 0.2),
        ("channels last", "bfloat16", 4.25, 0.43),
    ],
    columns=["layout", "precision", "ratio", "fraction_of_peak"],
)


@pytest.mark.parametrize("row", list(MEASURED.itertuples(index=False)))
def test_both_numbers_are_told(row):
    figure, text = nb07.draw_speed(MEASURED, row.layout, row.precision)
    assert f"{row.ratio:.2f} times" in text
    assert f"{row.fraction_of_peak:.0%} of the processor's peak" in text
    left, right = figure.axes
    assert [bar.get_width() for bar in rectangles(left)] == list(MEASURED["ratio"])
    assert sum(bool(bar.get_hatch()) for bar in right.patches) == 1


def sum_of_ones() -> None:
    torch.ones(1000).sum()


@pytest.mark.parametrize("native", ["float32", "bfloat16"])
def test_measuring_gives_every_combination_that_the_processor_has(native, monkeypatch):
    monkeypatch.setattr(nb07, "pick_precision", lambda *_: (native, "as pretended"))
    monkeypatch.setattr(nb07, "peak_flops", lambda dtype: 1e12)
    monkeypatch.setattr(nb07, "training_step", lambda *_, **__: sum_of_ones)
    measured = nb07.measure_speed(image_size=64, rounds=1)
    expected = MEASURED[MEASURED["precision"].isin(["float32", native])]
    both = ["layout", "precision"]
    assert list(measured) == list(MEASURED)
    assert measured[both].to_numpy().tolist() == expected[both].to_numpy().tolist()
    assert measured["ratio"][0] == 1 and (measured["fraction_of_peak"] > 0).all()
