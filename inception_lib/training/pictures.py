"""Picture files as people have them: odd formats, odd modes, broken files, folders."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from warnings import catch_warnings

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..checks import at_home, check_positive
from . import distributed

# Recognised by content, whatever the suffix says. Left out on purpose: PostScript, for
# which Pillow would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
LAYOUT = """\
expected a folder with at least two subfolders, one per class, with pictures in them:
  {path}/cats/1.jpg
  {path}/cats/2.png
  {path}/dogs/1.jpg"""


def load_picture(path: str | Path, image_size: int = 224) -> Tensor:
    """A picture of your own, as ``image_folder`` reads it: 1×3×S×S uint8.

    Raises FileNotFoundError if there is nothing at ``path``, and ValueError if it can't
    be read, with the reason, or if ``image_size`` is not a positive integer.
    """
    check_positive(image_size=image_size)
    path = at_home(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {shown(path)}: check its name")
    if path.is_dir():
        why = "a folder"
    elif not path.is_file():  # reading a pipe would never end
        why = "not a regular file"
    else:
        try:
            with catch_warnings(action="ignore"):  # Pillow's, about odd metadata
                pixels = read_picture(path, image_size)
            return torch.from_numpy(pixels).permute(2, 0, 1)[None]
        except Exception as error:  # each of Pillow's decoders fails in its own way
            why = reason(path, error)
    raise ValueError(
        f"{shown(path)} can't be used as a picture: {why}; choose another, or save it "
        "anew as PNG or JPEG"
    )


def shown(path: Path) -> str:
    """The path for a message: on one line and printable, whatever its name holds."""
    return str(path) if str(path).isprintable() else ascii(str(path))


class PictureFolder:
    """The files in the subfolders of ``path``, one subfolder per class, at any depth,
    sorted. Hidden files and folders are ignored. Links, which could put one picture
    into two sets, and whatever else is skipped are remembered by reason.

    Raises FileNotFoundError, with the layout that is expected, if there is no folder.
    """

    def __init__(self, path: str | Path):
        self.root = at_home(path)
        if not self.root.is_dir():
            layout = LAYOUT.format(path=self.root)
            raise FileNotFoundError(f"there is no folder {self.root}\n{layout}")
        self.skipped: dict[str, list[str]] = {}
        # Bytes in one array: a Python string each would take three times the memory.
        files = [os.fsencode(file.relative_to(self.root)) for file in self._find()]
        self.files = np.array(files, dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self.files)

    def path(self, i: int) -> Path:
        return self.root / os.fsdecode(self.files[i])

    def skip(self, path: Path, why: str) -> None:
        self.skipped.setdefault(why, []).append(shown(path.relative_to(self.root)))

    def read(self, i: int, size: int) -> np.ndarray | None:
        """Picture i as ``read_picture`` reads it; None if it has to be skipped."""
        path = self.path(i)
        try:
            with catch_warnings(action="ignore"):
                return read_picture(path, size)
        except Exception as error:  # each of Pillow's decoders fails in its own way
            self.skip(path, reason(path, error))
            return None

    def keep(
        self, indices: np.ndarray, report: Callable[[str], None]
    ) -> tuple[tuple[str, ...], Tensor]:
        """From now on only these files: their classes and labels (N int64).

        One message to ``report`` counts and names what was skipped. Raises ValueError,
        with the layout, unless two classes are left.
        """
        self.files = self.files[indices]
        folders = [file.split(os.fsencode(os.sep), 1)[0] for file in self.files]
        kinds, labels = np.unique(np.array(folders), return_inverse=True)
        classes = tuple(shown(Path(os.fsdecode(kind))) for kind in kinds)
        message = self._skip_message()
        if len(classes) < 2:
            usable = f"only the class {classes[0]!r} has" if classes else "no class has"
            raise ValueError(
                f"{usable} a picture that can be read in {self.root}\n"
                f"{LAYOUT.format(path=self.root)}\n{message}"
            )
        if message and distributed.rank() == 0:
            report(message)
        return classes, torch.from_numpy(labels).long()

    def _find(self) -> Iterator[Path]:
        def unreadable(error: OSError) -> None:
            self.skip(Path(error.filename), f"can't be read ({error.strerror})")

        for folder, folders, names in os.walk(self.root, onerror=unreadable):
            folders[:] = sorted(name for name in folders if name[0] != ".")
            for name in sorted(folders + [name for name in names if name[0] != "."]):
                path = Path(folder, name)
                if path.is_symlink():
                    self.skip(path, "links are not followed")
                elif path.is_file() and path.parent != self.root:
                    yield path
                elif path.is_file():
                    self.skip(path, "in no class folder")
                elif not path.is_dir():
                    self.skip(path, "not a regular file")

    def _skip_message(self) -> str:
        """How many files were skipped and which, a line per reason; "" for none."""
        if not self.skipped:
            return ""
        count = sum(len(names) for names in self.skipped.values())
        lines = [f"{self.root}: {len(self)} pictures read, {count} skipped"]
        for why, names in sorted(self.skipped.items()):
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            lines.append(f"  {len(names)} × {why}: {', '.join(names[:20])}{more}")
        return "\n".join(lines)


def read_picture(path: Path, size: int) -> np.ndarray:
    """One picture as size×size×3 uint8: shorter side scaled, the centre cut out.

    Turned upright (EXIF), the first frame of an animation, transparency on white,
    16 bits and floats scaled to 8 bits. Raises whatever Pillow raises: see ``reason``.
    """
    with Image.open(path, formats=FORMATS) as image:
        # Pillow itself only warns, up to twice as many.
        if image.width * image.height > most_pixels():
            raise Image.DecompressionBombError
        # Large JPEGs are decoded at 1/2, 1/4 or 1/8 of their size: much faster.
        image.draft(None, (2 * size, 2 * size))
        image.load()
        with suppress(Exception):  # damaged EXIF data, but the picture is whole
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F" or image.mode.startswith("I"):
            picture = _to_8_bit(image)
        elif image.has_transparency_data:
            picture = Image.new("RGBA", image.size, "white")
            picture.alpha_composite(image.convert("RGBA"))
        else:
            picture = image
        picture = picture.convert("RGB")
        # Cut before scaling: a strip of 1×10,000 pixels would swell enormously.
        return np.array(ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR))


def most_pixels() -> float:
    """Pillow's limit for a picture; whoever sets it to None wants none."""
    return Image.MAX_IMAGE_PIXELS or math.inf


def reason(path: Path, error: Exception) -> str:
    """Why ``read_picture`` failed, in words for a person."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"can't be read ({error.strerror})"
    if path.stat().st_size == 0:
        return "empty"
    if isinstance(error, UnidentifiedImageError):
        formats = ", ".join(FORMATS)
        return f"no picture in a known format ({formats}), or damaged at its beginning"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large, over {most_pixels() / 1e6:.0f} million pixels"
    if isinstance(error, ValueError) and str(error).startswith("pixel values"):
        return str(error)
    return "damaged, cut off or of a kind that Pillow can't decode"


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Integers 0…65535 or floats 0…1, scaled to 0…255: Pillow's convert clips them."""
    top = 1.0 if image.mode == "F" else 65535.0
    values = np.asarray(image).astype(np.float64)
    if not (values.min() >= 0 and values.max() <= top):
        raise ValueError(f"pixel values outside 0…{top:.0f}")
    return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
