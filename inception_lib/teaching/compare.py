"""A network that a learner wrote, beside the library's: where do they differ?

Parameter names are the learner's own, so layers are matched by their shape and by the
order in which they run.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .exercise import Refused, alike, kind, sizes

NORMS = (nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm, nn.LayerNorm)


@dataclass(eq=False)
class Call:
    """A layer with weights in a forward pass."""

    name: str
    layer: Any  # nn.Conv2d or nn.Linear
    input: Tensor
    output: Tensor | None = None  # None if it stopped here

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.layer.weight.shape)

    def __str__(self) -> str:
        return f"`{self.name}`, {described(self.shape)},"


Pairs = list[tuple[Call, Call]]  # a layer of theirs, the one of ours


@dataclass
class Trace:
    """A forward pass: what came out, or why it stopped, and all that ran on the way.

    ``dropouts`` are the rates of the dropouts that were on, each with the number of
    values per image that it saw; nothing is dropped.
    """

    result: Any = None
    error: Exception | None = None
    calls: list[Call] = field(default_factory=list)
    dropouts: list[tuple[float, int]] = field(default_factory=list)


def described(shape: tuple[int, ...]) -> str:
    kernel = f"{shape[2]}×{shape[3]}" if len(shape) == 4 else "linear"
    return f"{kernel} from {shape[1]} to {shape[0]}"


def build(cls: Any, *arguments: Any) -> nn.Module:
    """An instance of the learner's class; Refused, in words, if there is none."""
    if isinstance(cls, nn.Module):
        raise Refused(f"asked is the class itself, {kind(cls)}, without parentheses")
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise Refused(f"asked is a class that inherits from nn.Module, got {cls!r}")
    try:
        module = cls(*arguments)
    except Exception as error:
        if "Module.__init__()" in str(error):
            raise Refused("call super().__init__() before you make a layer") from None
        raise Refused(f"{cls.__name__} can't be made: {error}") from None
    if cls.forward is nn.Module.forward:
        raise Refused(f"{cls.__name__} has no forward: is it indented too far?")
    return module.eval()


def trace(module: nn.Module, x: Tensor) -> Trace:
    """Run the module on ``x`` and write down what happens."""
    seen = Trace()

    def before(name: str) -> Callable:
        return lambda layer, inputs: seen.calls.append(
            Call(name, layer, inputs[0].detach().clone())
        )

    def after(layer, inputs, output):
        seen.calls[-1].output = output.detach().clone()

    def dropout(values, p=0.5, training=True, inplace=False):
        if training:
            seen.dropouts.append((p, values[0].numel()))
        return values

    hooks = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            hooks.append(layer.register_forward_pre_hook(before(name)))
            hooks.append(layer.register_forward_hook(after))
    try:
        with mock.patch.object(F, "dropout", dropout), torch.no_grad():
            seen.result = module(x.clone())
    except Exception as error:
        seen.error = error
    for hook in hooks:
        hook.remove()
    return seen


def why_it_stopped(seen: Trace, x: Tensor) -> str | None:
    """The error of a forward pass in the words of the module."""
    if seen.error is None:
        return None
    message = str(seen.error).splitlines()[0]
    last = seen.calls[-1] if seen.calls else None
    if last and last.output is None:  # it stopped in a layer
        expected, given = last.shape[1], sizes(last.input.shape[1:])
        if isinstance(last.layer, nn.Linear):
            return f"`{last.name}` expects {expected} numbers per image, gets {given}"
        return f"`{last.name}` expects {expected} channels, gets {given}"
    if "must match the size of tensor" in message:
        return "that adds the branches; concatenate them: each keeps its own channels"
    if "stack expects" in message:
        return "torch.stack makes a new dimension; torch.cat joins along the channels"
    if "except in dimension" in message:
        along = message.split("except in dimension ")[1][0]
        if along != "1":
            return f"that concatenates along dimension {along}; channels are number 1"
        return shrunk(seen, x)
    return f"on {sizes(x.shape[1:])} it stops: {kind(seen.error)}: {message}"


def shrunk(seen: Trace, x: Tensor) -> str:
    """Which branch lost the size of the map."""
    side = sizes(x.shape[2:])
    for call in seen.calls:
        kernel = call.shape[2]
        before, after = call.input.shape[2:], call.output.shape[2:]  # type: ignore[union-attr]
        if before == x.shape[2:] and after != before:
            return (
                f"{call} makes {sizes(after)} out of {side}: it needs "
                f"padding={kernel // 2} and stride 1"
            )
        if before != x.shape[2:]:
            return (
                f"the pooling makes {sizes(before)} out of {side}: "
                "it needs stride=1 and padding=1"
            )
    return f"the branches' maps differ in size: all must stay {side}"


