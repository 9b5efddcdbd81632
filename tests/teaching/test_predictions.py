"""The figures about predictions say in words what they show."""

import pandas as pd
import pytest
import torch

from inception_lib.teaching import predictions, results
from inception_lib.teaching.live import LiveTraining, curves
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
    table = predictions.compare({"network": probabilities}, cells.labels)
    assert table.loc["network", "accuracy"] == pytest.approx(4 / 6, abs=1e-3)


def test_confusion_counts_in_words(data):
    probabilities, cells = data
    figure, alt = predictions.confusion(
        probabilities, cells.labels, cells.classes, {"at one half": 0.5, "low": 0.01}
    )
    assert (
        "2 functional cells right and 1 wrong, 2 defective cells right and 1 wrong"
        in alt
    )
    assert len(figure.axes) == 2


def test_by_certainty_gives_a_share_per_level(data):
    _, alt = predictions.by_certainty(*data)
    assert alt.endswith("1.00 at 0, 0.00 at ⅓, 1.00 at ⅔, 0.50 at 1")


def test_confident_mistakes_begin_with_the_surest(data):
    probabilities, cells = data
    _, alt = predictions.confident_mistakes(probabilities, cells, count=1)
    assert "cell 5" in alt and "cell 2" not in alt


def test_confident_mistakes_of_a_perfect_prediction(data):
    _, cells = data
    figure, _ = predictions.confident_mistakes(cells.targets.round(), cells)
    assert not any(ax.images for ax in figure.axes)


def test_roc_names_the_areas(data):
    probabilities, cells = data
    _, alt = predictions.roc({"network": probabilities}, cells.labels)
    assert (
        "0.667" in alt
    )  # 6 of 9 pairs of a defective and a functional cell are in order


def test_live_curves_draw_the_history_in_place(monkeypatch):
    shown = []

    class Handle:
        def update(self, what, **_):
            shown.append(what)

    def display(what, **_):
        shown.append(what)
        return Handle()

    monkeypatch.setattr("inception_lib.teaching.live.display", display)
    live = LiveTraining()
    live.write("\r 50%|##")
    history = pd.DataFrame(
        {"epoch": [1], "loss": [1.1], "validation_loss": [0.6]}
        | {"accuracy": [0.7], "roc_auc": [0.8]}
    )
    live.draw(history)
    live.draw(history)
    assert {"text/plain": "50%|##"} in shown
    assert len(shown) == 4
    assert [len(ax.lines) for ax in curves(history).axes] == [2, 2]


def test_live_training_is_quiet_where_there_is_no_notebook(capsys):
    live = LiveTraining()
    first = capsys.readouterr().out
    assert "training starts" in first
    live.write("50%|##")
    live.draw(pd.DataFrame())
    assert capsys.readouterr().out == ""


def test_the_committed_results_have_what_the_notebook_needs():
    recipe, seeds = results.table("recipe"), results.table("seeds")
    assert recipe[["accuracy", "roc_auc"]].min().min() > 0.7
    default = seeds[seeds["run"] == "default"]
    assert sorted(default["seed"]) == [0, 1, 2, 3, 4]
    mean = results.summary("seeds").loc["default", ("test_accuracy", "mean")]
    assert mean == pytest.approx(default["test_accuracy"].mean(), abs=1e-3)
