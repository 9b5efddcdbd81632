"""A run that is watched: lines as they come, and TensorBoard's events."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from tensorboard.backend.event_processing import event_accumulator

from inception_lib.training.log import Log

ROWS = [
    {"epoch": n, "loss": 1 / n, "accuracy": 0.5, "confusion_matrix": "[[1, 0], [0, 1]]"}
    for n in (1, 2, 3)
]


@pytest.fixture
def tensorboard(monkeypatch):
    """A stand-in for the package: keeps what it is told."""
    told: list[tuple | str] = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            told.append(("open", folder, purge_step))

        def add_scalar(self, name, value, step):
            told.append((name, value, step))

        def flush(self):
            told.append("flush")

    module = SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return told


def test_a_line_per_epoch_as_it_comes(tmp_path):
    log, path = Log(tmp_path), tmp_path / "history.csv"
    for n in (1, 2, 3):
        log(pd.DataFrame(ROWS[:n]))
        lines = path.read_text().splitlines()
        assert (
            len(lines) == n + 1 and lines[0] == "epoch,loss,accuracy,confusion_matrix"
        )
    assert path.read_text() == pd.DataFrame(ROWS).to_csv(index=False)
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_a_resumed_run_agrees_with_its_checkpoint(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n1,0.5\n2,0.4\n3,0.")  # killed in the middle of a line
    log = Log(tmp_path)
    log(pd.DataFrame(ROWS[:2]))
    assert path.read_text() == pd.DataFrame(ROWS[:2]).to_csv(index=False)


def test_tensorboard_itself_reads_every_number_back(tmp_path):
    log = Log(tmp_path)
    log(pd.DataFrame(ROWS[:2]))
    log(pd.DataFrame(ROWS))
    log.events.close()
    read = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert read.Tags()["scalars"] == ["loss", "accuracy"]
    losses = [(event.step, event.value) for event in read.Scalars("loss")]
    assert losses == [(n, pytest.approx(1 / n)) for n in (1, 2, 3)]


@pytest.mark.parametrize("broken", ["to open", "to write"])
def test_a_broken_tensorboard_ends_no_training(broken, tmp_path, monkeypatch, capsys):
    class SummaryWriter:
        def __init__(self, *_, **__):
            if broken == "to open":
                raise TypeError("Descriptors cannot be created directly")

        def add_scalar(self, *_):
            raise OSError("No space left on device")

    module = SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    log = Log(tmp_path)
    log(pd.DataFrame(ROWS[:2]))
    log(pd.DataFrame(ROWS))
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 4
    assert capsys.readouterr().err.count("no more events for TensorBoard: ") == 1


def test_tensorboard_gets_every_number_once(tmp_path, tensorboard):
    log = Log(tmp_path)
    log(pd.DataFrame(ROWS[:2]))
    log(pd.DataFrame(ROWS))
    scalars = [("loss", 1 / n, n) for n in (1, 2, 3)]
    both = [[loss, ("accuracy", 0.5, n)] for n, loss in enumerate(scalars, 1)]
    first, second, third = both
    opened = ("open", tmp_path, 1)
    assert tensorboard == [opened, *first, *second, "flush", *third, "flush"]
