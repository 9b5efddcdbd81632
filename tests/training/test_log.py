"""A run that is watched: lines as they come, and TensorBoard's events."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from tensorboard.backend.event_processing import event_accumulator

from inception_lib.training.log import Log, ProgressBar, any_terminal, tell

ROWS = [
    {"epoch": n, "loss": 1 / n, "accuracy": 0.5, "confusion_matrix": "[[1, 0], [0, 1]]"}
    for n in (1, 2, 3)
]


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


def test_tensorboard_itself_reads_every_number_back_once(tmp_path):
    killed = Log(tmp_path)
    killed(pd.DataFrame(ROWS))
    killed.events.close()
    log = Log(tmp_path)  # goes on from a checkpoint, and repeats what there was
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


# --- nothing that is said ends a run --------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "text", "said"),
    [
        ("cp1252", "128×128 кот", "128×128 \\u043a\\u043e\\u0442"),
        ("cp1251", "128×128 кот", "128\\xd7128 кот"),
        ("ascii", "猫 🐈", "\\u732b \\U0001f408"),
        ("utf-8", "猫 \udce9", "猫 \\udce9"),
    ],
)
def test_a_character_that_the_terminal_lacks_is_its_code(encoding, text, said):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    tell(text, file)
    assert raw.getvalue().decode(encoding).rstrip() == said


def progress(file) -> None:
    """Two epochs of two steps, the first of them before a resume."""
    bar = ProgressBar(file, [4, 8], 2, 1)
    for _ in range(2):
        bar.update(8**2)
        bar.tell(loss=0.5)
    bar.end_epoch(validation=0.75)
    bar.close()


@pytest.mark.parametrize("place", ["full", "closed", "pipe"])
def test_a_place_that_takes_nothing_is_no_error(place, monkeypatch):
    if place == "pipe":
        read, write = os.pipe()
        os.close(read)
        file = open(write, "w", encoding="ascii")
    else:
        file = open("/dev/full", "w", encoding="ascii")
    if place == "closed":
        file.close()
    monkeypatch.setattr(sys, "stdout", file)
    with any_terminal():
        tell("× " * 10_000)
        progress(file)
    if place != "closed":
        file.close()  # whose last flush goes nowhere


def test_a_program_without_streams_says_nothing(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with any_terminal():
        tell("×")


def test_progress_in_a_file_is_a_line_per_epoch():
    file = io.StringIO()
    progress(file)
    (line,) = file.getvalue().splitlines()
    assert line.startswith("epoch 2 of 2: 100% done, 00:0")
    assert line.endswith(" left, loss=0.500, validation=0.750")


def test_progress_in_a_file_is_a_line_per_minute_of_a_long_epoch():
    file, now = io.StringIO(), [0.0]
    bar = ProgressBar(file, [4], 600, 0)
    bar._time = lambda: now[0]  # tqdm's clock
    bar.start_t = bar.last_print_t = 0.0
    for now[0] in range(1, 301):
        bar.update(2 * 4**2)
    lines = file.getvalue().splitlines()
    assert [line[:22] for line in lines] == [
        f"epoch 1 of 1: {share}% done" for share in (20, 40, 60, 80)
    ] + ["epoch 1 of 1: 100% don"]


def test_progress_on_a_terminal_is_one_line():
    file = io.StringIO()
    file.isatty = lambda: True  # type: ignore[method-assign]
    progress(file)
    assert file.getvalue().count("\n") == 1 and "\r" in file.getvalue()


def test_the_command_says_it_to_any_terminal():
    """As a process: Python's own last flush counts, too."""
    command = [sys.executable, "-m", "inception_lib.training", "--image-size", "5"]
    with open("/dev/full", "w") as full:
        assert subprocess.run(command, stdout=full, stderr=full).returncode == 2
