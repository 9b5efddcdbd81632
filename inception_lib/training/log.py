"""A run that can be watched: its history on disk, a line per epoch, as it comes."""

import os
from pathlib import Path

import pandas as pd


class Log:
    """Hand it to ``fit`` as ``on_epoch``; it writes into ``folder``:

    - ``history.csv``: a line per epoch, on the disk as soon as the epoch has ended.
    - TensorBoard's event files, if the package tensorboard is installed.

    A run that goes on from a checkpoint writes the epochs before it again, so that both
    agree with the checkpoint whatever was lost.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.written = 0
        self.events = None

    def __call__(self, history: pd.DataFrame) -> None:
        first = self.written == 0
        rows = history.iloc[self.written :]
        path = self.folder / "history.csv"
        with open(path, "w" if first else "a", newline="", encoding="utf-8") as file:
            rows.to_csv(file, header=first, index=False)
            file.flush()
            os.fsync(file.fileno())
        if first:
            self.events = event_writer(self.folder)
        if self.events:
            for row in rows.to_dict("records"):
                for name, value in row.items():
                    if name != "epoch" and not isinstance(value, str):
                        self.events.add_scalar(name, value, row["epoch"])
            self.events.flush()
        self.written = len(history)


def event_writer(folder: Path):
    """TensorBoard's writer, or None without that package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # purge_step: TensorBoard forgets what an earlier, killed process wrote.
    return SummaryWriter(folder, purge_step=1)