def match(theirs: list[Call], ours: list[Call]) -> Pairs | None:
    """Each layer of ours with the first one of theirs of its shape that is free."""
    free, pairs = list(theirs), []
    for our in ours:
        found = next((call for call in free if call.shape == our.shape), None)
        if found is None:
            return None
        free.remove(found)
        pairs.append((found, our))
    return None if free else pairs


def in_units(calls: list[Call]) -> list[list[Call]]:
    """A reduction together with the convolution that runs right after it."""
    units: list[list[Call]] = []
    for call in calls:
        last = units[-1][-1].shape if units else ()
        fed = len(last) == len(call.shape) == 4 and last[2] == 1 < call.shape[2]
        if fed and last[0] == call.shape[1] and len(units[-1]) == 1:
            units[-1].append(call)
        else:
            units.append([call])
    return units


def match_units(theirs: list[Call], ours: list[Call]) -> Pairs | None:
    """As ``match``, where two branches whose first layers look alike run in another
    order: what follows a reduction tells it from a plain 1×1.
    """
    pairs: Pairs = []
    free = in_units(theirs)
    for unit in in_units(ours):
        shapes = [call.shape for call in unit]
        same = (u for u in free if [call.shape for call in u] == shapes)
        found = next(same, None)
        if found is None:
            return None
        free = [other for other in free if other is not found]
        pairs += zip(found, unit, strict=True)
    return None if free else pairs


def copy_weights(pairs: Iterable[tuple[Any, Any]]) -> None:
    """From the second layer of each pair into the first."""
    with torch.no_grad():
        for target, source in pairs:
            target.weight.copy_(source.weight)
            if target.bias is not None and source.bias is not None:
                target.bias.copy_(source.bias)


def odd_layers(theirs: list[Call], ours: list[Call]) -> tuple[list[Call], list[Call]]:
    """Layers of theirs that ours doesn't have, and layers of ours that are missing."""
    free, missing = list(theirs), []
    for our in ours:
        found = next((call for call in free if call.shape == our.shape), None)
        free.remove(found) if found else missing.append(our)
    return free, missing


def structure(module: nn.Module, seen: Trace) -> str | None:
    """What is wrong with the layers themselves, whatever their numbers."""
    if any(isinstance(part, NORMS) for part in module.modules()):
        doubled = any(call.layer.bias is not None for call in seen.calls)
        more = (
            "; and each bias is there twice, as a norm shifts, too" if doubled else ""
        )
        return f"there is a norm in it, and the paper's network has none{more}"
    if not list(module.parameters()):
        return (
            "PyTorch finds no weights in it: make the layers in __init__ and keep each "
            "as self.…; a plain list hides them (nn.ModuleList doesn't)"
        )
    layers = [call.layer for call in seen.calls]
    for call in seen.calls:
        if call.layer.bias is None:
            return f"{call} has no bias; the paper's layers have one"
        if layers.count(call.layer) > 1:
            return f"{call} runs twice: each layer needs weights of its own"
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in layers:
            return f"`{name}` is made, but forward never uses it"
    return None


def wrong_layers(odd: list[Call], missing: list[Call]) -> str | None:
    if odd and missing:
        return f"{odd[0]} should be {described(missing[0].shape)}"
    if odd:
        return f"{odd[0]} is one layer too many"
    return f"missing is a layer: {described(missing[0].shape)}" if missing else None


def beside(theirs: nn.Module, ours: nn.Module, x: Tensor) -> str | None:
    """The first thing that is wrong with a module which should do what ours does."""
    right, seen = trace(ours, x), trace(theirs, x)
    if stopped := why_it_stopped(seen, x):
        return stopped
    if not isinstance(seen.result, Tensor):
        return f"it returns {kind(seen.result)}, not a tensor"
    return (
        structure(theirs, seen)
        or wrong_layers(*odd_layers(seen.calls, right.calls))
        or compare(theirs, right, x)[0]
    )


def compare(theirs: nn.Module, right: Trace, x: Tensor) -> tuple[str | None, Pairs]:
    """Copy our weights into theirs; the first place where their numbers differ then.

    None if the answers are equal, with the layers that belong together.
    """
    seen = trace(theirs, x)
    best: Pairs = []
    told, furthest = "", -1
    for matcher in (match, match_units):
        pairs = matcher(seen.calls, right.calls)
        if pairs is None:
            continue
        copy_weights((their.layer, our.layer) for their, our in pairs)
        again = trace(theirs, x)
        by_layer = {id(call.layer): call for call in again.calls}
        ran = [(by_layer[id(their.layer)], our) for their, our in pairs]
        place, diagnosis = first_difference(ran, x)
        if not diagnosis:
            diagnosis = wrong_result(again.result, right.result)
        if diagnosis is None:
            return None, pairs
        if place > furthest:
            told, furthest, best = diagnosis, place, pairs
    return told, best


