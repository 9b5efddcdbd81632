"""A folder of pictures as people bring it: its classes, its split, and what is said."""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from warnings import catch_warnings

import numpy as np
import torch
from torch import Tensor

from ..checks import at_home
from . import distributed
from .pictures import FULL_SCALE, read_picture, reason, shown

PARTS = ("train", "validation", "test")
# As people name them: Train, valid, val2017, test_set, seg_train.
SPLIT = re.compile(
    r"(.*[\W\d_])?(?:(train(?:ing)?)|(val(?:id(?:ation)?)?|dev)|(test(?:ing)?))"
    r"[\W\d_]*(data|dataset|folder|images?|imgs?|set|split)?[\W\d_]*",
    re.IGNORECASE,
)
LAYOUT = """\
expected a folder with at least two subfolders, one per class, with pictures in them:
  {path}/cats/1.jpg
  {path}/cats/2.png
  {path}/dogs/1.jpg"""
SPLIT_LAYOUT = (
    LAYOUT
    + """
or the same in each part of a split (validation or test may be missing):
  {path}/train/cats/1.jpg
  {path}/train/dogs/1.jpg
  {path}/validation/cats/2.jpg
  {path}/validation/dogs/2.jpg
  {path}/test/cats/3.jpg
  {path}/test/dogs/3.jpg"""
)
# What a NAS, a system or a program leaves in folders, in lower case: thumbnails, bins
# and snapshots, full of pictures.
LITTER = """
@eadir @tmp @recycle @recently-snapshot @__thumb .@__thumb @snapshot* #recycle #snapshot
.snapshot ~snapshot lost+found found.[0-9][0-9][0-9] recycler recycled $recycle.bin
$windows.~* .trash .trash-* .trashes trash-[0-9]* .thumbnails thumbnails.db .thumb*
thumbs.db ehthumbs*.db desktop.ini autorun.inf .dtrash .picasaoriginals *picasa.ini
__macosx .appledouble .spotlight-v100 .fseventsd .temporaryitems .documentrevisions-v100
.xvpics .stversions .stfolder .dropbox.cache .sync __pycache__ *.lrdata
""".split()
LITTER += ["system volume information", "network trash folder", "temporary items"]
# Only to tell class folders from others before anything is read: see ``FORMATS``.
SUFFIXES = set("bmp dib gif jpg jpeg jfif jpe jp2 j2k png apng ppm pgm pbm".split())
SUFFIXES |= set("tif tiff webp heic heif avif mpo".split())
NO_LINKS = "links are not followed"
MOST_NAMES = 20  # in a line of a message


def part_of(folder: str) -> str:
    """Which part of a split a folder of this name holds; "" for no part."""
    match = SPLIT.fullmatch(folder)
    return (
        PARTS[[bool(name) for name in match.groups()[1:4]].index(True)] if match else ""
    )


def is_litter(name: str) -> bool:
    return any(fnmatchcase(name.casefold(), pattern) for pattern in LITTER)


def is_named_as_picture(name: str) -> bool:
    """Whether the suffix says so, or there is none."""
    return name.lower().rpartition(".")[2] in SUFFIXES if "." in name else True


def files_in(
    root: Path, skip: Callable[[Path, str], None], follow_links: bool = False
) -> Iterator[Path]:
    """The files in ``root`` and its subfolders, sorted, without hidden ones. What else
    is left out is handed to ``skip``, with the reason.
    """

    def unreadable(error: OSError) -> None:
        skip(Path(error.filename), f"can't be read ({error.strerror})")

    entered = {os.path.realpath(root)}
    for folder, folders, names in os.walk(
        root, onerror=unreadable, followlinks=follow_links
    ):
        subfolders, folders[:] = set(folders), []
        for name in sorted([*subfolders, *names]):
            path = Path(folder, name)
            if is_litter(name):
                skip(path, "left behind by a system or a program")
            elif name.startswith("."):
                continue
            elif path.is_symlink() and not follow_links:
                skip(path, NO_LINKS)
            elif name in subfolders:
                place = os.path.realpath(path) if follow_links else str(path)
                if place in entered:
                    skip(path, "a link to a folder that is read already")
                    continue
                entered.add(place)
                folders.append(name)
            elif path.is_file():
                yield path
            else:
                broken = path.is_symlink()
                skip(path, "a broken link" if broken else "not a regular file")


