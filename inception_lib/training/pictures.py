"""Reading picture files as people have them: odd formats, odd modes, broken files."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..checks import check_positive

# Recognised by content, whatever the suffix says. Left out on purpose: PostScript, for
# which Pillow would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# How a camera was held, as EXIF tells it, and what turns its picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_picture(path: str | Path, image_size: int = 224) -> Tensor:
    """A picture of your own, as ``image_folder`` reads it: 1×3×S×S uint8.

    Raises FileNotFoundError if there is nothing at ``path``, and ValueError if it can't
    be read, with the reason, or if ``image_size`` is no positive integer.
    """
    check_positive(image_size=image_size)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {shown(path)}: check its name")
    if path.is_dir():
        why = "a folder"
    elif not path.is_file():  # a pipe would let us wait for ever
        why = "not a regular file"
    else:
        try:
            with catch_warnings():
                simplefilter("ignore")  # Pillow's remarks on odd metadata
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


def find_files(root: Path, skip: Callable[[Path, str], None]) -> Iterator[Path]:
    """The regular files in the subfolders of ``root``, at any depth, sorted.

    Hidden files and folders are passed over; ``skip(path, reason)`` is called for
    links, for files that lie in no subfolder, and for what is no regular file.
    """

    def unreadable(error: OSError) -> None:
        skip(Path(error.filename), f"can't be read ({error.strerror})")

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(folders + [name for name in names if name[0] != "."]):
            path = Path(folder, name)
            if path.is_symlink():
                skip(path, "links are not followed")
            elif path.is_file() and path.parent != root:
                yield path
            elif path.is_file():
                skip(path, "in no class folder")
            elif not path.is_dir():
                skip(path, "not a regular file")


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
        if image.mode == "F" or image.mode.startswith("I"):
            picture = _to_8_bit(image)
        elif image.has_transparency_data:
            picture = Image.new("RGBA", image.size, "white")
            picture.alpha_composite(image.convert("RGBA"))
        else:
            picture = image
        picture = picture.convert("RGB")
        orientation = _orientation(image)
        if orientation in TURNS:
            picture = picture.transpose(TURNS[orientation])
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
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large, over {most_pixels() / 1e6:.0f} million pixels"
    if isinstance(error, ValueError) and str(error).startswith("pixel values"):
        return str(error)
    return "damaged, cut off or of a kind that Pillow can't decode"


def _orientation(image: Image.Image) -> int:
    """1 to 8; damaged EXIF data, which says nothing, leaves a whole picture."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Integers 0…65535 or floats 0…1, scaled to 0…255: Pillow's convert clips them."""
    top = 1.0 if image.mode == "F" else 65535.0
    values = np.asarray(image).astype(np.float64)
    if not (values.min() >= 0 and values.max() <= top):
        raise ValueError(f"pixel values outside 0…{top:.0f}")
    return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
