"""One training per folder: a lock that the system drops when its holder dies."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import distributed

if sys.platform == "win32":
    from msvcrt import LK_NBLCK, locking

    def lock(file: int) -> None:
        locking(file, LK_NBLCK, 1)

else:
    from fcntl import LOCK_EX, LOCK_NB, flock

    def lock(file: int) -> None:
        flock(file, LOCK_EX | LOCK_NB)


# What the system says when another holds the lock, or had the file and removed it.
HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK, errno.ENOENT}
_held: set[Path] = set()


@contextmanager
def only_run(checkpoint: Path | None) -> Iterator[None]:
    """Within, no other process trains into this checkpoint. Of several processes that
    train together the first holds the lock.

    The lock is the operating system's, on a file beside the checkpoint: what a killed
    process leaves behind hinders nobody. Raises ValueError if another process holds it,
    OSError if the folder can't be written. Some network disks know no locks: there a
    line on stderr says so, and the training goes on.
    """
    if checkpoint is None or distributed.rank() > 0:
        yield
        return
    path = checkpoint.absolute().with_name(checkpoint.name + ".lock")
    if path in _held:  # the command holds it around ``fit``
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise OSError(
            f"can't write into {path.parent} ({error.strerror}): choose another folder"
        ) from error
    if is_held(file, path):
        os.close(file)
        raise ValueError(
            f"another process is training into {path.parent}: wait for it to end, "
            "or choose another folder"
        )
    _held.add(path)
    try:
        yield
    finally:
        _held.remove(path)
        with suppress(OSError):  # Windows removes no open file
            path.unlink()
        os.close(file)


def is_held(file: int, path: Path) -> bool:
    """Lock the open file; True if another process has done so before."""
    try:
        lock(file)
        # Its last holder may have removed the file since we opened it.
        return not os.path.samestat(os.fstat(file), path.stat())
    except OSError as error:
        if error.errno in HELD:
            return True
        print(
            f"the disk of {path.parent} can't lock files ({error.strerror}): see to it "
            "that no other process trains into this folder",
            file=sys.stderr,
        )
        return False