class PictureFolder:
    """The files in the subfolders of ``path``, one subfolder per class, at any depth,
    sorted; in the parts of a split, if there are any (see ``SPLIT_LAYOUT``). Whatever
    is skipped is remembered by reason.

    - ``files``: their names, as bytes in one array: a Python string each would take
      three times the memory.
    - ``parts``: N names out of ``PARTS``, or none if the folder is not split.
    - ``copies``: N integers, the same for pictures with the same pixels, or none if
      there are no two.
    - ``full_scale``: what is white in pictures of 16 bits; 0 finds it.

    Raises FileNotFoundError, with the layout that is expected, if there is no folder,
    and ValueError if folders of a split are mixed with others.
    """

    def __init__(
        self, path: str | Path, follow_links: bool = False, full_scale: int = 0
    ):
        self.root = at_home(path)
        if full_scale and not 255 <= full_scale <= FULL_SCALE:
            raise ValueError(
                f"full_scale must be 255 to {FULL_SCALE}, or 0 to find it, got "
                f"{full_scale}"
            )
        if not self.root.is_dir():
            layout = LAYOUT.format(path=self.root)
            raise FileNotFoundError(f"there is no folder {self.root}\n{layout}")
        self.asked, self.full_scale = bool(full_scale), full_scale or FULL_SCALE
        self.skipped: dict[str, list[str]] = {}
        self.parts: tuple[str, ...] = ()
        self.copies: tuple[int, ...] = ()
        found = files_in(self.root, self.skip, follow_links)
        names = [str(path.relative_to(self.root)) for path in found]
        self.part_at, self.class_at = self._arrangement(names)
        classified = []
        for name in names:
            if name.count(os.sep) > max(self.part_at, self.class_at):
                classified.append(os.fsencode(name))
            else:
                self.skip(self.root / name, "in no class folder")
        self.files = np.array(classified, dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.files)

    def path(self, i: int) -> Path:
        return self.root / os.fsdecode(self.files[i])

    def skip(self, path: Path, why: str) -> None:
        self.skipped.setdefault(why, []).append(shown(path.relative_to(self.root)))

    def read(self, i: int, size: int) -> tuple[np.ndarray, int]:
        """Picture i: see ``read_picture``."""
        with catch_warnings(action="ignore"):  # Pillow's, about odd metadata
            return read_picture(self.path(i), size, self.full_scale)

    def read_all(
        self, size: int, report: Callable[[str], None], images: Tensor | None = None
    ) -> tuple[Tensor, tuple[str, ...], Tensor]:
        """Read every picture once, into ``images`` (N×3×S×S uint8) if there are any;
        what can't be read is no longer among the files, and the first of ``images``
        are the others.

        Returns n×2 float64, the variance of each picture's pixels and 1 if it is grey,
        the K classes and n labels. One message to ``report`` says what was skipped and
        found. Raises ValueError, with the layout, unless two classes are left, the same
        in every part.
        """
        found = self._survey(torch.arange(len(self)), size, images)
        deep = found[:, 3] > 0
        if deep.any() and not self.asked:
            self.full_scale = next(
                2**bits - 1 for bits in range(8, 17) if found[deep, 3].max() < 2**bits
            )
            if self.full_scale != FULL_SCALE:
                found[deep] = self._survey(deep.nonzero().flatten(), size, images)
        readable = ~found[:, 0].isnan()
        for i in (~readable).nonzero().flatten().tolist():
            try:
                self.read(i, size)
                why = "could not be read a moment ago"
            except Exception as error:  # each of Pillow's decoders fails in its own way
                why = reason(self.path(i), error)
            self.skip(self.path(i), why)
        for new, old in enumerate(readable.nonzero().flatten().tolist()):
            if images is not None and new != old:
                images[new] = images[old]
        found, self.files = found[readable], self.files[readable.numpy()]
        classes, labels = self._classes()
        news = [*self._news(classes), *self._news_of_copies(found[:, 2], labels)]
        if deep.any() and self.full_scale != FULL_SCALE:
            news.append(
                f"in pictures of 16 bits, {self.full_scale} is white (full_scale)"
            )
        if (news or self.skipped) and distributed.rank() == 0:
            report(self._message(news))
        return found[:, :2], classes, labels

    def _survey(self, indices: Tensor, size: int, images: Tensor | None) -> Tensor:
        """A row of ``survey`` for each of these pictures; without ``images``, the
        processes that train together share the work.
        """
        if images is not None or not len(indices):
            return survey(self, indices.tolist(), size, images)
        own = indices[distributed.share(len(indices))]
        return distributed.gather(survey(self, own.tolist(), size), len(indices))

    # --- how the folder is laid out ---------------------------------------------------

    def _arrangement(self, names: list[str]) -> tuple[int, int]:
        """At which place of a path the part of the split stands (-1: nowhere), and at
        which the class.
        """
        inner: dict[str, set[str]] = {}  # of each folder, the subfolders with pictures
        for name in names:
            *folders, file = name.split(os.sep)
            if folders and is_named_as_picture(file):
                # A folder with pictures of its own has "" among its subfolders.
                subfolder = folders[1] if len(folders) > 1 else ""
                inner.setdefault(folders[0], set()).add(subfolder)
        if len(inner) < 2:
            return -1, 0
        parts = {top: part_of(top) for top in inner}
        split = [top for top in inner if parts[top] and inner[top] != {""}]
        if split:
            self._check_split(split, [top for top in inner if top not in split])
            return 0, 1
        if "train" in parts.values() and all(parts.values()):
            raise self._wrong(f"{' and '.join(inner)} hold pictures, not class folders")
        inside = [{part_of(folder) for folder in folders} for folders in inner.values()]
        if any({"train"} < found - {""} for found in inside):
            if "" in set.union(*inside):
                raise self._wrong("some classes are split into parts, and others not")
            return 1, 0
        for top, inside_top in inner.items():
            again = sorted(inside_top & inner.keys() - {top})
            if len(again) > 1:
                raise self._wrong(
                    f"{top} holds the classes {' and '.join(again)} again"
                )
        return -1, 0

    def _check_split(self, split: list[str], others: list[str]) -> None:
        """Raise a ValueError unless all folders are different parts of a split."""
        if others and all(map(part_of, others)):
            way_out = "move it elsewhere"
            if len(split) == 1:
                way_out = f"take {self._command(split[0])}"
            raise self._wrong(
                f"{' and '.join(others)} has no class folders, unlike "
                f"{' and '.join(split)}: {way_out}, and let inception predict name "
                "what is in pictures without a class"
            )
        if others:
            raise self._wrong(
                f"the parts of a split, {' and '.join(split)}, lie beside other "
                f"folders, {', '.join(others)} (if one of them is a class, rename it)"
            )
        parts = [part_of(folder) for folder in split]
        if "train" not in parts:
            raise self._wrong(f"{' and '.join(split)} are there, but no folder train")
        if len(set(parts)) < len(parts):
            raise self._wrong(f"{', '.join(split)} name the same part twice")

    def _command(self, folder: str) -> str:
        """How to name a folder in this one instead."""
        return f"--data {shlex.quote(str(self.root / folder))}"

    def _wrong(self, what: str) -> ValueError:
        layout = SPLIT_LAYOUT.format(path=self.root)
        return ValueError(f"{self.root}: {what}\n{layout}")

    def _components(self, at: int) -> np.ndarray:
        """The folder at this place of each file's path, as bytes."""
        separator = os.fsencode(os.sep)
        folders = [file.split(separator, at + 1)[at] for file in self.files]
        return np.array(folders, dtype=np.bytes_)

    def _classes(self) -> tuple[tuple[str, ...], Tensor]:
        kinds, labels = np.unique(self._components(self.class_at), return_inverse=True)
        classes = tuple(shown(Path(os.fsdecode(kind))) for kind in kinds)
        if len(classes) < 2:
            usable = f"only the class {classes[0]!r} has" if classes else "no class has"
            raise ValueError(
                f"{usable} a picture that can be read in {self.root}"
                f"{self._where_classes_are()}\n{LAYOUT.format(path=self.root)}\n"
                f"{self._message(self._news(classes))}"
            )
        if self.part_at >= 0:
            names, inverse = np.unique(
                self._components(self.part_at), return_inverse=True
            )
            parts = [part_of(os.fsdecode(name)) for name in names]
            self.parts = tuple(parts[i] for i in inverse)
            in_part = {
                part: [
                    classes[k] for k in np.unique(labels[np.array(self.parts) == part])
                ]
                for part in dict.fromkeys(parts)
            }
            if any(there != list(classes) for there in in_part.values()):
                told = "; ".join(f"{p} has {', '.join(k)}" for p, k in in_part.items())
                news = self._message(self._news(classes))
                raise self._wrong(f"the parts have different classes: {told}\n{news}")
        return classes, torch.from_numpy(labels).long()

    def _where_classes_are(self) -> str:
        """Where the class folders seem to be, if not in this one."""
        folders = {Path(os.fsdecode(file)).parent for file in self.files}
        if not folders:
            alone = self.skipped.get("in no class folder", [])
            around = shlex.quote(str(self.root.absolute().parent))
            hint = f"; if {self.root} is one of the classes, take --data {around}"
            return hint if any(map(is_named_as_picture, alone)) else ""
        around = os.path.commonpath(folders)
        below = {folder.relative_to(around).parts[:1] for folder in folders}
        if len(below - {()}) < 2 or around == "":
            return ""
        return f"; the classes seem to lie deeper: take {self._command(around)}"

    # --- what is said -----------------------------------------------------------------

    def _message(self, news: Iterable[str]) -> str:
        """How many files were skipped and which, a line per reason; then the news."""
        lines = [f"{self.root}: {len(self)} pictures read"]
        if self.skipped:
            lines[0] += f", {sum(map(len, self.skipped.values()))} skipped"
        for why, names in sorted(self.skipped.items()):
            lines.append(f"{len(names)} × {why}: {listed(names)}")
        if NO_LINKS in self.skipped:
            lines.append("--follow-links, or follow_links=True, follows the links")
        return "\n  ".join([*lines, *news])

    def _news(self, classes: tuple[str, ...]) -> Iterator[str]:
        """The parts of the split, and the classes without a picture."""
        if self.parts:
            counts = {part: self.parts.count(part) for part in PARTS}
            given = ", ".join(f"{n} {part}" for part, n in counts.items() if n)
            rest = [part for part, n in counts.items() if not n]
            more = f"; {' and '.join(rest)}: drawn from train" if rest else ""
            yield f"the split is the folder's own: {given} pictures{more}"
        outer = self._folders(self.root)
        parts = [folder for folder in outer if part_of(folder.name)]
        inner = [folder for part in parts for folder in self._folders(part)]
        empty: dict[str, list[Path]] = {}
        for folder in inner if self.class_at == 1 else outer:
            if (name := shown(Path(folder.name))) not in classes:
                empty.setdefault(name, []).append(folder)
        for name, folders in empty.items():
            inside = [shown(folder.relative_to(self.root)) for folder in folders]
            reasons = [
                why
                for why, skipped in sorted(self.skipped.items())
                if any(Path(file).is_relative_to(f) for file in skipped for f in inside)
            ]
            yield (
                f"class {name!r} is left out, it has no picture that can be read "
                f"({'; '.join(reasons) or 'empty'}): put some into {', '.join(inside)}"
            )

    @staticmethod
    def _folders(root: Path) -> list[Path]:
        return [
            path
            for path in sorted(root.iterdir())
            if path.is_dir() and path.name[0] != "." and not is_litter(path.name)
        ]

    def _news_of_copies(self, digests: Tensor, labels: Tensor) -> Iterator[str]:
        """The pictures whose pixels are the same; sets ``copies``."""
        _, first, inverse, counts = np.unique(
            digests.numpy(), return_index=True, return_inverse=True, return_counts=True
        )
        copies = first[inverse]
        if (counts == 1).all():
            return
        self.copies = tuple(copies.tolist())
        groups: dict[int, list[int]] = {}
        for i in np.flatnonzero(counts[inverse] > 1).tolist():
            groups.setdefault(copies[i], []).append(i)

        def told(chosen: list[list[int]]) -> str:
            names = [
                [shown(Path(os.fsdecode(self.files[i]))) for i in g] for g in chosen
            ]
            return f": {listed([listed(group, ' = ') for group in names])}"

        again = sum(len(group) - 1 for group in groups.values())
        kept = "" if self.parts else ", which a split keeps on one side"
        yield f"{again} × a copy (the same pixels){kept}{told(list(groups.values()))}"
        for kinds, what in (
            (labels.tolist(), "in several classes at once, so a label must be wrong"),
            (self.parts, "in several parts of the split, which flatters its scores"),
        ):
            torn = [
                g for g in groups.values() if kinds and len({kinds[i] for i in g}) > 1
            ]
            if torn:
                yield f"{len(torn)} × the same picture {what}{told(torn)}"


