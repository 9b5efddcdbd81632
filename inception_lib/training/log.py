"""A run that can be watched: its history on disk, a line per epoch, as it comes."""

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd


class Log:
    """Hand it to ``fit`` as ``on_epoch``; it writes into ``folder``:

    - ``history.csv``: a line per epoch, on the disk as soon as the epoch has ended.
    - TensorBoard's event files, if the package tensorboard is installed. They are an
      extra: if they can't be written, a line on stderr says so, and the run goes on.

    A run that goes on from a checkpoint writes the epochs before it again, so that both
    agree with the checkpoint whatever was lost.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.written = 0
        self.events: Any = None  # TensorBoard's writer

    def __call__(self, history: pd.DataFrame) -> None:
        first = self.written == 0
        rows = history.iloc[self.written :]
        path = self.folder / "history.csv"
        with open(path, "w" if first else "a", newline="", encoding="utf-8") as file:
            rows.to_csv(file, header=first, index=False)
            file.flush()
            os.fsync(file.fileno())
        try:
            if first:
                self.events = event_writer(self.folder)
            if self.events:
                add_scalars(self.events, rows)
        except Exception as error:  # a broken installation fails in many ways
            self.events = None
            print(f"no more events for TensorBoard: {error}", file=sys.stderr)
        self.written = len(history)


def add_scalars(events, rows: pd.DataFrame) -> None:
    """Every number of every row, at its epoch."""
    for row in rows.to_dict("records"):
        for name, value in row.items():
            if name != "epoch" and not isinstance(value, str):
                events.add_scalar(name, value, row["epoch"])
    events.flush()


def event_writer(folder: Path):
    """TensorBoard's writer, or None without that package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # purge_step: TensorBoard forgets what an earlier, killed process wrote.
    return SummaryWriter(folder, purge_step=1)
