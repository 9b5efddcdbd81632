"""Reading picture files as people have them: odd formats, odd modes, broken files."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Recognised by content, whatever the suffix says. Left out on purpose: PostScript, for
# which Pillow would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


def find_files(root: Path, skip: Callable[[Path, str], None]) -> list[Path]:
    """The regular files in the subfolders of ``root``, at any depth, sorted.

    Hidden files and folders are passed over; ``skip(path, reason)`` is called for
    links, for files that lie in no subfolder, and for what is no regular file.
    """
    files = []

    def unreadable(error: OSError) -> None:
        skip(Path(error.filename), f"can't be read ({error.strerror})")

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(folders + [name for name in names if name[0] != "."]):
            path = Path(folder, name)
            if path.is_symlink():
                skip(path, "links are not followed")
            elif path.is_file() and path.parent != root:
                files.append(path)
            elif path.is_file():
                skip(path, "in no class folder")
            elif not path.is_dir():
                skip(path, "not a regular file")
    return files


def read_picture(path: Path, size: int) -> np.ndarray:
    """One picture as size×size×3 uint8: shorter side scaled, the centre cut out.

    Turned upright (EXIF), the first frame of an animation, transparency on white,
    16 bits and floats scaled to 8 bits. Raises whatever Pillow raises: see ``reason``.
    """
    with Image.open(path, formats=FORMATS) as image:
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
        picture.info["exif"] = image.getexif().tobytes()
        picture = ImageOps.exif_transpose(picture)
        # Cut before scaling: a strip of 1×10,000 pixels would swell enormously.
        return np.array(ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR))


def reason(path: Path, error: Exception) -> str:
    """Why ``read_picture`` failed, in words for a person."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"can't be read ({error.strerror})"
    if path.stat().st_size == 0:
        return "empty"
    if isinstance(error, UnidentifiedImageError):
        return f"no picture in a known format ({', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large, over {Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels"
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