def listed(names: list[str], separator: str = ", ") -> str:
    more = len(names) - MOST_NAMES
    return separator.join(names[:MOST_NAMES]) + (
        f" and {more} more" if more > 0 else ""
    )


def survey(
    folder: PictureFolder, indices: list[int], size: int, images: Tensor | None = None
) -> Tensor:
    """n×4 float64 for n pictures: the variance of the pixels, NaN if it can't be read;
    1 if it is grey; a number made of the pixels; the largest value of 16 bits, or 0.
    """
    pixels_of = None if images is None else images.numpy()

    def look(i: int) -> tuple[float, float, float, float]:
        try:
            pixels, top = read_picture(folder.path(i), size, folder.full_scale)
        except Exception:  # each of Pillow's decoders fails in its own way
            return float("nan"), 1.0, 0.0, 0.0
        if pixels_of is not None:
            pixels_of[i] = pixels.transpose(2, 0, 1)
        grey = bool((pixels == pixels[..., :1]).all())
        # As many bits as a float64 holds exactly.
        digest = int.from_bytes(blake2b(pixels.data, digest_size=6).digest())
        return pixels.var(dtype=np.float64), grey, digest, top

    rows = torch.empty(len(indices), 4, dtype=torch.float64)
    # In threads: Pillow releases Python's lock to decode. In parts: each waiting task
    # takes memory.
    with catch_warnings(action="ignore"), ThreadPoolExecutor() as pool:
        for start in range(0, len(indices), 1000):
            part = indices[start : start + 1000]
            rows[start : start + len(part)] = torch.tensor(
                list(pool.map(look, part)), dtype=torch.float64
            )
    return rows
