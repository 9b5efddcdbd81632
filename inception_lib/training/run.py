"""A trained network: what it answers to a picture, and how it is kept on disk."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from ..checks import at_home, channels_last, shape_of
from ..model import GoogLeNet, GoogLeNetOutputs, for_serving
from . import distributed
from .checkpoint import read_tensors, write_file, write_tensors
from .config import TrainingConfig
from .data import Images, prepare, solar_cells, split
from .folder import NO_LINKS, files_in
from .later import TF
from .pictures import FULL_SCALE, load_picture, shown
from .views import CROPPING, SHORTER_SIDES, VIEWS, one

BATCH = 64
Paths = str | Path | Sequence[str | Path]


class Answer(NamedTuple):
    """What a run says to a picture file: K probabilities, or why there are none."""

    path: Path
    pixels: Tensor | None  # 1×C×S×S uint8, as the network sees them
    probabilities: Tensor | None
    problem: str


@dataclass
class Run:
    """A trained network with all that is needed to use it again.

    ``pixel_std`` is that of the training images (see ``data.prepare``); ``history`` has
    a row per epoch; ``seconds`` is how long they took, before a resume too (0 for a run
    that was loaded); ``channels`` is 1 for grey images, 3 for colour; ``scores`` are
    those of the validation and of the test set, {"test": {"accuracy": …}}, if known;
    ``full_scale`` is what is white in picture files of 16 bits.
    """

    model: nn.Module
    config: TrainingConfig
    classes: tuple[str, ...]
    pixel_std: float
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    interrupted: bool = False
    seconds: float = 0.0
    channels: int = 0  # by default those of the data that ``config`` names
    scores: dict = field(default_factory=dict)
    full_scale: int = FULL_SCALE

    def __post_init__(self):
        if not self.channels:
            self.channels = 1 if self.config.on_solar_cells else 3

    def predict(
        self,
        pictures: Images | Tensor | Paths,
        *,
        views: str | None = None,
        size: int | None = None,
        precision: str = "float32",
    ) -> Tensor:
        """N×K class probabilities (float32) of N images, resized to the run's size.

        ``pictures`` are an ``ImageSet`` or ``ImageStream``, N×C×H×W uint8, a picture
        file, a folder (see ``picture_files``) or a list of these. The probabilities are
        averaged over ``views`` of each image: by default over the flips that keep the
        class (``config.flips``), else by a name from ``views.VIEWS`` (section 7 of the
        paper). ``size`` is another side for the network's input.

        Processes that train together share the work; all of them must call it.
        Raises ValueError on unknown views, on a file that is no picture and on a folder
        without files, FileNotFoundError on a path that doesn't exist.
        """
        views, size = views or self.config.views, size or self.config.image_size
        answer = self.answering(views, size, precision)
        if isinstance(pictures, str | Path | list | tuple):
            pictures = picture_files(pictures)
        own = distributed.share(len(pictures))
        parts: Iterable[Tensor]
        if isinstance(pictures, Tensor):
            check_pixels(pictures)
            parts = [pictures[own]]
        elif isinstance(pictures, Sequence):
            files, side = pictures, side_for(views, size)
            parts = (
                torch.cat([load_picture(files[i], side, self.full_scale) for i in part])
                for part in own.split(BATCH)
            )
        else:
            images = pictures if views in CROPPING else pictures.resized(size)
            parts = images.pictures(own)
        rows = torch.cat([answer(part) for part in parts])
        return distributed.gather(rows, len(pictures))

    def answers(self, paths: Paths, *, views: str | None = None) -> Iterator[Answer]:
        """The answer to each file of ``paths``, in order; a file that is no picture, or
        doesn't exist, gets one that says why. Raises ValueError on a folder without
        files.
        """
        views, size = views or self.config.views, self.config.image_size
        answer, files = self.answering(views, size), picture_files(paths)
        for start in range(0, len(files), BATCH):
            read: dict[Path, Tensor | str] = {}
            for path in files[start : start + BATCH]:
                try:
                    read[path] = load_picture(
                        path, side_for(views, size), self.full_scale
                    )
                except (ValueError, FileNotFoundError) as error:
                    read[path] = str(error)
            pixels = [found for found in read.values() if isinstance(found, Tensor)]
            probabilities = iter(answer(torch.cat(pixels)) if pixels else ())
            for path, found in read.items():
                if isinstance(found, Tensor):
                    yield Answer(path, self.fitted(found), next(probabilities), "")
                else:
                    yield Answer(path, None, None, found)

    def answer_folder(self, folder: str | Path) -> pd.DataFrame:
        """A row per file in ``folder`` and its subfolders: the answer and its
        probability, or why there is none. Hidden files and links are left out.

        Raises FileNotFoundError if there is no such folder, and ValueError if it holds
        no file.
        """
        rows = {}
        for path, _, probabilities, problem in self.answers(folder_files(folder)):
            name = name_in(folder, path)
            row: dict[str, object]
            row = {"answer": "", "probability": None, "problem": problem}
            if probabilities is not None:
                row["answer"] = self.classes[int(probabilities.argmax())]
                row["probability"] = round(probabilities.max().item(), 3)
            rows[name] = row | {"problem": problem.replace(shown(path), name)}
        return pd.DataFrame.from_dict(rows, orient="index")

    def answering(
        self, views: str, size: int, precision: str = "float32"
    ) -> Callable[[Tensor], Tensor]:
        """The function from N×C×H×W uint8 to N×K probabilities: the network, made ready
        once, on ``views`` of size×size pixels ("simple averaging" of the softmax).
        """
        if views not in VIEWS:
            raise ValueError(f"views must be one of {', '.join(VIEWS)}, got {views!r}")
        network = serving(self.model, precision)
        device = next(self.model.parameters()).device

        @torch.inference_mode()
        def answer(images: Tensor) -> Tensor:
            parts = []
            for batch in in_channels(images, self.channels).split(BATCH):
                answers = [
                    network(prepare(view.to(device), self.pixel_std)).softmax(1)
                    for view in VIEWS[views](batch, size)
                ]
                parts.append(torch.stack(answers).mean(0).cpu())
            return torch.cat(parts)

        return answer

    def fitted(self, images: Tensor) -> Tensor:
        """N×C×H×W uint8 as the network sees them: of its size, grey if it knows grey
        images only.
        """
        (view,) = one(in_channels(images, self.channels), self.config.image_size)
        return view

    @torch.no_grad()
    def evidence(self, images: Tensor, classes: Tensor) -> Tensor:
        """What each place of ``fitted`` images adds to the logit of a class, against
        the mean of the other classes: N×h×w, for N ``classes``.

        A class activation map (Zhou et al. 2016, arXiv:1512.04150): the last layer,
        applied at every place before the global average pooling.
        """
        model, maps = self.model.eval(), []
        if not isinstance(model, GoogLeNet):
            raise ValueError("evidence is read off a GoogLeNet's last maps")
        catch = model.inception5b.register_forward_hook(
            lambda _, __, output: maps.append(output)
        )
        try:
            model(prepare(images.to(model.fc.weight.device), self.pixel_std))
        finally:
            catch.remove()
        every = torch.einsum("nchw,kc->nkhw", maps[0], model.fc.weight).cpu()
        chosen = every[torch.arange(len(every)), classes]
        others = (every.sum(1) - chosen) / max(1, every.shape[1] - 1)
        return chosen - others

    def fill(self, image: Tensor) -> Tensor:
        """What shows where part of a ``fitted`` 1×C×S×S image is taken away, itself
        1×C×S×S uint8.

        For solar cells the mean cell, because to the network a flat grey or a blurred
        cell is a defect (notebook 08). For other images a blurred copy, for lack of a
        better idea.
        """
        if self.config.on_solar_cells:
            return mean_cell(self.config)
        spread = image.shape[-1] / 8
        kernel = 2 * int(1.5 * spread) + 1  # no more than the reflection at the edge
        return TF.gaussian_blur(image, [kernel] * 2, [spread] * 2)


@cache
def mean_cell(config: TrainingConfig) -> Tensor:
    """The mean of a run's training cells, 1×1×S×S uint8."""
    train, *_ = split(solar_cells(), config.split_seed, config.split_by)
    mean = train.resized(config.image_size).images.float().mean(0, keepdim=True)
    return mean.round().byte()


