"""Files of a training, whole or not at all: tensors and what is said of them.

A checkpoint, from which a training goes on, and the file of a finished network are
both in safetensors, with the rest as JSON and a checksum.
"""

import errno
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
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
from .data import Images
from .log import tell
from .stream import worker_deaths

FORMAT = 2  # 1, which had no checksum, is no longer read
# What a disk says that knows no locks: some network disks.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Checkpoint(NamedTuple):
    """Where a training is kept, if anywhere, and whether it goes on from there."""

    path: Path | None
    resume: bool


@contextmanager
def hold(
    checkpoint: str | Path | Checkpoint | None, resume: bool = False
) -> Iterator[Checkpoint]:
    """Everything that guards a training, passed once: no other process trains into this
    checkpoint, it isn't overwritten, and the death of a process that reads pictures is
    one sentence. A ``Checkpoint`` is held already, by the caller.

    The lock is the operating system's, on a file beside the checkpoint, so a killed
    process leaves nothing behind that is in the way. Of several processes that train
    together the first one holds it.

    Raises ValueError if another process holds it, or there is a checkpoint and
    ``resume`` is False; FileNotFoundError if there is none to resume; OSError if the
    folder can't be written.
    """
    if isinstance(checkpoint, Checkpoint):
        yield checkpoint
        return
    path = at_home(checkpoint) if checkpoint else None
    if resume and not path:
        raise ValueError("resume goes on from a checkpoint: name its file")
    with worker_deaths(), locked(path):
        if path and resume and not path.is_file():
            raise FileNotFoundError(f"nothing to resume: there is no checkpoint {path}")
        if path and path.exists() and not resume:
            raise ValueError(
                f"{path} holds a run that has not ended: go on with it (--resume, or "
                "resume=True), or choose another folder"
            )
        yield Checkpoint(path, resume)


@contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """No other process is in here with the same ``path``."""
    if not path or distributed.rank() > 0:
        yield
        return
    folder = path.absolute().parent
    lock = FileLock(folder / f"{path.name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
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
    # The new name is in place; not every system can be told to write it down at once.
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


@dataclass
class State:
    """All that the next epoch depends on, besides the configuration and the images."""

    model: nn.Module
    network: nn.Module  # the model, or what exchanges its gradients with others
    frozen: list[nn.Module]
    average: torch.optim.swa_utils.AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    device: torch.device
    precision: str
    rows: list[dict] = field(default_factory=list)  # of the history
    seconds: float = 0.0  # that these took

    def __post_init__(self):
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

    def train_mode(self) -> None:
        self.model.train()
        for layer in self.frozen:
            layer.eval()  # batch norm's running statistics stay, too


def fingerprint(train: Images, pixel_std: float) -> dict:
    """Enough of the training images to notice that they are others."""
    return {"classes": train.classes, "count": len(train), "pixel_std": pixel_std}


def random_sources() -> dict[str, Any]:
    """Whose random numbers a training draws: the processor's, and its accelerator's."""
    sources: dict[str, Any] = {"random": torch}
    if torch.cuda.is_available():
        sources["random_cuda"] = torch.cuda
    if torch.backends.mps.is_available():
        sources["random_mps"] = torch.mps
    return sources


def save_checkpoint(
    path: Path, config: TrainingConfig, images: dict, state: State
) -> None:
    """Write the state, and the random numbers', after an epoch. ``images`` is the
    ``fingerprint``.
    """
    optimizer = state.optimizer.state_dict()
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in moments.items()}
    tensors |= {name: of.get_rng_state() for name, of in random_sources().items()}
    info = {
        "config": asdict(config),
        "images": images,
        "rows": state.rows,
        "seconds": state.seconds,
        "precision": state.precision,
        "groups": optimizer["param_groups"],
        "schedule": state.schedule.state_dict(),
        "scaler": state.scaler.state_dict(),
    }
    write_tensors(path, tensors, info)


class Saved(NamedTuple):
    """What ``save_checkpoint`` wrote."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with this, by the rest of their names."""
        n = len(prefix)
        return {k[n:]: v for k, v in self.tensors.items() if k.startswith(prefix)}


def read_checkpoint(
    held: Checkpoint, config: TrainingConfig, images: dict
) -> Saved | None:
    """What to resume from, if that is asked for. Raises ValueError if it is damaged or
    belongs to another configuration or to other images.
    """
    path = held.path
    if not held.resume or path is None:
        return None
    tensors, info = read_tensors(path)
    if "rows" not in info:
        raise ValueError(f"{path} holds a finished network, not a run to continue")
    changed = [
        f.name
        for f in fields(config)
        if f.compare
        and info["config"].get(f.name, f.default) != getattr(config, f.name)
    ]
    if changed:
        raise ValueError(
            f"{path} belongs to a run with another {', '.join(changed)}: repeat its "
            "options, or choose another folder"
        )
    theirs = info["images"]
    if (theirs["classes"], theirs["count"]) != (
        list(images["classes"]),
        images["count"],
    ) or not math.isclose(theirs["pixel_std"], images["pixel_std"], rel_tol=1e-6):
        raise ValueError(
            f"{path} belongs to a run on other images ({theirs['count']} of the "
            f"classes {', '.join(theirs['classes'])}): restore them, or choose another "
            "folder"
        )
    return Saved(tensors, info)


def restore(saved: Saved, state: State) -> None:
    """Put back into ``state`` all that was saved, and the random numbers. Raises
    ValueError if the network is another.
    """
    try:
        state.model.load_state_dict(saved.part("model."))
        state.average.load_state_dict(saved.part("average."))
    except RuntimeError as error:
        raise ValueError(
            "the checkpoint belongs to another network: hand over the same model, or "
            "choose another file"
        ) from error
    groups = state.optimizer.param_groups
    params = [p for group in groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in saved.part("optimizer.").items():
        index, key = name.split(".")
        if tensor.dim():
            # In the memory layout of its weight, as the fused step expects it.
            tensor = torch.empty_like(params[int(index)]).copy_(tensor)
        moments.setdefault(int(index), {})[key] = tensor
    state.optimizer.load_state_dict(
        {"state": moments, "param_groups": saved.info["groups"]}
    )
    state.schedule.load_state_dict(saved.info["schedule"])
    state.rows[:] = saved.info["rows"]
    state.seconds = saved.info.get("seconds", 0.0)
    if saved.info.get("scaler"):
        state.scaler.load_state_dict(saved.info["scaler"])
    for name, source in random_sources().items():
        if name in saved.tensors:  # else it comes from another kind of machine
            source.set_rng_state(saved.tensors[name])
