"""A training is watched in place."""

import pandas as pd

from inception_lib.teaching.live import LiveTraining, draw_curves


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
        {"epoch": [1, 2], "loss": [1.1, 1.0], "validation_loss": [0.6, 0.5]}
        | {"accuracy": [0.7, 0.8], "roc_auc": [0.8, 0.8], "image_size": [80, 96]}
    )
    live.draw(history)
    live.draw(history)
    assert {"text/plain": "50%|##"} in shown
    assert len(shown) == 4
    assert [len(ax.lines) for ax in draw_curves(history).figure.axes] == [3, 3]


def test_without_a_validation_set_the_training_is_shown():
    """As ``fit`` with ``final=True``, which has no other columns."""
    history = pd.DataFrame(
        {"epoch": [1], "image_size": [80], "loss": [1.6], "train_accuracy": [0.7]}
    )
    drawing = draw_curves(history)
    assert [len(ax.lines) for ax in drawing.figure.axes] == [1, 1]
    assert drawing.alt.endswith("training loss 1.60, training accuracy 0.700.")


def test_live_training_is_quiet_where_there_is_no_notebook(capsys):
    live = LiveTraining()
    first = capsys.readouterr().out
    assert "training starts" in first
    live.write("50%|##")
    live.draw(pd.DataFrame())
    assert capsys.readouterr().out == ""
