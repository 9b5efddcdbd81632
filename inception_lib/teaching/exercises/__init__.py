"""Checked exercises: an answer goes in, a diagnosis comes out.

The exercises of a notebook are in the module of its number: ``nb05`` has 05.1, 05.2, …
"""

import importlib

import torch

from ..exercise import EXERCISES, Exercise, is_blank
from ..kept import keep

__all__ = ["EXERCISES", "check", "keep", "progress"]


def check(number: str, answer) -> None:
    """Print one line: solved (✓), what is wrong (✗), or not answered yet (○).

    ``...`` counts as unanswered, also as an item of a list, tuple or dict, and as what
    a class's forward does. An answer
    never raises; an unknown exercise number is a ValueError. The random numbers that
    the notebook draws afterwards don't depend on the answer.
    """
    with torch.random.fork_rng(devices=[]):
        task = _find(number)
        if _unanswered(answer):
            todo = "replace the ... above and run the cell again"
            print(f"○ {number} not answered yet: {todo}")
            return
        try:
            diagnosis = task.diagnose(answer)
        except Exception as error:
            diagnosis = (
                f"this answer, of type {type(answer).__name__}, could not be checked "
                f"({type(error).__name__}: {error}). What is asked: {task.title}"
            )
    task.solved = diagnosis is None
    praise = f": {task.praise}" if task.praise else ""
    solved = f"✓ {number} {task.title}{praise}"
    print(solved if task.solved else f"✗ {number} {diagnosis}")


def progress() -> None:
    """Print which exercises of the notebooks used in this session are solved."""
    for number, task in sorted(EXERCISES.items()):
        print(f"{'✓' if task.solved else '○'} {number} {task.title}")
    solved = sum(task.solved for task in EXERCISES.values())
    print(f"{solved} of {len(EXERCISES)} solved")


def _find(number: str) -> Exercise:
    module = f"{__name__}.nb{number.partition('.')[0]}"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    if number not in EXERCISES:
        known = ", ".join(EXERCISES)
        raise ValueError(f"there is no exercise {number!r}; known: {known}")
    return EXERCISES[number]


def _unanswered(answer) -> bool:
    if isinstance(answer, dict):
        return any(_unanswered(item) for item in answer.values())
    if isinstance(answer, list | tuple):
        return any(_unanswered(item) for item in answer)
    return answer is ... or is_blank(answer)
