"""Runs on disk, finished or not: tensors in safetensors, the rest in JSON."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..model import GoogLeNet
from .config import TrainingConfig
from .data import ImageSet
from .predict import predict

FORMAT = 1


@dataclass
class Run:
    """A trained network with all that is needed to use it again.

    ``pixel_std`` is the training images' (see ``data.prepare``); ``history`` has a row
    per epoch.
    """

    model: GoogLeNet
    config: TrainingConfig
    classes: tuple[str, ...]
    pixel_std: float
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    interrupted: bool = False

    def predict(self, data: ImageSet) -> Tensor:
        """N×K class probabilities of any images, resized to the run's image size.

        Averaged over the image and its mirrorings (``config.mirrored``).
        """
        images = data.resized(self.config.image_size).images
        return predict(
            self.model, images, self.pixel_std, mirrored=self.config.mirrored
        )


def write_tensors(path: Path, tensors: dict[str, Tensor], info: dict) -> None:
    """Write both into one safetensors file, whole or not at all.

    The file is written beside its place, flushed to the disk and then renamed, so that
    a crash at any instant leaves the previous file as it was.
    """
    temporary = path.with_name(path.name + ".part")
    whole = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
    }
    save_file(
        whole, temporary, metadata={"info": json.dumps({"format": FORMAT, **info})}
    )
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """What ``write_tensors`` wrote. A damaged or foreign file is a ValueError."""
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {})["info"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not a file of this library, or it is damaged: "
            "train again, or restore it"
        ) from error
    if info.pop("format", None) != FORMAT:
        raise ValueError(f"{path} was written by another version of this library")
    return tensors, info


def save_run(run: Run, folder: str | Path, metrics: dict | None = None) -> Path:
    """Write config.json, history.csv, metrics.json and model.safetensors into
    ``folder``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "config": asdict(run.config),
        "classes": run.classes,
        "pixel_std": run.pixel_std,
        "interrupted": run.interrupted,
    }
    (folder / "config.json").write_text(json.dumps(info, indent=2) + "\n")
    run.history.to_csv(folder / "history.csv", index=False)
    if metrics is not None:
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
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
    config = TrainingConfig(**info["config"])
    model = build_model(config, len(info["classes"]))
    model.load_state_dict(tensors)
    history = path.with_name("history.csv")
    return Run(
        model.to(memory_format=torch.channels_last).eval(),
        config,
        tuple(info["classes"]),
        info["pixel_std"],
        pd.read_csv(history) if history.is_file() else pd.DataFrame(),
        info["interrupted"],
    )


def build_model(config: TrainingConfig, num_classes: int) -> GoogLeNet:
    """The untrained network of a configuration."""
    return GoogLeNet(
        num_classes,
        image_size=config.image_size,
        aux_logits=config.aux,
        batch_norm=config.batch_norm,
    )


def save_checkpoint(
    path: Path,
    config: TrainingConfig,
    rows: list[dict],
    model,
    average,
    optimizer,
    schedule,
) -> None:
    """Write all that the next epoch depends on: weights, moments, schedule, random
    state.
    """
    state = optimizer.state_dict()
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for index, moments in state["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in moments.items()}
    tensors["random"] = torch.get_rng_state()
    info = {
        "config": asdict(config),
        "rows": rows,
        "groups": state["param_groups"],
        "schedule": schedule.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, info)


def load_checkpoint(
    path: Path, config: TrainingConfig, model, average, optimizer, schedule
) -> list[dict]:
    """Put back all that ``save_checkpoint`` wrote; returns the history's rows."""
    if not path.is_file():
        raise FileNotFoundError(f"nothing to resume: there is no checkpoint {path}")
    tensors, info = read_tensors(path)
    if info["config"] != asdict(config):
        changed = [k for k, v in asdict(config).items() if info["config"].get(k) != v]
        raise ValueError(
            f"{path} belongs to a run with another {', '.join(changed)}: repeat its "
            "options, or choose another folder"
        )

    def part(prefix: str) -> dict[str, Tensor]:
        n = len(prefix)
        return {k[n:]: v for k, v in tensors.items() if k.startswith(prefix)}

    model.load_state_dict(part("model."))
    average.load_state_dict(part("average."))
    params = [p for group in optimizer.param_groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part("optimizer.").items():
        index, key = name.split(".")
        if tensor.dim():
            # In the memory layout of its weight, as the fused step expects it.
            tensor = torch.empty_like(params[int(index)]).copy_(tensor)
        moments.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": info["groups"]})
    schedule.load_state_dict(info["schedule"])
    torch.set_rng_state(tensors["random"])
    return info["rows"]
