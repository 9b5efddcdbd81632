"""The learner's own GoogLeNet: is it right, how is it trained, how is it used later."""

from dataclasses import replace
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..model import GoogLeNet, GoogLeNetOutputs, InceptionAux
from ..training import TrainingConfig
from ..training.run import Run, build_model
from .compare import (
    Call,
    Pairs,
    Trace,
    build,
    compare,
    copy_weights,
    match,
    odd_layers,
    structure,
    trace,
    why_it_stopped,
    wrong_dropout,
    wrong_layers,
)
from .exercise import Refused, alike, is_blank, kind

CLASSES = 5  # of the network that a check builds


def heads_of(module: nn.Module, x: Tensor) -> tuple[Trace, list[list[Call]]]:
    """A pass in train mode, and the layers of each head that ran only then, the head
    with the fewest channels first.
    """
    in_trunk = {call.name for call in trace(module.eval(), x).calls}
    seen = trace(module.train(), x)
    module.eval()
    heads: list[list[Call]] = []
    for call in seen.calls:
        if call.name not in in_trunk:
            if len(call.shape) == 4 or not heads:
                heads.append([])
            heads[-1].append(call)
    return seen, sorted(heads, key=lambda head: head[0].shape[1])


Network = TypeVar("Network", bound=nn.Module)


def adaptive_heads(model: Network) -> Network:
    """The library's heads, with a pooling to 4×4 for every size of image."""
    for part in model.modules():
        if isinstance(part, InceptionAux):
            part.pool = nn.AdaptiveAvgPool2d(4)
    return model


@cache
def example() -> tuple[Tensor, Trace, Trace, list[list[Call]]]:
    """An image, and what the library's network makes of it: in eval mode, in train mode
    and in its heads.
    """
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    ours = adaptive_heads(GoogLeNet(CLASSES)).eval()
    return x, trace(ours, x), *heads_of(ours, x)


def wrong_network(theirs: nn.Module) -> tuple[str | None, dict[str, str]]:
    """What is wrong with a GoogLeNet of 5 classes; else the library's name of each of
    its layers.
    """
    x, right, _, _ = example()
    seen = trace(adaptive_heads(theirs), x)
    if stopped := why_it_stopped(seen, x):
        return stopped, {}
    if not isinstance(seen.result, Tensor):
        given = kind(seen.result)
        return f"in eval mode asked are the logits alone, it returns {given}", {}
    trained, _ = heads_of(theirs, x)
    if stopped := why_it_stopped(trained, x):
        return f"in train mode: {stopped}", {}
    odd, missing = odd_layers(seen.calls, right.calls)
    if len(odd) >= 3 and not missing:
        return "the heads are computed in eval mode, too, and thrown away", {}
    if broken := structure(theirs, trained):
        return broken, {}
    if wrong := wrong_layers(odd, missing):
        return wrong, {}
    diagnosis, pairs = compare(theirs, right, x)
    diagnosis = diagnosis or wrong_heads(theirs, pairs)
    diagnosis = diagnosis or wrong_dropout(seen, trained, {1024: [0.4, 0.7, 0.7]})
    return diagnosis, {their.name: our.name for their, our in pairs}


def wrong_heads(theirs: nn.Module, pairs: Pairs) -> str | None:
    """What is wrong in train mode, once the trunk is right; adds to ``pairs``."""
    x, _, wanted, our_heads = example()
    seen, heads = heads_of(theirs, x)
    if isinstance(seen.result, Tensor):
        return "in train mode the heads' logits are asked as well: GoogLeNetOutputs"
    channels = [head[0].shape[1] for head in heads]
    if channels != [512, 528]:
        told = ", ".join(map(str, channels))
        return f"heads read 4a (512 channels) and 4d (528); yours read {told}"
    for their, our in zip(heads, our_heads, strict=True):
        found = match(their, our)
        if found is None:
            return f"head: {wrong_layers(*odd_layers(their, our))}"
        pairs += found
    copy_weights((their.layer, our.layer) for their, our in pairs)
    seen, heads = heads_of(theirs, x)
    for their, our, tap in zip(heads, our_heads, ("4a", "4d"), strict=True):
        if not alike(their[0].input, our[0].input):
            return (
                f"the head with {our[0].shape[1]} channels doesn't read {tap}'s "
                "output, averaged to 4×4"
            )
    if not isinstance(seen.result, tuple) or len(seen.result) != 3:
        return f"in train mode it returns {kind(seen.result)}, not three logits"
    if not all(map(alike, seen.result, wanted.result)):
        if alike(seen.result[1], wanted.result[2]):
            return "the order is logits, head 2 (the deeper one, after 4d), head 1"
        return "in train mode the three outputs aren't the three logits"
    if not isinstance(seen.result, GoogLeNetOutputs):
        return "return GoogLeNetOutputs(logits, …, …): the loss asks for its names"
    return None


def with_batch_norm(model: nn.Module) -> nn.Module:
    """A batch norm behind every convolution of ``model``, instead of its bias."""
    for module in list(model.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.Conv2d):
                layer.bias = None
                norm = nn.BatchNorm2d(layer.out_channels, eps=1e-3)
                setattr(module, name, nn.Sequential(layer, norm))
    return model


def ready_to_train(
    cls: type | None, config: TrainingConfig, num_classes: int
) -> nn.Module | None:
    """The learner's network for ``fit(model=…)``, with the library's first weights.

    ``config.batch_norm`` puts a batch norm behind each of its convolutions. None, for
    the library's own network, if there is no class or if it isn't right yet; a line
    says which network it is.
    """
    ours = "In training: the library's GoogLeNet"
    if cls is None or is_blank(cls):
        print(f"{ours} (write yours in notebook 05, and it will be trained here)")
        return None
    try:
        diagnosis, names = wrong_network(build(cls, CLASSES))
    except Refused as refusal:
        diagnosis, names = str(refusal), {}
    if diagnosis:
        print(f"{ours}, as yours isn't right yet: {diagnosis}")
        return None
    torch.manual_seed(config.seed)
    source = GoogLeNet(num_classes)
    model = adaptive_heads(cls(num_classes))
    copy_weights(
        (model.get_submodule(their), source.get_submodule(our))
        for their, our in names.items()
    )
    print(f"In training: your own {cls.__name__}, from {cls.__module__}")
    return with_batch_norm(model) if config.batch_norm else model


def in_the_library(cls: type, run: Run) -> Run:
    """A run of the learner's network as one of the library's: the same answers, and all
    that knows the library's layers by name can use it (saving, heat maps, export).
    """
    _, names = wrong_network(build(cls, CLASSES))
    ours = build_model(run.config, len(run.classes))
    for their, our in names.items():
        trained, target = run.model.get_submodule(their), ours.get_submodule(our)
        if isinstance(trained, nn.Sequential):
            layer = ours.get_submodule(our.rpartition(".")[0])
            layer.bn.load_state_dict(trained[1].state_dict())  # type: ignore[union-attr]
            trained = trained[0]
        target.load_state_dict(trained.state_dict())
    return replace(run, model=ours.eval())
