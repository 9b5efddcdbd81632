"""Picture files as people have them: odd formats, odd modes, broken files."""

import math
from contextlib import suppress
from pathlib import Path
from warnings import catch_warnings

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from ..checks import at_home, check_positive

# Recognised by content, whatever the suffix says. Left out on purpose: PostScript, for
# which Pillow would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# What is white in a picture of 16 bits, unless its data set uses fewer of them.
FULL_SCALE = 2**16 - 1
# So many times Pillow's limit a JPEG may have, which is decoded at a fraction of its
# size: 268 million pixels.
LARGER_JPEGS = 3


def load_picture(
    path: str | Path, image_size: int = 224, full_scale: int = FULL_SCALE
) -> Tensor:
    """A picture of your own, as ``image_folder`` reads it: 1×3×S×S uint8.
    ``full_scale`` is the value that is white in a picture of 16 bits.

    Raises FileNotFoundError if there is nothing at ``path``, and ValueError if it can't
    be read, with the reason, or if a number is not a positive integer.
    """
    check_positive(image_size=image_size, full_scale=full_scale)
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
                pixels, _ = read_picture(path, image_size, full_scale)
            return torch.from_numpy(pixels).permute(2, 0, 1)[None]
        except Exception as error:  # each of Pillow's decoders fails in its own way
            why = reason(path, error)
    raise ValueError(
        f"{shown(path)} can't be used as a picture: {why}; choose another, or save it "
        "as PNG or JPEG"
    )


def shown(path: Path) -> str:
    """The path for a message: on one line and printable, whatever its name holds."""
    return str(path) if str(path).isprintable() else ascii(str(path))


def read_picture(
    path: Path, size: int, full_scale: int = FULL_SCALE
) -> tuple[np.ndarray, int]:
    """One picture as size×size×3 uint8: shorter side scaled, the centre cut out. And
    its largest value, if it has more than 8 bits, else 0.

    Turned upright (EXIF), the first frame of an animation, transparency on white, more
    than 8 bits scaled so that ``full_scale`` is white, floats so that 1 is. Raises
    whatever Pillow raises: see ``reason``.
    """
    with opened(path) as file:
        # Large JPEGs are decoded at 1/2, 1/4 or 1/8 of their size: much faster.
        file.draft(None, (2 * size, 2 * size))
        if file.width * file.height > most_pixels():
            raise Image.DecompressionBombError
        deep = deep_colour(file)
        file.load()
        image, top = deep_pixels(path, file, full_scale) if deep else (file, 0)
        with suppress(Exception):  # damaged EXIF data, but the picture is whole
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F":
            picture = to_8_bits(np.asarray(image), 1, most=1)
        elif image.mode.startswith("I"):
            values = np.asarray(image)
            picture, top = to_8_bits(values, full_scale), int(values.max())
        elif image.has_transparency_data:
            picture = Image.new("RGBA", image.size, "white")
            picture.alpha_composite(image.convert("RGBA"))
        else:
            picture = image
        picture = picture.convert("RGB")
        # Cut before scaling: a strip of 1×10,000 pixels would swell enormously.
        square = ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR)
        return np.array(square), top


def opened(path: Path) -> Image.Image:
    """The picture, not decoded yet. A JPEG may be larger than Pillow allows, unless it
    is progressive: then it is unpacked whole, however small it is asked for.
    """
    try:
        image: Image.Image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        with suppress(SyntaxError):  # no JPEG
            image = JpegImageFile(path)
            if not too_large(image):
                return image
            image.close()
        raise
    if too_large(image):  # Pillow itself only warns, up to twice as many
        image.close()
        raise Image.DecompressionBombError
    return image


def too_large(image: Image.Image) -> bool:
    jpeg = isinstance(image, JpegImageFile) and "progressive" not in image.info
    most = most_pixels() * (LARGER_JPEGS if jpeg else 1)
    return image.width * image.height > most


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
        with open(path, "rb") as file:
            if file.read(12)[4:] in HEIF:
                return "HEIC or AVIF, which Pillow can't decode: save it as JPEG"
        formats = ", ".join(FORMATS)
        return f"no picture in a known format ({formats}), or damaged at its beginning"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large, over {most_pixels() / 1e6:.0f} million pixels"
    if isinstance(error, ValueError) and str(error).startswith("pixel values"):
        return str(error)
    return "damaged, cut off or of a kind that Pillow can't decode"


# How these files begin, after four bytes: telephones write the first.
HEIF = [b"ftyp" + kind.encode() for kind in "heic heix heim heis hevc mif1".split()]
HEIF += [b"ftypavif", b"ftypavis"]


def deep_colour(image: Image.Image) -> bool:
    """Whether these are colours of 16 bits, of which Pillow decodes the upper 8."""
    return image.mode in ("LA", "RGB", "RGBA") and any(
        "16" in str(tile.args) for tile in getattr(image, "tile", ())
    )


def deep_pixels(
    path: Path, image: Image.Image, full_scale: int
) -> tuple[Image.Image, int]:
    """A picture of 16 bits in colour, or with transparency: 8 bits of it, and its
    largest value. Raises ValueError if that needs the lower bits of a TIFF.
    """
    if image.format != "PNG" or "transparency" in image.info:
        if np.asarray(image.convert("RGB")).max() < 128:
            raise ValueError(
                "pixel values of 16 bits in colour whose upper bits are not used: save "
                "it as PNG"
            )
        return image, 0
    from torchvision.io import ImageReadMode, decode_image  # takes a second or two

    values = decode_image(str(path), ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    channels = values.shape[2] - image.has_transparency_data
    colour = to_8_bits(values[..., :channels].squeeze(), full_scale)
    if image.has_transparency_data:
        colour.putalpha(to_8_bits(values[..., -1], FULL_SCALE))
    turned = image.getexif().get(ExifTags.Base.Orientation, 1)
    colour.getexif()[ExifTags.Base.Orientation] = turned
    return colour, int(values[..., :channels].max())


def to_8_bits(
    values: np.ndarray, full_scale: int, most: int = FULL_SCALE
) -> Image.Image:
    """Values 0…full_scale, scaled to 0…255: Pillow's convert would clip them. What is
    above is white, if it is no more than half of the pixels.
    """
    if not (values.min() >= 0 and values.max() <= most):
        raise ValueError(f"pixel values outside 0…{most}")
    if (values > full_scale).mean() > 0.5:
        raise ValueError(f"pixel values that are mostly above {full_scale}, the white")
    scaled = np.rint(values.astype(np.float64) * (255 / full_scale))
    return Image.fromarray(scaled.clip(max=255).astype(np.uint8))
