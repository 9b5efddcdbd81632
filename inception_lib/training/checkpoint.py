"""Runs on disk, finished or not: tensors in safetensors, the rest in JSON."""

import hashlib
import json
import math
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..model import GoogLeNet
from . import distributed
from .config import TrainingConfig
from .data import Images
from .predict import predict

FORMAT = 2  # 1, which had no checksum, is no longer read


@dataclass
class Run:
    """A trained network with all that is needed to use it again.

    ``pixel_std`` is the training images' (see ``data.prepare``); ``history`` has a row
    per epoch; ``seconds`` is how long these took, in this process and in those before
    it (0 for a run that was loaded).
    """

    model: GoogLeNet
    config: TrainingConfig
    classes: tuple[str, ...]
    pixel_std: float
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    interrupted: bool = False
    seconds: float = 0.0

    def predict(self, data: Images) -> Tensor:
        """N×K class probabilities of any images, resized to the run's image size.

        Averaged over the image and its mirrorings (``config.mirrored``).
        """
        resized = data.resized(self.config.image_size)
        return self.probabilities(resized, mirrored=self.config.mirrored)

    def probabilities(self, data: Images, **options) -> Tensor:
        """``predict.predict`` on images of the right size. Processes that train
        together compute a share each; all of them must call it, and get the whole.
        """
        own = distributed.share(len(data))
        parts = [
            predict(self.model, images, self.pixel_std, **options)
            for images in data.pictures(own)
        ]
        return distributed.gather(torch.cat(parts), len(data))


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


def save_run(run: Run, folder: str | Path, metrics: dict | None = None) -> Path:
    """Write config.json, history.csv, metrics.json and model.safetensors into
    ``folder``; without ``metrics`` those of another run don't stay there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "config": asdict(run.config),
        "classes": run.classes,
        "pixel_std": run.pixel_std,
        "interrupted": run.interrupted,
    }
    texts = {
        "config.json": json.dumps(info, indent=2) + "\n",
        "history.csv": run.history.to_csv(index=False),
    }
    if metrics is not None:
        texts["metrics.json"] = json.dumps(metrics, indent=2) + "\n"
    else:
        (folder / "metrics.json").unlink(missing_ok=True)
    for name, text in texts.items():
        write_file(folder / name, text.encode())
    write_tensors(folder / "model.safetensors", run.model.state_dict(), info)
    return folder


def load_run(folder: str | Path) -> Run:
    """The run that ``save_run`` wrote, its network in eval mode.

    Raises FileNotFoundError if there is no model in ``folder``, ValueError if it is
    damaged.
    """
    path = Path(folder) / "model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no trained model in {folder}: expected {path.name} there, as "
            f"`python -m inception_lib.training --out {folder}` writes it"
        )
    tensors, info = read_tensors(path)
    history = path.with_name("history.csv")
    try:
        config = TrainingConfig(**info["config"])
        model = build_model(config, len(info["classes"]))
        model.load_state_dict(tensors)
        return Run(
            model.to(memory_format=torch.channels_last).eval(),
            config,
            tuple(info["classes"]),
            info["pixel_std"],
            pd.read_csv(history) if history.is_file() else pd.DataFrame(),
            info["interrupted"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{folder} doesn't hold a finished run of this library, with its "
            "history.csv: train again, or restore it"
        ) from error


def build_model(config: TrainingConfig, num_classes: int) -> GoogLeNet:
    """The untrained network of a configuration."""
    return GoogLeNet(
        num_classes,
        image_size=config.image_size,
        aux_logits=config.aux,
        batch_norm=config.batch_norm,
    )


@dataclass
class State:
    """All that the next epoch depends on, besides the configuration and the images."""

    model: GoogLeNet
    average: torch.optim.swa_utils.AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    precision: str  # what "auto" chose: a second measurement might choose otherwise
    rows: list[dict] = field(default_factory=list)  # of the history
    seconds: float = 0.0  # that these took

    def __post_init__(self):
        self.compute_in(self.precision)

    def compute_in(self, precision: str) -> None:
        """In float16 the loss is scaled, so that small gradients don't vanish."""
        self.precision = precision
        device = next(self.model.parameters()).device.type
        self.scaler = torch.amp.GradScaler(
            device, 2.0**12, growth_interval=500, enabled=precision == "float16"
        )


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
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, info)


def load_checkpoint(
    path: Path, config: TrainingConfig, images: dict, state: State
) -> None:
    """Put back into ``state`` all that ``save_checkpoint`` wrote.

    Raises FileNotFoundError if there is nothing, ValueError if it is damaged or belongs
    to another configuration or to other images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"nothing to resume: there is no checkpoint {path}")
    tensors, info = read_tensors(path)
    if "rows" not in info:
        raise ValueError(f"{path} holds a finished network, not a run to go on with")
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

    def part(prefix: str) -> dict[str, Tensor]:
        n = len(prefix)
        return {k[n:]: v for k, v in tensors.items() if k.startswith(prefix)}

    state.model.load_state_dict(part("model."))
    state.average.load_state_dict(part("average."))
    groups = state.optimizer.param_groups
    params = [p for group in groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part("optimizer.").items():
        index, key = name.split(".")
        if tensor.dim():
            # In the memory layout of its weight, as the fused step expects it.
            tensor = torch.empty_like(params[int(index)]).copy_(tensor)
        moments.setdefault(int(index), {})[key] = tensor
    state.optimizer.load_state_dict({"state": moments, "param_groups": info["groups"]})
    state.schedule.load_state_dict(info["schedule"])
    state.rows[:] = info["rows"]
    state.seconds = info.get("seconds", 0.0)
    if config.precision == "auto":
        state.compute_in(info["precision"])
    if info.get("scaler"):
        state.scaler.load_state_dict(info["scaler"])
    for name, of in random_sources().items():
        if name in tensors:  # else it comes from another kind of machine
            of.set_rng_state(tensors[name])