def first_difference(ran: Pairs, x: Tensor) -> tuple[int, str | None]:
    sources = [x]
    for place, (their, our) in enumerate(ran):
        read, wanted = their.input, our.input
        if read.shape != wanted.shape:
            told = (
                f"{their} reads {sizes(read.shape[1:])}, not {sizes(wanted.shape[1:])}"
            )
            if len(read.shape) == 4 and 0 < wanted.shape[2] - read.shape[2] <= 4:
                told += ": pool with ceil_mode=True (else 14×14 becomes 13×13), and pad"
            return place, told
        if not alike(read, wanted):
            return place, wrong_input(their, read, wanted, sources)
        if their.output is None or not alike(their.output, our.output):
            return place, (
                f"{their} reads what it should; look at its stride and padding"
            )
        sources.append(their.output.relu())
    return len(ran), None


def wrong_input(their: Call, read: Tensor, wanted: Tensor, sources) -> str:
    if alike(read.relu(), wanted):
        return f"there is no ReLU in front of `{their.name}`"
    for source in sources:
        if source.dim() != 4:
            continue
        for told, pool in POOLS.items():
            pooled = pool(source, read)
            if alike(pooled, read):
                return f"in front of `{their.name}`, {told}"
    return (
        f"what reaches `{their.name}` has the right shape, but other numbers: look at "
        "what is in front of it (layers are matched by shape and order: let the "
        "branches run in the order of Table 1)"
    )


def pooled(pool: Callable, *options: Any, **more: Any) -> Callable:
    """A pooling of ``source``, unchanged where it doesn't fit."""

    def apply(source: Tensor, read: Tensor) -> Tensor:
        if min(source.shape[2:]) < 3 or source.shape[1] != read.shape[1]:
            return source[..., :0]
        return pool(source, *options, **more)

    return apply


POOLS = {
    "the pooling takes the average, not the maximum": pooled(
        F.avg_pool2d, 3, 1, 1, count_include_pad=False
    ),
    "the pooling takes an average, not the maximum": pooled(F.avg_pool2d, 3, 1, 1),
    "the pooling is missing": lambda source, read: source,
    "an average is asked, not the maximum": pooled(F.adaptive_max_pool2d, 4),
    "the pooling averages; asked is the maximum": pooled(
        F.avg_pool2d, 3, 2, ceil_mode=True
    ),
    "the pooling is padded; ceil_mode=True is what the paper's sizes ask for": pooled(
        F.max_pool2d, 3, 2, 1
    ),
    "the pooling is 2×2; asked is 3×3": pooled(F.max_pool2d, 2, 2),
}


def wrong_result(given: Any, wanted: Tensor) -> str | None:
    """What is wrong with an answer whose layers all ran as they should."""
    if not isinstance(given, Tensor):
        return f"it returns {kind(given)}, not a tensor"
    if given.shape != wanted.shape:
        return f"it returns {sizes(given.shape)}, not {sizes(wanted.shape)}"
    if alike(given, wanted):
        return None
    if alike(given, wanted.softmax(1)) or alike(given, wanted.log_softmax(1)):
        return "a softmax inside the network: the loss has one; return the logits"
    if alike(given, wanted.relu()):
        return "a ReLU after the last layer: logits may be negative"
    if alike(given.relu(), wanted):
        return "a ReLU is missing at the end: there are negative numbers in the output"
    if alike(given.sum(1), wanted.sum(1)):
        return "the branches are joined in another order than 1×1, 3×3, 5×5, pool"
    return "all layers work as they should, but what is made of their outputs doesn't"


def wrong_dropout(eval_mode: Trace, train_mode: Trace, asked: dict) -> str | None:
    """``asked`` is the rate by the number of values that the dropout sees."""
    if eval_mode.dropouts:
        return "it drops in eval mode, too: F.dropout needs training=self.training"
    for values, rates in asked.items():
        found = [rate for rate, count in train_mode.dropouts if count == values]
        if sorted(found) == rates:
            continue
        told = ", ".join(f"{rate:.0%}" for rate in rates)
        if not found:
            return f"no dropout on the {values} numbers in front of the last layer"
        if sorted(1 - rate for rate in found) == rates:
            return f"PyTorch's number is the share that is *dropped*: {told}"
        given = ", ".join(f"{rate:.0%}" for rate in found)
        return f"its dropout drops {given} of {values} numbers, asked is {told}"
    return None
