"""What ends a training from outside: Ctrl-C, and SIGTERM, with which Slurm, Kubernetes
and torchrun end a process.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


class Terminated(KeyboardInterrupt):
    """SIGTERM: like Ctrl-C, but seconds later the process will be killed."""


SEEN = threading.Event()  # Python has heard of a SIGTERM.


def raise_terminated(*_) -> None:
    SEEN.set()
    raise Terminated


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Inside the block, SIGTERM raises ``Terminated``."""
    if not in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def held_back() -> Iterator[list[int]]:
    """Inside the block, the first interrupt is only noted in the list that this gives;
    it is raised at the end of the block. A second one is raised at once.
    """
    came: list[int] = []
    handlers: dict[int, Callable] = {}

    def note(number: int, _) -> None:
        if number == signal.SIGTERM:
            SEEN.set()
        came.append(number)
        signal.signal(number, handlers[number])

    if in_main_thread():  # no other thread is ever interrupted
        for each in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(each)):
                handlers[each] = handler
                signal.signal(each, note)
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in came:
        handlers[number](number, None)


@contextmanager
def held_back_from_children() -> Iterator[None]:
    """Inside the block, an interrupt waits: half a DataLoader can't be cleaned up. In
    the processes started here Ctrl-C stays blocked (not on Windows), because they take
    seconds to reach ``leave_to_parent``.
    """
    if not in_main_thread() or not hasattr(signal, "pthread_sigmask"):
        with held_back():
            yield
        return
    resource_tracker.ensure_running()  # whose start would let it through again
    with held_back():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def leave_to_parent(_: int) -> None:
    """In a process that reads pictures: an interrupt, which may reach all processes, is
    for the one that trains and then ends the others. It has ten seconds.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, lambda *_: signal.alarm(10))


@contextmanager
def ends_if_stuck(seconds: float = 15) -> Iterator[None]:
    """Inside the block, SIGTERM ends the process with status 143 if Python hasn't heard
    of it ``seconds`` later (not on Windows): then it waits for a process that has died.

    gloo doesn't notice if that happens in the middle of a transfer, and waits for half
    an hour; torchrun, which ends the others at once, would kill after 30 s.
    """
    if not in_main_thread() or os.name != "posix":
        yield
        return
    SEEN.clear()
    read, write = os.pipe()
    os.set_blocking(write, False)

    def watch() -> None:
        while came := os.read(read, 1):  # nothing: it has been closed
            if came[0] == signal.SIGTERM and not SEEN.wait(seconds):
                os._exit(143)
        os.close(read)

    before = signal.set_wakeup_fd(write)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
