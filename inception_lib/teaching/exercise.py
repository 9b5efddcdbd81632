"""What an exercise is: a right answer and a table ``{mistake: diagnosis}``.

The table serves the check, its test (every wrong answer meets its own sentence) and the
teachers' page.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Diagnosis = str | Callable[[Any], Any]  # a sentence, or what makes one of the answer


class Refused(Exception):
    """Raised while an answer is read; its text is the diagnosis."""


class When:
    """A mistake that a predicate recognises, with wrong answers that make it."""

    def __init__(self, test: Callable[[Any], object], *examples: Any):
        self.test, self.examples = test, examples


@dataclass
class Exercise:
    """One exercise of a notebook.

    ``read`` turns an answer into what is compared: a number by default, or for a
    function what it returns (see `calls`); it may raise `Refused`. ``mistakes`` are
    tried in their order. A key is a wrong answer, read and compared like the
    learner's, or a `When`; its predicate, and a diagnosis that is a function, receive
    what was read. An answer that makes none of the mistakes is right if it equals
    ``right``, and else gets the sentence ``otherwise``; where there is no
    ``otherwise`` it is right. ``within`` is the relative tolerance of floats.
    ``examples`` are further wrong answers, each with a word of its diagnosis.
    """

    number: str
    title: str
    mistakes: dict[Any, Diagnosis]
    right: Any = None
    otherwise: Diagnosis | None = None
    read: Callable[[Any], Any] = float
    within: float = 1e-3
    examples: dict[Any, str] = field(default_factory=dict)
    solved: bool = False

    def diagnose(self, answer: Any) -> str | None:
        """What is wrong with the answer, in one sentence; None if it is right."""
        try:
            seen = self.read(answer)
        except Refused as refusal:
            return str(refusal)
        for mistake, diagnosis in self.mistakes.items():
            if self._is(mistake, seen):
                return sentence(diagnosis, seen)
        if self.otherwise is None or alike(seen, self.right, self.within):
            return None
        return sentence(self.otherwise, seen)

    def _is(self, mistake: Any, seen: Any) -> bool:
        if isinstance(mistake, When):
            return bool(mistake.test(seen))
        return alike(seen, self.read(mistake), self.within)

    def wrong_answers(self) -> Iterator[tuple[Any, str]]:
        """Every known wrong answer, with its diagnosis or a part of it."""
        for mistake, diagnosis in self.mistakes.items():
            known = mistake.examples if isinstance(mistake, When) else [mistake]
            for answer in known:
                if isinstance(diagnosis, str):
                    yield answer, diagnosis
                else:
                    yield answer, diagnosis(self.read(answer))
        yield from self.examples.items()


EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, title: str, mistakes: dict[Any, Diagnosis], **options):
    """Register an `Exercise` under its number."""
    EXERCISES[number] = Exercise(number, title, mistakes, **options)


def calls(*cases: tuple) -> Callable[[Any], Any]:
    """Read a function by what it returns for each case (a tuple of arguments)."""

    def read(answer):
        if not callable(answer):
            raise Refused(f"asked is a function, got {type(answer).__name__}")
        returned = [answer(*copy.deepcopy(case)) for case in cases]
        return returned if len(cases) > 1 else returned[0]

    return read


def alike(a: Any, b: Any, within: float = 1e-3) -> bool:
    """Equal; floats and tensors up to the relative tolerance ``within``."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.allclose(b, rtol=1e-4, atol=1e-5)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(
            alike(x, y, within) for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=within)
    return not isinstance(a, Tensor) and bool(a == b)


def sentence(diagnosis: Diagnosis, seen: Any) -> str:
    return diagnosis if isinstance(diagnosis, str) else diagnosis(seen)


def kind(answer: Any) -> str:
    return type(answer).__name__


def sizes(shape: tuple[int, ...]) -> str:
    """A shape as a diagnosis shows it: 2×3×4."""
    return "×".join(map(str, shape)) or "a single number"
