"""Files of a training, whole or not at all: tensors and what is said of them.

A checkpoint, from which a training continues, and the file of a finished network are
both in safetensors, with the rest as JSON and a checksum.
"""

import errno
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..checks import at_home
from . import distributed
from .config import TrainingConfig
from .data import Images, pixel_std
from .log import tell
from .stream import worker_deaths

FORMAT = 2  # 1, which had no checksum, is no longer read
# What a disk says that knows no locks: some network disks.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


# --- who may write into a folder ------------------------------------------------------


class Checkpoint(NamedTuple):
    """Where a training is kept, if anywhere, and whether it continues from there."""

    path: Path | None
    resume: bool


@contextmanager
def hold(
    checkpoint: str | Path | Checkpoint | None, resume: bool = False
) -> Iterator[Checkpoint]:
    """Everything that guards a training, passed once: no other process trains into this
    checkpoint, it isn't overwritten, and the death of a process that reads pictures is
    one sentence. A ``Checkpoint`` is held already, by the caller.

    With ``resume`` and no checkpoint yet the training begins. The lock is the operating
    system's, on a file beside the checkpoint, so a killed process leaves nothing that
    is in the way. Of several processes that train together the first one holds it.

    Raises ValueError if another process holds it, or there is a checkpoint and
    ``resume`` is False; OSError if the folder can't be written.
    """
    if isinstance(checkpoint, Checkpoint):
        yield checkpoint
        return
    path = at_home(checkpoint) if checkpoint else None
    if resume and not path:
        raise ValueError("resume continues from a checkpoint: name its file")
    with worker_deaths(), locked(path):
        found = path is not None and path.exists()
        if found and not resume:
            raise ValueError(
                f"{path} holds a run that has not ended: go on with it (--resume, or "
                "resume=True), or choose another folder"
            )
        if not distributed.all_same(found):
            raise ValueError(
                f"not all processes see {path}: use a folder on a disk that all of "
                "their machines share"
            )
        yield Checkpoint(path, found)


@contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """No other process is in here with the same ``path``."""
    if not path or distributed.rank() > 0:
        yield
        return
    folder = path.absolute().parent
    # Writable for all: a killed process leaves it behind, and a colleague may be next.
    lock = FileLock(folder / f"{path.name}.lock", mode=0o666)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except PermissionError:
            remove_if_stale(Path(lock.lock_file))
            lock.acquire(blocking=False)
    except (Timeout, BlockingIOError):
        raise ValueError(
            f"another process is training into {folder}: wait for it to end, or choose "
            "another folder"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise OSError(
                f"can't write into {folder} ({error.strerror}): choose another folder"
            ) from error
        tell(
            f"the disk of {folder} can't lock files ({error.strerror}): make sure that "
            "no other process trains into this folder",
            sys.stderr,
        )
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            os.unlink(lock.lock_file)
        lock.release()


def remove_if_stale(lock: Path) -> None:
    """Remove somebody else's lock file, which we may read but not write, unless it is
    in use (BlockingIOError).
    """
    import fcntl  # not on Windows, which removes the file of a killed process

    with open(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.unlink()


# --- files ----------------------------------------------------------------------------


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    It is written beside its place, flushed to the disk and then renamed, so that a
    crash at any instant leaves the previous file as it was. Raises OSError, in words,
    if the disk is full or can't be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # gives the space back
        raise OSError(
            f"can't write {path} ({error.strerror or error}): what was there before is "
            "unchanged; make room or choose another folder"
        ) from error
    # The new name is in place; not every system can be asked to write it down at once.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_tensors(path: Path, tensors: dict[str, Tensor], info: dict) -> None:
    """Write both into one safetensors file, whole or not at all, with a checksum."""
    whole = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
    }
    text = {"format": FORMAT, "sha256": checksum(whole, info), **info}
    write_file(path, save(whole, {"info": json.dumps(text)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """What ``write_tensors`` wrote. A damaged, edited or foreign file is a
    ValueError.
    """
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {})["info"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if not isinstance(info, dict):
            raise ValueError("no object")
        version = info.pop("format", None)
        if version == FORMAT and info.pop("sha256") != checksum(tensors, info):
            raise ValueError("another checksum")
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is not a file of this library, or it is damaged: "
            "train again, or restore it"
        ) from error
    if version != FORMAT:
        raise ValueError(f"{path} was written by another version of this library")
    return tensors, info


def checksum(tensors: dict[str, Tensor], info: dict) -> str:
    """SHA-256 of the information and of all values, in the order of their names."""
    digest = hashlib.sha256(json.dumps(info).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


# --- the state of a training ----------------------------------------------------------


@dataclass
class Progress:
    """How far the epoch has come that follows the history, and its sums so far."""

    step: int = 0
    loss: float | Tensor = 0.0
    correct: float | Tensor = 0.0
    lr: float = 0.0  # of the last step


@dataclass
class State:
    """All that the next step depends on, besides the configuration and the images."""

    model: nn.Module
    network: nn.Module  # the model, or what exchanges its gradients with others
    frozen: list[nn.Module]
    average: torch.optim.swa_utils.AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    device: torch.device
    precision: str
    rows: list[dict] = field(default_factory=list)  # of the history
    epoch: Progress = field(default_factory=Progress)
    beginning: Tensor | None = None  # the processor's random numbers, at the epoch's
    whole: bool = True  # between two steps, and the same in all processes

    def __post_init__(self):
        self.began = time.perf_counter()
        # In float16 the loss is scaled, so that small gradients don't vanish.
        self.scaler = torch.amp.GradScaler(
            self.device.type,
            2.0**12,
            growth_interval=500,
            enabled=self.precision == "float16",
        )

    @property
    def lr(self) -> float:
        """Of the next step, in the stage that learns fastest."""
        return float(max(self.schedule.get_last_lr()))

    @property
    def seconds(self) -> float:
        """How long the training has taken, before a resume too."""
        return time.perf_counter() - self.began

    @property
    def place(self) -> str:
        """Up to where it has come, in words; "" at the beginning."""
        done, step = len(self.rows), self.epoch.step
        if step:
            return f"epoch {done + 1}, batch {step}"
        return f"epoch {done}" if done else ""

    def train_mode(self) -> None:
        self.model.train()
        for layer in self.frozen:
            layer.eval()  # batch norm's running statistics stay, too


class Keeper:
    """Writes a training's checkpoint, if it has one: after every epoch, and within an
    epoch whenever ``config.checkpoint_minutes`` have passed.
    """

    def __init__(
        self, path: Path | None, config: TrainingConfig, images: dict, place: str = ""
    ):
        self.path, self.images = path, images
        # A relative path says nothing after a resume from elsewhere.
        weights = config.weights and os.path.abspath(config.weights)
        self.config = asdict(config) | {"weights": weights}
        self.seconds = 60 * config.checkpoint_minutes
        self.last = time.monotonic()
        self.place = place  # up to where the training is kept

    def due(self) -> bool:
        """Whether it is time. Of several processes the first one decides."""
        late = time.monotonic() - self.last >= self.seconds
        return self.path is not None and distributed.rank() == 0 and late

    def save(self, state: State, *, together: bool = False) -> None:
        """Write the state and the random numbers'. Within an epoch the processes that
        train together have to do it ``together``: each has running statistics of its
        own.
        """
        rows = None
        if self.path and together:
            rows = distributed.all_buffers(state.model, state.average)
        if self.path and state.place and distributed.rank() == 0:
            tensors, info = contents(state)
            if rows is not None:
                tensors["buffers"] = rows
            info = {"config": self.config, "images": self.images, **info}
            write_tensors(self.path, tensors, info)
        self.last, self.place = time.monotonic(), state.place


def contents(state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All of the state, as tensors and as what JSON can hold."""
    optimizer = state.optimizer.state_dict()
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in moments.items()}
    tensors |= {name: of.get_rng_state() for name, of in random_sources().items()}
    if state.beginning is not None:
        tensors["beginning"] = state.beginning
    info = {
        "rows": state.rows,
        "epoch": asdict(state.epoch),
        "seconds": state.seconds,
        "precision": state.precision,
        "groups": optimizer["param_groups"],
        "schedule": state.schedule.state_dict(),
        "scaler": state.scaler.state_dict(),
    }
    return tensors, info


def random_sources() -> dict[str, Any]:
    """Whose random numbers a training draws: the processor's, and its accelerator's."""
    sources: dict[str, Any] = {"random": torch}
    if torch.cuda.is_available():
        sources["random_cuda"] = torch.cuda
    if torch.backends.mps.is_available():
        sources["random_mps"] = torch.mps
    return sources


# --- resuming -------------------------------------------------------------------------


class Saved(NamedTuple):
    """What a ``Keeper`` wrote."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with this, by the rest of their names."""
        n = len(prefix)
        return {k[n:]: v for k, v in self.tensors.items() if k.startswith(prefix)}


def fingerprint(train: Images) -> dict:
    """Enough of the training images to notice that they are others, or in another
    order; where they lie doesn't matter.
    """
    variances = train.variances()
    place = torch.arange(1, len(train) + 1) * (1 + train.labels)
    return {
        "classes": list(train.classes),
        "count": len(train),
        "pixel_std": pixel_std(train),
        "order": ((variances * place).sum() / variances.sum()).item(),
    }


def read_checkpoint(
    held: Checkpoint, config: TrainingConfig, images: dict
) -> Saved | None:
    """What to resume from, if there is something. Raises ValueError if it is damaged or
    belongs to another configuration or to other images.
    """
    path = held.path
    if not held.resume or path is None:
        return None
    tensors, info = read_tensors(path)
    if "rows" not in info:
        raise ValueError(f"{path} holds a finished network, not a run to continue")
    check_same_config(path, info["config"], as_far_as(info["config"], config))
    theirs = info["images"]
    for name, ours in images.items():
        value = theirs.get(name, ours)  # earlier versions wrote no order
        same = value == ours
        if isinstance(ours, float):
            same = math.isclose(value, ours, rel_tol=1e-6)
        if not same:
            raise ValueError(
                f"{path} belongs to a run on other images ({theirs['count']} of the "
                f"classes {', '.join(theirs['classes'])}): restore them, or choose "
                "another folder"
            )
    return Saved(tensors, info)


def as_far_as(theirs: dict, config: TrainingConfig) -> TrainingConfig:
    """The configuration with the epochs that its ``minutes`` found time for when this
    run began: now they could be others.
    """
    return replace(config, epochs=theirs["epochs"]) if config.minutes else config


def check_same_config(path: Path, theirs: dict, config: TrainingConfig) -> None:
    """Raise a ValueError if a run differs from ``config`` in what changes its result.
    The folder of its images doesn't: its fingerprint is compared.
    """
    names = {f.name for f in fields(config)}
    before = TrainingConfig(**{k: v for k, v in theirs.items() if k in names})
    changed = [
        f.name
        for f in fields(config)
        if f.compare and getattr(before, f.name) != getattr(config, f.name)
    ]
    if "data" in changed and before.views == config.views:
        changed.remove("data")
    if os.path.abspath(before.weights) == os.path.abspath(config.weights):
        changed = [name for name in changed if name != "weights"]
    if changed:
        raise ValueError(
            f"{path} belongs to a run with another {', '.join(changed)}: repeat its "
            "options, or choose another folder"
        )


def check_finished(folder: Path, config: TrainingConfig) -> str:
    """A sentence about the finished run in ``folder``, which has nothing left to do.
    Raises ValueError if it is damaged, was interrupted, or isn't the run that
    ``config`` describes.
    """
    _, info = read_tensors(folder / "model.safetensors")
    before = TrainingConfig(**info["config"])
    if info["interrupted"]:
        raise ValueError(
            f"{folder} holds an interrupted run whose checkpoint is gone: choose "
            "another folder"
        )
    config = as_far_as(info["config"], config)
    if config.epochs > before.epochs:
        raise ValueError(
            f"{folder} holds a finished run of {before.epochs} epochs, at whose end "
            f"the learning rate was almost 0: train its weights for "
            f"{config.epochs - before.epochs} more, with a rate that rises and falls "
            f"again, by the same options with --weights {folder} --epochs "
            f"{config.epochs - before.epochs} --out another_folder, without --resume"
        )
    # A batch that few images don't fill was made smaller.
    config = replace(config, batch_size=before.batch_size)
    check_same_config(folder, info["config"], config)
    return f"{folder} holds the finished run of {before.epochs} epochs: nothing to do"


def restore(saved: Saved, state: State) -> None:
    """Put back into ``state`` all that was saved, and the random numbers. Raises
    ValueError if the network is another.
    """
    info = saved.info
    try:
        state.model.load_state_dict(saved.part("model."))
        state.average.load_state_dict(saved.part("average."))
    except RuntimeError as error:
        raise ValueError(
            "the checkpoint belongs to another network: hand over the same model, or "
            "choose another file"
        ) from error
    if "buffers" in saved.tensors:
        rows = saved.tensors["buffers"].to(state.device)
        distributed.restore_buffers(rows, state.model, state.average)
    groups = state.optimizer.param_groups
    params = [p for group in groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in saved.part("optimizer.").items():
        index, key = name.split(".")
        if tensor.dim():
            # In the memory layout of its weight, as the fused step expects it.
            tensor = torch.empty_like(params[int(index)]).copy_(tensor)
        moments.setdefault(int(index), {})[key] = tensor
    state.optimizer.load_state_dict({"state": moments, "param_groups": info["groups"]})
    state.schedule.load_state_dict(info["schedule"])
    state.rows = info["rows"]
    state.epoch = Progress(**info.get("epoch", {}))
    state.beginning = saved.tensors.get("beginning")
    state.began -= info.get("seconds", 0.0)
    if info.get("scaler"):
        state.scaler.load_state_dict(info["scaler"])
    for name, source in random_sources().items():
        if name in saved.tensors:  # else it comes from another kind of machine
            source.set_rng_state(saved.tensors[name])
