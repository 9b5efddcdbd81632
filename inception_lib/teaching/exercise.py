"""What an exercise is: a right answer, known mistakes, rules that say what is wrong.

The tables serve the check, its test (every wrong answer meets its own sentence) and the
teachers' page.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Rules = Callable[[Any], str | None]


class Refused(Exception):
    """Raised while an answer is read; its text is the diagnosis."""


@dataclass
class Exercise:
    """One exercise of a notebook.

    ``read`` turns an answer into what is compared: a number by default, or for a
    function what it returns (see `calls`); it may raise `Refused`. A key of
    ``mistakes`` is a wrong answer, read and compared like the learner's; its value is
    the diagnosis. Then ``rules`` are asked, which say in a sentence what is wrong with
    what was read, or nothing. What passes is right if it equals ``right``, and else
    gets the sentence ``otherwise``; without ``otherwise`` it is right. ``within`` is
    the relative tolerance of floats. ``examples`` are answers that break a rule, each
    with a word of its diagnosis; so are ``edits``, changes (old, new) of the notebook's
    solution. ``praise`` is what a right answer has earned.
    """

    number: str
    title: str
    mistakes: dict[Any, str] = field(default_factory=dict)
    right: Any = None
    otherwise: str | None = None
    rules: Rules = lambda seen: None
    read: Callable[[Any], Any] = float
    within: float = 1e-3
    examples: dict[Any, str] = field(default_factory=dict)
    edits: dict[tuple[str, str], str] = field(default_factory=dict)
    praise: str = ""
    solved: bool = False

    def diagnose(self, answer: Any) -> str | None:
        """What is wrong with the answer, in one sentence; None if it is right."""
        try:
            seen = self.read(answer)
        except Refused as refusal:
            return str(refusal)
        for mistake, diagnosis in self.mistakes.items():
            if alike(seen, self.read(mistake), self.within):
                return diagnosis
        if isinstance(self.right, Tensor):
            if not isinstance(seen, Tensor):
                return f"it returns {kind(seen)}, not a tensor"
            if seen.shape != self.right.shape:
                expected, given = sizes(self.right.shape), sizes(seen.shape)
                return f"it should return {expected} numbers, not {given}"
        if broken := self.rules(seen):
            return broken
        right = self.otherwise is None or alike(seen, self.right, self.within)
        return None if right else self.otherwise

    def wrong_answers(self) -> Iterator[tuple[Any, str]]:
        """Every known wrong answer, with its diagnosis or a part of it."""
        yield from self.mistakes.items()
        yield from self.examples.items()


EXERCISES: dict[str, Exercise] = {}


def exercise(
    number: str, title: str, mistakes: dict[Any, str] | None = None, **options
):
    """Register an `Exercise`. As a decorator, of the function that is its ``rules``."""
    task = EXERCISES[number] = Exercise(number, title, mistakes or {}, **options)

    def of(rules: Rules) -> Rules:
        task.rules = rules
        return rules

    return of


def choice(number: str, title: str, right: Iterable[str], why: dict[str, str]) -> None:
    """Register an exercise whose answer is a set of letters or names.

    ``why`` says of each what to think about where it is chosen or left out wrongly, the
    first ones first.
    """
    right = set(right)

    def rules(names: set[str]) -> str | None:
        return next((why[name] for name in why if name in names ^ right), None)

    single = all(len(name) == 1 for name in why)
    read = chosen("".join(why) if single else tuple(why))
    wrong = {tuple(sorted(right ^ {name})): sentence for name, sentence in why.items()}
    exercise(number, title, rules=rules, read=read, examples=wrong)


def calls(*cases: tuple) -> Callable[[Any], Any]:
    """Read a function by what it returns for each case (a tuple of arguments)."""

    def read(answer):
        if isinstance(answer, nn.Module) or not callable(answer):
            raise Refused(f"asked is a function, got {kind(answer)}")
        returned = [answer(*copy.deepcopy(case)) for case in cases]
        return returned if len(cases) > 1 else returned[0]

    return read


def expects(wanted: type, name: str) -> Callable[[Any], Any]:
    """Read an answer as it is; ``name`` is how the type is asked for."""

    def read(answer):
        if not isinstance(answer, wanted):
            raise Refused(f"asked is {name}, got {kind(answer)}")
        return answer

    return read


def chosen(known: str | tuple[str, ...]) -> Callable[[Any], set[str]]:
    """Read what was chosen as a set: letters, however they are written, or names."""

    def read(answer):
        if isinstance(known, str):
            found = {c for c in "".join(answer).upper() if c.isalnum()}
        else:
            found = {answer} if isinstance(answer, str) else set(answer)
        if unknown := found - set(known):
            wrong = ", ".join(sorted(map(str, unknown)))
            raise Refused(f"there is no {wrong}, choose among {', '.join(known)}")
        return found

    return read


def alike(a: Any, b: Any, within: float = 1e-3) -> bool:
    """Equal; floats and tensors up to the relative tolerance ``within``."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        both = isinstance(a, Tensor) and isinstance(b, Tensor)
        return both and a.shape == b.shape and a.allclose(b, rtol=1e-4, atol=1e-5)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(
            alike(x, y, within) for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=within)
    return bool(a == b)


def is_blank(cls: Any) -> bool:
    """Whether a class's forward is still the ``...`` of the task."""
    code = getattr(getattr(cls, "forward", None), "__code__", None)
    return bool(
        isinstance(cls, type)
        and code
        and not code.co_names
        and set(code.co_consts) <= {None, ...}
    )


def kind(answer: Any) -> str:
    return type(answer).__name__


def sizes(shape: tuple[int, ...]) -> str:
    """A shape as a diagnosis shows it: 2×3×4."""
    return "×".join(map(str, shape)) or "a single number"


def parts(module: nn.Module, *kinds: type) -> list:
    """The layers of these kinds, in order, however deep in the module."""
    return [part for part in module.modules() if isinstance(part, kinds)]


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def output_shape(module: nn.Module, *shape: int) -> tuple[int, ...]:
    """What the module makes of a C×H×W input."""
    with torch.no_grad():
        return tuple(module(torch.zeros(1, *shape)).shape[1:])