def check_pixels(images: Tensor) -> None:
    """Raise a ValueError unless these are pixels: N×1×H×W or N×3×H×W uint8."""
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"pictures must be N×1×H×W or N×3×H×W, got {shape_of(images)}"
            f"{channels_last(images, 3) or channels_last(images, 1)}"
        )
    if images.dtype != torch.uint8:
        raise ValueError(
            f"pictures must be uint8, pixels of 0 to 255, got {images.dtype}: hand "
            "over the pixels as they are in the file; the run prepares them itself"
        )


def side_for(views: str, size: int) -> int:
    """The side at which a file is read: the paper's largest scale for its crops."""
    return round(size * SHORTER_SIDES[-1] / 224) if views in CROPPING else size


def in_channels(images: Tensor, channels: int) -> Tensor:
    """Colour images as the grey ones that a run with one channel knows."""
    if images.shape[1] == channels or channels != 1:
        return images
    return images.float().mean(1, keepdim=True).round().byte()


def serving(model: nn.Module, precision: str) -> Callable[[Tensor], Tensor]:
    """The function from prepared images to N×K float32 logits."""
    if isinstance(model, GoogLeNet):
        # One engine everywhere: a training that is continued counts every bit.
        return for_serving(model, precision=precision, engine="pytorch")
    network, dtype = deepcopy(model).eval(), getattr(torch, precision)

    def logits(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            return logits_of(network(x)).float()

    return logits


def logits_of(outputs: GoogLeNetOutputs | Tensor) -> Tensor:
    """The answer of a network that may have auxiliary heads."""
    return outputs.logits if isinstance(outputs, GoogLeNetOutputs) else outputs


def picture_files(paths: Paths) -> list[Path]:
    """The files that ``paths`` name; a folder stands for all files in it, at any depth,
    without links, hidden files and what systems leave behind. Raises ValueError if that
    leaves none.
    """
    paths = [paths] if isinstance(paths, str | Path) else paths
    files: list[Path] = []
    left_out: list[str] = []
    for path in map(at_home, paths):
        found = files_in(path, lambda _, why: left_out.append(why))
        files += sorted(found) if path.is_dir() else [path]
    if not files:
        named = ", ".join(map(str, paths))
        reasons = "; ".join(sorted(set(left_out))) or "put pictures into it"
        if NO_LINKS in left_out:
            reasons += ": name the files themselves"
        raise ValueError(f"there is no file in {named}: {reasons}")
    return list(dict.fromkeys(files))


def folder_files(folder: str | Path) -> list[Path]:
    """``picture_files`` of a folder. Raises FileNotFoundError if there is none."""
    if not at_home(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: check its name")
    return picture_files(folder)


def name_in(folder: str | Path, path: Path) -> str:
    """How a file in the folder is called, on one line and in UTF-8 whatever it is."""
    name = path.relative_to(at_home(folder)).as_posix()
    return name if name.isprintable() else ascii(name)


def build_model(config: TrainingConfig, num_classes: int) -> GoogLeNet:
    """The untrained network of a configuration."""
    return GoogLeNet(
        num_classes,
        image_size=config.image_size,
        aux_logits=config.aux,
        batch_norm=config.batch_norm,
    )


def save_run(run: Run, folder: str | Path, scores: dict | None = None) -> Path:
    """Write config.json, history.csv, metrics.json and model.safetensors into
    ``folder``. ``scores``, by default the run's own, go into metrics.json; without any,
    those of an earlier run are removed.

    Of a network that isn't a GoogLeNet only the weights are kept: to load the run,
    build the network yourself and hand it to ``load_run``.
    """
    folder = at_home(folder)
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "config": asdict(run.config),
        "classes": run.classes,
        "pixel_std": run.pixel_std,
        "interrupted": run.interrupted,
        "channels": run.channels,
        "full_scale": run.full_scale,
        "network": type(run.model).__name__,
    }
    texts = {
        "config.json": json.dumps(info, indent=2) + "\n",
        "history.csv": run.history.to_csv(index=False),
    }
    if scores := run.scores if scores is None else scores:
        texts["metrics.json"] = json.dumps(scores, indent=2) + "\n"
    else:
        (folder / "metrics.json").unlink(missing_ok=True)
    for name, text in texts.items():
        write_file(folder / name, text.encode())
    write_tensors(folder / "model.safetensors", run.model.state_dict(), info)
    return folder


def load_run(folder: str | Path, model: nn.Module | None = None) -> Run:
    """The run that ``save_run`` wrote, its network in eval mode. ``folder`` may be its
    model.safetensors, too. ``model`` is the network to load the weights into, if it
    isn't a GoogLeNet of this library.

    Raises FileNotFoundError if there is no run in ``folder``, ValueError if it is
    damaged or its network is of another kind than ``model``.
    """
    path = folder = at_home(folder)
    if path.suffix in (".pth", ".pt", ".ckpt", ".bin", ".onnx"):
        raise ValueError(
            f"{path} is no run of this library: weights of torchvision's GoogLeNet are "
            "for inception_lib.model.interop.from_torchvision, and then for fit(model=)"
        )
    if path.suffix != ".safetensors" or path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no trained model in {folder}: expected {path.name} there, as "
            f"`inception train --out {folder}` writes it"
        )
    tensors, info = read_tensors(path)
    network = info.get("network", "GoogLeNet")
    if model is None and network != "GoogLeNet":
        raise ValueError(
            f"{folder} holds the weights of a {network}, which isn't of this library: "
            "build one and call load_run(folder, model)"
        )
    history, scores = path.with_name("history.csv"), path.with_name("metrics.json")
    try:
        config = TrainingConfig(**info["config"])
        model = model or build_model(config, len(info["classes"]))
        model.load_state_dict(tensors)
        return Run(
            model.to(memory_format=torch.channels_last).eval(),
            config,
            tuple(info["classes"]),
            info["pixel_std"],
            read_history(history),
            info["interrupted"],
            channels=info.get("channels", 0),  # earlier versions didn't write it
            full_scale=info.get("full_scale", FULL_SCALE),
            scores=json.loads(scores.read_text()) if scores.is_file() else {},
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{folder} doesn't hold a finished run of this library, with its "
            "history.csv: train again, or restore it"
        ) from error


def read_history(path: Path) -> pd.DataFrame:
    """The table of ``save_run``; empty where there is none."""
    try:
        return pd.read_csv(path)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()
