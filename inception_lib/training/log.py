"""A run that can be watched: what it says, its progress, its history on disk.

Nothing that is said ends a run: not a character that the terminal lacks, not a full
disk under a log file, not a terminal or a pipe that has been closed.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from tqdm import tqdm


class Writer(Protocol):
    """Where text can go: an open text file, or what looks like one."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Patient:
    """A file whose writing never fails. A character that its encoding lacks comes out
    as its code, ``\\xd7`` for ×; what can't be written is lost.
    """

    def __init__(self, file: Writer):
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)  # such as the encoding, for which tqdm asks

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: closed
            try:
                self.file.write(text)
            except UnicodeError:
                encoding = getattr(self.file, "encoding", None) or "ascii"
                coded = text.encode(encoding, "backslashreplace")
                self.file.write(coded.decode(encoding))

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.file.flush()


def tell(text: str, file: Writer | None = None) -> None:
    """Print a line, by default on stdout, above the progress bar if there is one."""
    file = file or sys.stdout
    if file is not None:  # a program without a terminal may have none
        with tqdm.external_write_mode(file):
            print(text, file=Patient(file), flush=True)


@contextmanager
def any_terminal() -> Iterator[None]:
    """Inside the block, everything that is printed, by others too, can do without the
    characters that the terminal lacks; after it, Python can close both streams.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            AttributeError, OSError, ValueError
        ):  # none, closed, another kind
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream:
                    stream.flush()
            except (OSError, ValueError):  # Python would fail with its last flush
                with suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Lines(Patient):
    """For a file, where a carriage return doesn't go back: a line for each message."""

    def write(self, text: str) -> None:
        if text.strip():
            super().write(text.strip() + "\n")


class ProgressBar(tqdm):
    """The progress of a training whose epochs have images of these ``sizes``, of which
    some are ``done``: a line that changes. In a file or a log collector instead a line
    per epoch, and per minute in a long one.

    Counts in pixels, which take the same time in small images and in large ones.
    """

    def __init__(self, file: Writer | None, sizes: list[int], steps: int, done: int):
        self.numbers: dict[str, str] = {}
        self.epochs = done, len(sizes)
        self.changes = changes = file is None or redraws(file)
        bar = "{l_bar}{bar}| " if changes else "{desc}: {percentage:.0f}% done, "
        super().__init__(
            total=steps * sum(size**2 for size in sizes),
            initial=steps * sum(size**2 for size in sizes[:done]),
            file=file and (Patient(file) if changes else Lines(file)),
            disable=file is None,
            desc="training" if changes else self.epoch(),
            bar_format=bar + "{elapsed}, {remaining} left{postfix}",
            ncols=88 if changes else None,
            leave=changes,
            **({"mininterval": 0.5} if changes else PER_MINUTE),
        )

    def epoch(self) -> str:
        done, every = self.epochs
        return f"epoch {min(done + 1, every)} of {every}"

    def tell(self, **numbers: float) -> None:
        """Show these numbers beside those from before."""
        self.numbers |= {name: f"{number:.3f}" for name, number in numbers.items()}
        self.set_postfix(self.numbers, refresh=False)

    def end_epoch(self, **numbers: float) -> None:
        """The same, at once."""
        self.tell(**numbers)
        self.epochs = self.epochs[0] + 1, self.epochs[1]
        if not self.disable:
            self.refresh()
            self.last_print_t = self._time()
        if not self.changes:
            self.set_description_str(self.epoch(), refresh=False)


# tqdm's settings for a line per minute; without the delay there is one at the start.
PER_MINUTE: dict[str, Any]
PER_MINUTE = {"mininterval": 60, "maxinterval": 60, "miniters": 1, "delay": 1e-9}


def redraws(file: Writer) -> bool:
    """Whether a line can be replaced: on a terminal, or in a notebook."""
    if type(file).__module__.startswith("ipykernel"):
        return True
    try:
        return not hasattr(file, "isatty") or file.isatty()
    except ValueError:  # closed
        return False


class Log:
    """Hand it to ``fit`` as ``on_epoch``; it writes into ``folder``:

    - ``history.csv``: a line per epoch, on the disk as soon as the epoch has ended.
    - TensorBoard's event files, if the package tensorboard is installed. They are an
      extra: if they can't be written, a line on stderr says so, and the run continues.

    A run that continues from a checkpoint writes the epochs before it again, so that
    both agree with the checkpoint whatever was lost.
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
                for row in rows.to_dict("records"):
                    for name, value in row.items():
                        if name != "epoch" and not isinstance(value, str):
                            self.events.add_scalar(name, value, row["epoch"])
                self.events.flush()
        except Exception as error:  # a broken installation fails in many ways
            self.events = None
            tell(f"no more events for TensorBoard: {error}", sys.stderr)
        self.written = len(history)


def event_writer(folder: Path):
    """TensorBoard's writer, or None without that package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # purge_step: TensorBoard forgets what an earlier, killed process wrote.
    return SummaryWriter(folder, purge_step=1)
