"""Images in memory: the solar cells, a folder with a subfolder per class, the split."""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..checks import check_positive, is_number, shape_of
from .folder import PARTS, PictureFolder
from .later import TF
from .log import tell
from .pictures import FULL_SCALE


class Images(Protocol):
    """What ``split``, ``fit`` and ``Run.predict`` need of images: an ``ImageSet`` in
    memory and an ``ImageStream`` on disk both have it.
    """

    @property
    def labels(self) -> Tensor: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def parts(self) -> tuple[str, ...]: ...
    @property
    def copies(self) -> tuple[int, ...]: ...
    @property
    def full_scale(self) -> int: ...
    def __len__(self) -> int: ...
    def subset(self, indices) -> Self: ...
    def joined(self, other: Self) -> Self: ...
    def resized(self, size: int) -> Self: ...
    def variances(self) -> Tensor: ...
    def cross_entropy(self, probabilities: Tensor) -> float: ...
    def pictures(self, indices: Tensor) -> Iterator[Tensor]: ...
    def batches(
        self, batches: Iterable[Tensor], augment: Callable, share: slice
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]: ...


AnyImages = TypeVar("AnyImages", bound=Images)


@dataclass(frozen=True)
class ImageSet:
    """N images of K classes in memory.

    - ``images``: N×C×S×S uint8, C = 1 for grey, 3 for colour.
    - ``labels``: N int64, indices into ``classes``, the K names.
    - ``targets``: N×K float32, the probabilities that the loss is taken against.
    - ``groups``: N strings, a second key for the split: the cell type, or "".
    - ``names``: N strings.
    - ``parts``: N of "train", "validation" and "test", if the images come split.
    - ``copies``: N integers, the same for copies of an image, if there are copies.
    - ``full_scale``: what was white in picture files of 16 bits.

    Raises ValueError if the lengths disagree, or a part has another shape, type or
    range.
    """

    images: Tensor
    labels: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    names: tuple[str, ...]
    parts: tuple[str, ...] = ()
    copies: tuple[int, ...] = ()
    full_scale: int = FULL_SCALE

    def __post_init__(self):
        kinds = {
            "images": (torch.uint8, 4),
            "labels": (torch.int64, 1),
            "targets": (torch.float32, 2),
        }
        for name, (dtype, dims) in kinds.items():
            x = getattr(self, name)
            if not isinstance(x, Tensor) or (x.dtype, x.dim()) != (dtype, dims):
                of = f" of {x.dtype}" if isinstance(x, Tensor) else ""
                raise ValueError(
                    f"{name} must be a tensor of {dtype} with {dims} dimensions, got "
                    f"{shape_of(x)}{of}"
                )
        for name in ("classes", "groups", "names"):
            if not isinstance(getattr(self, name), tuple):
                raise ValueError(
                    f"{name} must be a tuple, got {shape_of(getattr(self, name))}"
                )
        each = (self.images, self.labels, self.targets, self.groups, self.names)
        lengths = [len(values) for values in each]
        lengths += [len(values) for values in (self.parts, self.copies) if values]
        if len(set(lengths)) != 1:
            raise ValueError(
                "images, labels, targets, groups and names must be equally many, got "
                + ", ".join(map(str, lengths))
            )
        k = len(self.classes)
        if self.targets.shape[1] != k or not self.targets.isfinite().all():
            raise ValueError(f"targets must be N×{k} numbers, one for each class")
        if not ((0 <= self.labels) & (self.labels < k)).all():
            raise ValueError(f"labels must be N indices of the {k} classes")

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices) -> "ImageSet":
        """The images at ``indices`` (integers, a slice or booleans), in that order."""
        index = torch.arange(len(self))[indices].reshape(-1)

        def chosen(values: tuple) -> tuple:
            return tuple(values[i] for i in index.tolist()) if values else ()

        return replace(
            self,
            images=self.images[index],
            labels=self.labels[index],
            targets=self.targets[index],
            groups=chosen(self.groups),
            names=chosen(self.names),
            parts=chosen(self.parts),
            copies=chosen(self.copies),
        )

    def joined(self, other: "ImageSet") -> "ImageSet":
        """These images, then those of ``other``: the same classes and size of image."""
        if self.classes != other.classes:
            raise ValueError(
                f"can't join images of {self.classes} with images of {other.classes}"
            )
        return replace(
            self,
            images=torch.cat([self.images, other.images]),
            labels=torch.cat([self.labels, other.labels]),
            targets=torch.cat([self.targets, other.targets]),
            groups=self.groups + other.groups,
            names=self.names + other.names,
            parts=self.parts + other.parts if self.parts and other.parts else (),
            copies=self.copies + other.copies if self.copies and other.copies else (),
        )

    def to(self, device: torch.device) -> "ImageSet":
        """The same set with its tensors on another device, such as a GPU."""
        tensors = (self.images, self.labels, self.targets)
        images, labels, targets = (tensor.to(device) for tensor in tensors)
        return replace(self, images=images, labels=labels, targets=targets)

    def pictures(self, indices: Tensor) -> Iterator[Tensor]:
        """The images at ``indices``, in parts (here in one): n×C×S×S uint8."""
        yield self.images[indices]

    def batches(
        self, batches: Iterable[Tensor], augment: Callable, share: slice
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Augmented images, targets and labels of each batch of indices: the ``share``
        of this process, out of an augmentation that all processes draw alike.
        """
        for batch in batches:
            batch = batch.to(self.images.device, non_blocking=True)
            own = batch[share]
            images = augment(self.images[batch], share)
            yield images, self.targets[own], self.labels[own]

    def cross_entropy(self, probabilities: Tensor) -> float:
        """The mean loss of N×K predicted probabilities against ``targets``."""
        logs = probabilities.clamp_min(1e-7).log()
        return -(self.targets * logs).sum(1).mean().item()

    def variances(self) -> Tensor:
        """N float64: the variance of each image's pixels (0…255) around its own
        mean.
        """
        chunks = self.images.split(64)
        return torch.cat([x.double().var((1, 2, 3), correction=0) for x in chunks])

    def resized(self, size: int) -> "ImageSet":
        """The same set with size×size images (bilinear, antialiased)."""
        if type(size) is not int or size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size!r}")
        if self.images.shape[-2:] == (size, size):
            return self
        # In chunks, so that the intermediate results stay small.
        parts = [
            TF.resize(chunk, [size, size], antialias=True)
            for chunk in self.images.split(256)
        ]
        return replace(self, images=torch.cat(parts))


def solar_cells(image_size: int = 300) -> ImageSet:
    """The 2,624 solar cells of the package elpv-dataset, decoded once per process.

    Classes: functional, and defective where the experts' probability is at least 1/2;
    ``targets[:, 1]`` is that probability (0, 1/3, 2/3 or 1); groups: mono, poly.
    Images: CC BY-NC-SA 4.0, Buerhop-Lutz et al. 2018, Deitsch et al. 2019 and 2021.
    Raises ImportError if the package is missing.
    """
    return _solar_cells().resized(image_size)


@cache
def _solar_cells() -> ImageSet:
    try:
        folder = resources.files("elpv_dataset") / "data"
    except ModuleNotFoundError:
        raise ImportError(
            "the solar-cell images are missing: run `pip install elpv-dataset`"
        ) from None
    rows = [line.split() for line in (folder / "labels.csv").read_text().splitlines()]
    # Not through the package's own load_dataset, which needs the memory twice.
    images = torch.empty(len(rows), 1, 300, 300, dtype=torch.uint8)
    for i, (path, _, _) in enumerate(rows):
        with (folder / path).open("rb") as file, Image.open(file) as image:
            images[i, 0] = torch.from_numpy(np.array(image))
    probability = torch.tensor([float(row[1]) for row in rows])
    return ImageSet(
        images,
        (probability >= 0.5).long(),
        torch.stack([1 - probability, probability], dim=1),
        ("functional", "defective"),
        tuple(cell_type for _, _, cell_type in rows),
        tuple(f"cell {Path(path).stem.removeprefix('cell')}" for path, _, _ in rows),
    )


def image_folder(
    path: str | Path,
    image_size: int = 224,
    report: Callable[[str], None] = tell,
    *,
    follow_links: bool = False,
    full_scale: int = 0,
) -> ImageSet:
    """The pictures in the subfolders of ``path``, one subfolder per class, sorted.

    torchvision's ``ImageFolder`` layout, or the same in folders train, validation and
    test, which ``split`` then uses as they are. See ``pictures.read_picture`` for how a
    file becomes image_size×image_size pixels. If all pictures are grey, C is 1. In
    pictures of 16 bits ``full_scale`` is white: by default the largest of 8 to 16 bits
    that is needed. Hidden files are ignored. What is left out, for example files that
    can't be read and links (without ``follow_links``), and copies of a picture: one
    message to ``report`` counts and names them all.

    Raises FileNotFoundError if there is no folder ``path``, and ValueError if fewer
    than two subfolders have a picture that can be read, or a split is mixed with other
    folders; all show the layout. Also raises ValueError if the pictures would need more
    memory than there is.
    """
    check_positive(image_size=image_size)
    folder = PictureFolder(path, follow_links, full_scale)
    images = room_for(len(folder), image_size)
    found, classes, labels = folder.read_all(image_size, report, images)
    images = images[: len(folder)]
    return ImageSet(
        images[:, :1].clone() if found[:, 1].all() else images,
        labels,
        F.one_hot(labels, len(classes)).float(),
        classes,
        ("",) * len(labels),
        tuple(Path(os.fsdecode(file)).as_posix() for file in folder.files),
        folder.parts,
        folder.copies,
        folder.full_scale,
    )


def room_for(n: int, size: int) -> Tensor:
    """N×3×S×S uint8, not filled; a ValueError with the way out if they are too many."""
    needed, most = n * 3 * size**2, math.inf
    if hasattr(os, "sysconf"):  # else (Windows) memory is refused, not overbooked
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        if needed > most:
            raise MemoryError
        return torch.empty(n, 3, size, size, dtype=torch.uint8)
    except (MemoryError, RuntimeError) as error:
        raise ValueError(
            f"{n} pictures of {size}×{size} pixels need {needed / 1e9:.0f} GB of "
            "memory, more than there is: leave them on the disk (--stream, or "
            "image_stream), or choose a smaller image_size"
        ) from error


class Split(NamedTuple, Generic[AnyImages]):
    """Three disjoint sets: to learn from, to choose by, and to be judged by, once."""

    train: AnyImages
    validation: AnyImages
    test: AnyImages


def split(data: AnyImages, seed: int = 0, by: str = "class") -> Split[AnyImages]:
    """About a quarter for the test, a quarter of the rest for validation.

    ``by="class"`` draws single images, of each class a quarter; within a class the
    groups are spread over the sets in proportion, and copies of an image stay together.
    The solar cells give 1,476 / 492 / 656 images. Images that come split (see
    ``ImageSet.parts``) stay so, and a part that is missing is drawn from the training
    images.

    ``by="panel"`` is for the solar cells: blocks of 60 consecutive file numbers, about
    a panel each, stay together (see ``panels``), so that the network is judged on
    panels that it has never seen.

    A seed gives the same split on every machine. Raises ValueError if a class has fewer
    than 3 images, or there are fewer than 3 panels.
    """
    if by not in ("class", "panel"):
        raise ValueError(f"by must be class or panel, got {by!r}")
    # RandomState, because its numbers are frozen; NumPy's newer generators may change.
    random = np.random.RandomState(seed)
    side = _by_panel(data, random) if by == "panel" else _by_class(data, random)
    # In the order of the whole.
    return Split(*(data.subset(np.flatnonzero(side == i)) for i in range(3)))


def _by_class(data: Images, random: np.random.RandomState) -> np.ndarray:
    """0, 1 or 2 for each image: training, validation, test; each class in
    proportion.
    """
    labels, groups = data.labels.numpy(), np.array(data.groups)
    given = data.parts if "train" in data.parts else ["train"] * len(data)
    parts = np.array(given)
    side = np.select([parts == part for part in PARTS], range(3))
    drawn = [part for part in PARTS[1:] if part not in parts]
    # Of copies the first one is drawn, and the others go where it goes.
    free = np.flatnonzero(side == 0)
    copies = np.array(data.copies or range(len(data)), dtype=int)[free]
    _, first, place = np.unique(copies, return_index=True, return_inverse=True)
    originals = np.isin(np.arange(len(data)), free[first])
    order = random.permutation(len(data))
    order = order[originals[order]]
    for k, name in enumerate(data.classes):
        members = order[labels[order] == k]
        if len(members) <= len(drawn):
            raise ValueError(
                f"class {name!r} has too few images, {len(members)}: {len(drawn) + 1} "
                f"are needed, one each for {', '.join(['train', *drawn])}"
                + (" (copies count once)" if data.copies else "")
            )
        members = _interleaved(members, groups[members])
        n_test = max(1, round(len(members) / 4)) if "test" in drawn else 0
        n_rest = len(members) - n_test
        n_validation = max(1, round(n_rest / 4)) if "validation" in drawn else 0
        side[members[:n_test]] = 2
        side[members[n_test : n_test + n_validation]] = 1
    side[free] = side[free[first]][place]
    return side


def file_numbers(data: Images) -> np.ndarray:
    """The number in each solar cell's name, N integers: 17 for "cell 0017".

    Raises ValueError on other images.
    """
    found = [re.fullmatch(r"cell (\d+)", name) for name in getattr(data, "names", [])]
    if len(found) != len(data) or not all(found):
        raise ValueError("only the solar cells have panels: split by class")
    return np.array([int(match[1]) for match in found if match])


def panels(data: Images) -> np.ndarray:
    """The block of 60 file numbers that each cell lies in, N integers.

    The cells are numbered panel by panel, and 2,624 of 44 panels are about 60 each; the
    package doesn't say where a panel ends. Raises ValueError on other images.
    """
    return file_numbers(data) // 60


def _by_panel(data: Images, random: np.random.RandomState) -> np.ndarray:
    """0, 1 or 2 for each image. Of a thousand ways to deal out the panels, the one
    whose sets have classes and groups most nearly in proportion.
    """
    kinds = [f"{group} {k}" for group, k in zip(data.groups, data.labels, strict=True)]
    names, panel = np.unique(panels(data), return_inverse=True)
    if len(names) < 3:
        raise ValueError(f"too few panels, {len(names)}: 3 are needed, one in each set")
    # How many cells of each kind (group and class) each panel has.
    counts = np.zeros((len(names), len(set(kinds))))
    np.add.at(counts, (panel, np.unique(kinds, return_inverse=True)[1]), 1)
    n_test = max(1, round(len(names) / 4))
    n_validation = max(1, round((len(names) - n_test) / 4))
    cuts = [len(names) - n_test - n_validation, len(names) - n_test]

    def imbalance(order: np.ndarray) -> float:
        """Chi-square of the sets against 9/16, 3/16 and 1/4 of each kind."""
        parts = [counts[part].sum(0) for part in np.split(order, cuts)]
        wanted = np.outer([9 / 16, 3 / 16, 1 / 4], counts.sum(0))
        return ((np.array(parts) - wanted) ** 2 / wanted).sum()

    best = min((random.permutation(len(names)) for _ in range(1000)), key=imbalance)
    return np.searchsorted(cuts, np.argsort(best)[panel], side="right")


def _interleaved(items: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Reorder so that every beginning of the result has the keys in proportion.

    The k-th of a key's n items gets the rank (k + 1/2) / n; then the ranks are sorted.
    """
    ranks = np.empty(len(items))
    for key in np.unique(keys):
        places = np.flatnonzero(keys == key)
        ranks[places] = (np.arange(len(places)) + 0.5) / len(places)
    return items[np.argsort(ranks, kind="stable")]


def pixel_std(data: Images) -> float:
    """Standard deviation of the pixels (0…1) around the mean of their own image.

    Raises ValueError if every image is one flat grey.
    """
    std = data.variances().mean().sqrt().item() / 255
    if not std > 0:
        raise ValueError("every image is one flat grey: there is nothing to learn from")
    return std


def prepare(images: Tensor, std: float) -> Tensor:
    """N×C×S×S uint8 -> N×3×S×S float32, what the network reads.

    Each image's own mean is subtracted, because exposure differs from camera to camera,
    and the rest divided by ``std``, the ``pixel_std`` of the training images.
    Grey is repeated as a view: three channels in the memory of one. Raises ValueError
    on another shape, or if ``std`` is no positive number.
    """
    four = isinstance(images, Tensor) and images.dim() == 4
    if not four or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images must be N×1×S×S or N×3×S×S, got {shape_of(images)}: one image is "
            "image[None]"
        )
    if not is_number(std) or not 0 < std < math.inf:
        raise ValueError(f"std must be a positive number, got {std!r}")
    x = images.float()
    # Nothing in place: torch 2.6 couldn't export it.
    x = (x - x.mean(dim=(1, 2, 3), keepdim=True)) / (255 * std)
    return x.expand(-1, 3, -1, -1)
