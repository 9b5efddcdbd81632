"""A folder that is too large for memory: pictures are read when they are needed.

What stays in memory is the names of the files, their labels and one number each. Worker
processes (torch's DataLoader) read, scale and augment ahead of the training.
"""

import errno
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..checks import check_positive
from .folder import PictureFolder
from .interrupts import held_back_from_children, leave_to_parent
from .log import tell
from .pictures import reason, shown

Transform = Callable[[Tensor], Tensor]


class Pictures(Dataset):
    """The pictures of a folder, read on request; worker processes hold a copy.

    A request says everything: which pictures, at what side, changed by which
    augmentation, with which seed. So the number of workers changes no picture.
    """

    def __init__(self, folder: PictureFolder, grey: bool):
        self.folder, self.grey = folder, grey

    def __getitem__(self, request) -> np.ndarray | str:
        """N×C×S×S uint8, or a sentence that says which picture failed.

        An array travels through a pipe, a tensor through shared memory, of which a
        container has little: what finds no room there is lost without a word.
        """
        indices, side, augment, seed = request
        images = []
        for index in indices.tolist():
            try:
                pixels, _ = self.folder.read(index, side)
            except Exception as error:
                path = self.folder.path(index)
                return (
                    f"{shown(path)} could be read when the training started, and now "
                    f"it is {reason(path, error)}: restore it"
                )
            image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
            image = image[:, :1] if self.grey else image
            if augment:
                torch.manual_seed(seed + index)
                image = augment(image)
            images.append(image)
        return torch.cat(images).numpy()


@contextmanager
def worker_deaths() -> Iterator[None]:
    """Inside the block, the death of a worker process becomes one sentence: DataLoader
    raises it wherever the program happens to be.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise ChildProcessError(
            "a process that reads pictures has died, perhaps for lack of memory: "
            "continue from the last checkpoint, with fewer workers"
        ) from error


@contextmanager
def without_main() -> Iterator[None]:
    """Inside the block, a process that is started doesn't run the main script a second
    time, as it would: it needs nothing of it, and might train instead.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def as_it_is(images):
    return images


class Loader:
    """Worker processes, started at the first request and then kept."""

    def __init__(self, pictures: Pictures, workers: int):
        self.pictures, self.workers = pictures, workers
        self.requests: list[tuple] = []

    @cached_property
    def workshop(self) -> DataLoader:
        return DataLoader(
            self.pictures,
            batch_size=None,  # a request is a batch already
            collate_fn=as_it_is,
            sampler=self.requests,
            num_workers=self.workers,
            persistent_workers=True,
            # A forked worker would inherit the lock on the run's folder.
            multiprocessing_context="spawn",
            worker_init_fn=leave_to_parent,
        )

    def start(self) -> Iterator:
        """The answers to the requests."""
        state = torch.get_rng_state()
        try:
            with held_back_from_children(), without_main():
                answers = iter(self.workshop)  # draws a seed that we don't use
                torch.set_rng_state(state)
                return answers
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                "there is no room in /dev/shm, which processes need to start: "
                "remove what a killed program left there, or make it larger (docker "
                "run --shm-size=1g)"
            ) from error

    def read(
        self,
        batches: Iterable[Tensor],
        side: int,
        augment: Transform | None = None,
        seed: int = 0,
    ) -> Iterator[Tensor]:
        """The pictures of each batch of indices, in order."""
        # As NumPy arrays, which travel to a worker by value.
        self.requests[:] = [(b.numpy(), side, augment, seed) for b in batches]
        try:
            with worker_deaths():
                for images in self.start():
                    if isinstance(images, str):
                        raise ValueError(images)
                    yield torch.from_numpy(images)
        except (KeyboardInterrupt, ChildProcessError):
            # Perhaps in the middle of a message: next time with new workers.
            self.__dict__.pop("workshop", None)
            raise


@dataclass(frozen=True)
class ImageStream:
    """N images of K classes on disk; ``fit``, ``split`` and ``Run.predict`` take it as
    they take an ``ImageSet``.

    - ``index``: N int64, which of the folder's pictures these are.
    - ``labels``: N int64, indices into ``classes``, the K names.
    - ``variance``: N float64, of each image's pixels (0…255) around its own mean.
    - ``side``: at what side the pictures are read, in pixels.
    """

    loader: Loader
    index: Tensor
    labels: Tensor
    variance: Tensor
    classes: tuple[str, ...]
    side: int

    def __len__(self) -> int:
        return len(self.index)

    @property
    def groups(self) -> tuple[str, ...]:
        return ("",) * len(self)

    @property
    def parts(self) -> tuple[str, ...]:
        return self._of_folder(self.loader.pictures.folder.parts)

    @property
    def copies(self) -> tuple[int, ...]:
        return self._of_folder(self.loader.pictures.folder.copies)

    def _of_folder(self, values: tuple) -> tuple:
        return tuple(values[i] for i in self.index.tolist()) if values else ()

    @property
    def full_scale(self) -> int:
        return self.loader.pictures.folder.full_scale

    @property
    def targets(self) -> Tensor:
        """N×K float32: 1 for the label, 0 for the others; made on request."""
        return torch.eye(len(self.classes))[self.labels]

    def cross_entropy(self, probabilities: Tensor) -> float:
        """See ``ImageSet.cross_entropy``; this one needs no table of targets."""
        right = probabilities.gather(1, self.labels[:, None])
        return -right.clamp_min(1e-7).log().mean().item()

    def variances(self) -> Tensor:
        return self.variance

    def subset(self, indices) -> "ImageStream":
        """The images at ``indices`` (integers, a slice or booleans), in that order."""
        i = torch.arange(len(self))[indices].reshape(-1)
        return replace(
            self,
            index=self.index[i],
            labels=self.labels[i],
            variance=self.variance[i],
        )

    def joined(self, other: "ImageStream") -> "ImageStream":
        """These images, then those of ``other``, from the same folder."""
        if other.loader is not self.loader:
            raise ValueError("can't join images that are read from different folders")
        return replace(
            self,
            index=torch.cat([self.index, other.index]),
            labels=torch.cat([self.labels, other.labels]),
            variance=torch.cat([self.variance, other.variance]),
        )

    def resized(self, size: int) -> "ImageStream":
        """The same images, read at another side."""
        return replace(self, side=size)

    def pictures(self, indices: Tensor) -> Iterator[Tensor]:
        """The images at ``indices``, in parts: n×C×S×S uint8."""
        return self.loader.read(self.index[indices].split(64), self.side)

    def batches(
        self, batches: Iterable[Tensor], augment: Transform, share: slice
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """See ``ImageSet.batches``; only this process's share is read at all. The seed
        of the augmentation is drawn at once, not with the first batch.
        """
        seed = int(torch.randint(2**62, ()))
        own = [batch[share] for batch in batches]
        images = self.loader.read(
            (self.index[i] for i in own), self.side, augment, seed
        )
        labels = (self.labels[i] for i in own)
        eye = torch.eye(len(self.classes))
        return ((x, eye[y], y) for x, y in zip(images, labels, strict=True))


def image_stream(
    path: str | Path,
    image_size: int = 224,
    report: Callable[[str], None] = tell,
    workers: int = 2,
    *,
    follow_links: bool = False,
    full_scale: int = 0,
) -> ImageStream:
    """The pictures of a folder with a subfolder per class, left on the disk.

    What counts as a picture, and what is raised and reported, is as for
    ``image_folder``. Every picture is decoded once now, so that a damaged one is named
    before the training, not in its third night; several processes share that work.
    """
    check_positive(image_size=image_size, workers=workers)
    folder = PictureFolder(path, follow_links, full_scale)
    found, classes, labels = folder.read_all(image_size, report)
    return ImageStream(
        Loader(Pictures(folder, bool(found[:, 1].all())), workers),
        torch.arange(len(folder)),
        labels,
        found[:, 0].clone(),
        classes,
        image_size,
    )
