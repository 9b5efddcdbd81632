"""A corpus of odd and broken pictures, made here; each has its own expected result.

Each goes through both doors: ``image_folder``, and ``load_picture`` for one alone.
The oracles are the colours that were drawn, or arithmetic by hand.
"""

import gzip
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from inception_lib.training.data import image_folder
from inception_lib.training.pictures import load_picture, read_picture

SIZE = 32
RED, GREEN, BLUE, SAND = (200, 30, 40), (10, 160, 60), (20, 60, 220), (210, 190, 120)


def four(*colours) -> np.ndarray:
    """32×32×3: the colours of the quarters, upper left, upper right, lower left, …"""
    a, b, c, d = (np.full((16, 16, 3), colour, np.uint8) for colour in colours)
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])


PLAIN = four(RED, GREEN, BLUE, SAND)
GREY = four(0, 77, 140, 255)
WHITE = (255, 255, 255)


# --- making files ---------------------------------------------------------------------


def picture(array: np.ndarray = PLAIN, mode: str | None = None) -> Image.Image:
    image = Image.fromarray(array)
    return image.convert(mode) if mode else image


def encode(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra) -> bytes:
    """A PNG by hand: ``rows`` with their filter bytes, ``extra`` chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def deep_png(array: np.ndarray, colour: int) -> bytes:
    """A PNG of 16 bits a channel, from H×W×C uint16."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return png(array.shape[1], array.shape[0], 16, colour, rows)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def held(orientation: int) -> np.ndarray:
    """The stored pixels of which EXIF says so, that ``PLAIN`` is the upright picture.

    By the standard, the stored row 0 and column 0 are the upright picture's: top and
    left (1), top right (2), bottom right (3), bottom left (4), left top (5), right top
    (6), right bottom (7), left bottom (8).
    """
    return {
        1: PLAIN,
        2: PLAIN[:, ::-1],
        3: PLAIN[::-1, ::-1],
        4: PLAIN[::-1],
        5: PLAIN.swapaxes(0, 1),
        6: PLAIN[:, ::-1].swapaxes(0, 1),
        7: PLAIN[::-1, ::-1].swapaxes(0, 1),
        8: PLAIN[::-1].swapaxes(0, 1),
    }[orientation].copy()


def palette(**options) -> bytes:
    image = Image.fromarray(four(0, 1, 2, 3)[..., 0], "P")
    image.putpalette([*RED, *GREEN, *BLUE, *SAND])
    return encode(image, "PNG", **options)


def frames(format: str, **options) -> bytes:
    others = [picture(four(BLUE, BLUE, RED, RED)), picture(four(GREEN, RED, RED, RED))]
    return encode(picture(), format, save_all=True, append_images=others, **options)


def cmyk() -> Image.Image:
    """Inks 0…255: none, all cyan, half yellow on half black, all black."""
    inks = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 128, 128), (0, 0, 0, 255)]
    quarters = np.concatenate([four(*(ink[:3] for ink in inks)), GREY[..., :1]], 2)
    quarters[..., 3] = four(*((ink[3],) * 3 for ink in inks))[..., 0]
    return Image.frombytes("CMYK", (SIZE, SIZE), quarters.tobytes())


CMYK = four(WHITE, (0, 255, 255), (127, 127, 63), (0, 0, 0))  # (1 − ink) · (1 − black)


def with_alpha(mode: str, alpha: tuple[int, ...]) -> Image.Image:
    base = picture(GREY[..., 0].copy() if mode == "LA" else PLAIN)
    base.putalpha(Image.fromarray(four(*alpha)[..., 0].copy()))
    return base


def on_white(array: np.ndarray, alpha: tuple[int, ...]) -> np.ndarray:
    share = four(*alpha) / 255
    return np.rint(array * share + 255 * (1 - share))


def with_icc(profile: bytes) -> bytes:
    return encode(picture(), "PNG", icc_profile=profile)


def lab() -> bytes:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(picture(), *profiles, outputMode="LAB")
    assert image is not None
    return encode(image, "TIFF")


def tiff_values(array: np.ndarray) -> bytes:
    return encode(Image.fromarray(array), "TIFF")


def two_page_photo() -> bytes:
    """Two JPEGs in one, as telephones and stereo cameras write them."""
    return frames("MPO", quality=100, subsampling=0)


# --- the corpus -----------------------------------------------------------------------


class Case(NamedTuple):
    """A kind of file and what becomes of it: the right pixels, or words of a reason."""

    kind: str
    name: str
    content: bytes | Callable[[], bytes]
    expected: np.ndarray | str
    off_by: int = 0  # what the format itself may lose


ALPHA = (255, 128, 0, 64)
SIXTEEN = GREY[..., 0].astype(np.uint16) * 257
# A colour of 8 bits in the upper byte; the lower byte is noise that 8 bits don't see.
DEEP = PLAIN.astype(np.uint16) * 256 + 7
ALPHA_16 = (four(*ALPHA)[..., :1].astype(np.uint16)) * 257
JPEG: dict = {"quality": 100, "subsampling": 0}

GOOD = [
    Case("PNG", "a.png", encode(picture(), "PNG"), PLAIN),
    Case("JPEG", "a.jpg", encode(picture(), "JPEG", **JPEG), PLAIN, 3),
    Case(
        "JPEG, progressive",
        "progressive.jpeg",
        encode(picture(), "JPEG", progressive=True, **JPEG),
        PLAIN,
        3,
    ),
    Case("JPEG, grey", "grey.jpg", encode(picture(GREY, "L"), "JPEG"), GREY, 3),
    Case("BMP", "a.bmp", encode(picture(), "BMP"), PLAIN),
    Case("GIF", "a.gif", encode(picture(), "GIF"), PLAIN),
    Case("WebP", "a.webp", encode(picture(), "WEBP", lossless=True), PLAIN),
    Case("TIFF", "a.tif", encode(picture(), "TIFF"), PLAIN),
    Case(
        "TIFF, LZW", "l.tiff", encode(picture(), "TIFF", compression="tiff_lzw"), PLAIN
    ),
    Case("PPM", "a.ppm", encode(picture(), "PPM"), PLAIN),
    Case(
        "JPEG 2000", "a.jp2", encode(picture(), "JPEG2000", irreversible=False), PLAIN
    ),
    Case(
        "1 bit",
        "bilevel.png",
        encode(picture(four(0, 255, 255, 0), "1"), "PNG"),
        four(0, 255, 255, 0),
    ),
    Case("grey", "grey.png", encode(picture(GREY, "L"), "PNG"), GREY),
    Case(
        "grey, transparent",
        "la.png",
        encode(with_alpha("LA", ALPHA), "PNG"),
        on_white(GREY, ALPHA),
        1,
    ),
    Case(
        "colour, transparent",
        "rgba.png",
        encode(with_alpha("RGBA", ALPHA), "PNG"),
        on_white(PLAIN, ALPHA),
        1,
    ),
    Case(
        "one colour transparent",
        "key.png",
        encode(picture(), "PNG", transparency=BLUE),
        four(RED, GREEN, WHITE, SAND),
    ),
    Case("palette", "palette.png", palette(), PLAIN),
    Case(
        "palette, one transparent",
        "hole.png",
        palette(transparency=1),
        four(RED, WHITE, BLUE, SAND),
    ),
    Case(
        "palette, half transparent",
        "veil.png",
        palette(transparency=bytes(ALPHA)),
        on_white(PLAIN, ALPHA),
        1,
    ),
    Case("16 bits, PNG", "deep.png", encode(Image.fromarray(SIXTEEN), "PNG"), GREY),
    Case("16 bits, TIFF", "deep.tif", tiff_values(SIXTEEN), GREY),
    Case(
        "16 bits, other bytes first",
        "big.tif",
        tiff_values(SIXTEEN.astype(">u2")),
        GREY,
    ),
    Case("16 bits, colour", "deep_colour.png", deep_png(DEEP, 2), PLAIN),
    Case(
        "16 bits, colour, transparent",
        "deep_rgba.png",
        deep_png(np.concatenate([DEEP, ALPHA_16], 2), 6),
        on_white(PLAIN, ALPHA),
        1,
    ),
    Case("32 bits", "long.tif", tiff_values(SIXTEEN.astype(np.int32)), GREY),
    Case(
        "floats", "float.tif", tiff_values(GREY[..., 0].astype(np.float32) / 255), GREY
    ),
    Case("CMYK, JPEG", "cmyk.jpg", encode(cmyk(), "JPEG", **JPEG), CMYK, 4),
    Case("CMYK, TIFF", "cmyk.tif", encode(cmyk(), "TIFF"), CMYK, 1),
    Case("YCbCr", "ycbcr.tif", encode(picture(PLAIN, "YCbCr"), "TIFF"), PLAIN, 2),
    Case("Lab", "lab.tif", lab(), PLAIN, 18),  # 8 bits are coarse at the gamut's edge
    Case("GIF, animated", "moving.gif", frames("GIF"), PLAIN),
    Case("WebP, animated", "moving.webp", frames("WEBP", lossless=True), PLAIN),
    Case("PNG, animated", "moving.png", frames("PNG"), PLAIN),
    Case("TIFF, many pages", "pages.tif", frames("TIFF"), PLAIN),
    Case("JPEG, two in one", "stereo.jpg", two_page_photo(), PLAIN, 3),
    *(
        Case(
            f"{format}, orientation {n}",
            f"turned_{n}.{format.lower()}",
            encode(picture(held(n)), format, exif=turned(n), **options),
            PLAIN,
            3 * (format == "JPEG"),
        )
        for format, options in {
            "JPEG": JPEG,
            "PNG": {},
            "TIFF": {},
            "WEBP": {"lossless": True},
        }.items()
        for n in range(1, 9)
    ),
    Case(
        "orientation that doesn't exist",
        "turned_9.jpg",
        encode(picture(), "JPEG", exif=turned(9), **JPEG),
        PLAIN,
        3,
    ),
    Case(
        "EXIF that is none",
        "exif.jpg",
        encode(picture(), "JPEG", exif=b"Exif\0\0" + b"nonsense" * 9, **JPEG),
        PLAIN,
        3,
    ),
    Case("ICC profile that is none", "icc.png", with_icc(b"nonsense" * 40), PLAIN),
    Case(
        "ICC profile cut off",
        "cut_icc.jpg",
        encode(
            picture(),
            "JPEG",
            icc_profile=ImageCms.ImageCmsProfile(
                ImageCms.createProfile("sRGB")
            ).tobytes()[:99],
            **JPEG,
        ),
        PLAIN,
        3,
    ),
    Case(
        "something after its end",
        "tail.png",
        encode(picture(), "PNG") + b"x" * 99,
        PLAIN,
    ),
    Case(
        "1×1", "dot.png", encode(Image.new("RGB", (1, 1), RED), "PNG"), four(*[RED] * 4)
    ),
    Case(
        "1×5000",
        "pole.png",
        encode(Image.new("RGB", (1, 5000), RED), "PNG"),
        four(*[RED] * 4),
    ),
    Case(
        "5000×1",
        "line.png",
        encode(Image.new("RGB", (5000, 1), RED), "PNG"),
        four(*[RED] * 4),
    ),
    Case("another suffix", "really_a_png.jpg", encode(picture(), "PNG"), PLAIN),
    Case("upper-case suffix", "SHOUT.PNG", encode(picture(), "PNG"), PLAIN),
    Case("no suffix", "bare", encode(picture(), "PNG"), PLAIN),
    Case("non-ASCII name", "Zellé № 7 – 電池 ☀.png", encode(picture(), "PNG"), PLAIN),
    Case("newline in its name", "two\nlines.png", encode(picture(), "PNG"), PLAIN),
    Case("name like an option", "--help.png", encode(picture(), "PNG"), PLAIN),
    Case("very long name", "n" * 251 + ".png", encode(picture(), "PNG"), PLAIN),
]


def cut(content: bytes, share: float = 0.5) -> bytes:
    return content[: int(len(content) * share)]


def spoiled(content: bytes, after: bytes, by: int) -> bytes:
    """One byte changed, ``by`` places behind the beginning of ``after``."""
    damaged = bytearray(content)
    damaged[content.index(after) + by] ^= 0x55
    return bytes(damaged)


NOISE = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)


def noise(format: str) -> bytes:
    return encode(Image.fromarray(NOISE), format)


def huge_png() -> bytes:
    return png(100_000, 100_000, 8, 2, bytes(99))


def huge_jpeg() -> bytes:
    content = encode(Image.new("RGB", (77, 88)), "JPEG")
    sizes = struct.pack(">HH", 88, 77), struct.pack(">HH", 65_000, 65_000)
    return content.replace(*sizes, 1)


def huge_gif() -> bytes:
    content = bytearray(encode(picture(), "GIF"))
    content[6:10] = struct.pack("<HH", 65_535, 65_535)
    return bytes(content)


def huge_bmp() -> bytes:
    content = bytearray(encode(picture(), "BMP"))
    content[18:26] = struct.pack("<ii", 100_000, 100_000)
    return bytes(content)


def huge_tiff() -> bytes:
    content = encode(Image.new("L", (77, 88)), "TIFF")
    for tag, old in ((256, 77), (257, 88)):
        for kind, form in ((3, "<HHIHxx"), (4, "<HHII")):
            row = struct.pack(form, tag, kind, 1, old)
            content = content.replace(row, struct.pack("<HHII", tag, 4, 1, 2**30))
    return content


def huge_webp() -> bytes:
    frame = encode(picture(), "WEBP", lossless=True)[12:]
    canvas = struct.pack("<I", 16_382)[:3]
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + 2 * canvas
    body = b"WEBP" + extended + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_jp2() -> bytes:
    content = encode(Image.new("RGB", (77, 88)), "JPEG2000")
    box, codestream = struct.pack(">II", 88, 77), struct.pack(">II", 77, 88)
    large = struct.pack(">II", 100_000, 100_000)
    return content.replace(box, large).replace(codestream, large)


def text_bomb() -> bytes:
    """A tiny PNG whose comment unpacks to 300 million characters."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(10**6)) for _ in range(300))
    comment = chunk(b"zTXt", b"c\0\0" + packed + packer.flush())
    return png(1, 1, 8, 0, bytes(2), comment)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", encode(picture(), "PNG"))
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    return file.getvalue()


def box(brand: bytes) -> bytes:
    """The beginning of a file as telephones write it: HEIC, AVIF, MP4."""
    return (
        struct.pack(">I", 24)
        + b"ftyp"
        + brand
        + bytes(4)
        + brand
        + b"mif1"
        + NOISE.tobytes()
    )


FORMAT, LARGE, DAMAGED = "no picture in a known format", "too large", "damaged"

BAD = [
    Case("nothing in it", "empty.png", b"", "empty"),
    Case("text", "text.jpg", b"not a picture\n", FORMAT),
    Case(
        "a web page", "page.png", b"<!doctype html><title>404 Not Found</title>", FORMAT
    ),
    Case("SVG", "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", FORMAT),
    Case(
        "PostScript",
        "script.eps",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        FORMAT,
    ),
    Case("PDF", "scan.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", FORMAT),
    Case("HEIC", "IMG_0001.HEIC", box(b"heic"), FORMAT),
    Case("AVIF", "new.avif", box(b"avif"), FORMAT),
    Case("a film", "film.mp4", box(b"isom"), FORMAT),
    Case("an icon", "icon.ico", encode(picture(), "ICO"), FORMAT),
    Case(
        "Windows' thumbnails",
        "Thumbs.db",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        FORMAT,
    ),
    Case("ZIP archive", "pictures.zip", zipped, FORMAT),
    Case("ZIP archive as PNG", "zip.png", zipped, FORMAT),
    Case("TAR archive", "pictures.tar", tarred, FORMAT),
    Case("GZIP archive", "a.png.gz", gzip.compress(encode(picture(), "PNG")), FORMAT),
    Case("pickle", "array.png", pickle.dumps(PLAIN), FORMAT),
    Case("NumPy array", "array.npy", b"\x93NUMPY\x01\x00" + bytes(120), FORMAT),
    Case("random bytes", "random.jpg", NOISE.tobytes(), FORMAT),
    Case("zeros", "zeros.png", bytes(5000), FORMAT),
    Case(
        "only a PNG's first bytes", "start.png", encode(picture(), "PNG")[:12], FORMAT
    ),
    Case(
        "only a JPEG's first bytes", "start.jpg", encode(picture(), "JPEG")[:3], FORMAT
    ),
    *(
        Case(f"{format} cut off", f"cut.{format.lower()}", cut(noise(format)), DAMAGED)
        for format in ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
    ),
    Case(
        "JPEG, all but its end",
        "nearly.jpg",
        cut(encode(Image.fromarray(NOISE), "JPEG"), 0.97),
        DAMAGED,
    ),
    Case("bad checksum, header", "crc.png", spoiled(noise("PNG"), b"IHDR", 18), FORMAT),
    Case(
        "bad checksum, pixels", "bits.png", spoiled(noise("PNG"), b"IDAT", 400), DAMAGED
    ),
    Case(
        "no pixels in it",
        "hollow.png",
        encode(picture(), "PNG")[:33] + chunk(b"IEND", b""),
        DAMAGED,
    ),
    Case(
        "pixels not packed",
        "raw.png",
        encode(picture(), "PNG")[:33]
        + chunk(b"IDAT", bytes(500))
        + chunk(b"IEND", b""),
        DAMAGED,
    ),
    Case("no width", "flat.png", png(0, 5, 8, 0, bytes(5)), FORMAT),
    Case("bomb, PNG", "huge.png", huge_png, LARGE),
    Case(
        "bomb, twice too large",
        "large.png",
        png(10_000, 10_000, 8, 0, bytes(99)),
        LARGE,
    ),
    Case("bomb, one line", "line.png", png(2**30, 1, 8, 0, bytes(99)), LARGE),
    Case("bomb, JPEG", "huge.jpg", huge_jpeg, LARGE),
    Case("bomb, GIF", "huge.gif", huge_gif, LARGE),
    Case("bomb, BMP", "huge.bmp", huge_bmp, LARGE),
    Case("bomb, PPM", "huge.ppm", b"P6 100000 100000 255\n" + bytes(99), LARGE),
    Case("bomb, TIFF", "huge.tif", huge_tiff, LARGE),
    Case("bomb, WebP", "huge.webp", huge_webp, LARGE),
    Case("bomb, JPEG 2000", "huge.jp2", huge_jp2, LARGE),
    Case("bomb, in a comment", "comment.png", text_bomb, DAMAGED),
    Case(
        "not a number",
        "nan.tif",
        tiff_values(np.full((9, 9), np.nan, np.float32)),
        "outside 0…1",
    ),
    Case(
        "infinite",
        "inf.tif",
        tiff_values(np.full((9, 9), np.inf, np.float32)),
        "outside 0…1",
    ),
    Case(
        "floats to 255",
        "f.tif",
        tiff_values(GREY[..., 0].astype(np.float32)),
        "outside 0…1",
    ),
    Case(
        "negative",
        "minus.tif",
        tiff_values(np.full((9, 9), -5, np.int32)),
        "outside 0…65535",
    ),
    Case(
        "32 bits, all used",
        "wide.tif",
        tiff_values(np.full((9, 9), 2**30, np.int32)),
        "outside 0…65535",
    ),
]
CORPUS = GOOD + BAD


def write(folder: Path, case: Case) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / case.name
    path.write_bytes(case.content() if callable(case.content) else case.content)
    return path


def by_kind(cases: list[Case]):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.kind)


def check_pixels(images: torch.Tensor, case: Case) -> None:
    pixels = images[0].permute(1, 2, 0).numpy().astype(float)
    assert pixels.shape == (SIZE, SIZE, 3)
    off = np.abs(pixels - case.expected).max()
    assert off <= case.off_by, f"off by {off}"


def test_the_corpus_is_large_and_has_no_kind_twice():
    assert len({case.kind for case in CORPUS}) == len(CORPUS) >= 100
    assert len({case.name for case in GOOD}) == len(GOOD)


# --- one picture of your own ----------------------------------------------------------


@by_kind(GOOD)
def test_an_odd_picture_of_your_own_is_right(case, tmp_path):
    check_pixels(load_picture(write(tmp_path, case), SIZE), case)


@by_kind(BAD)
def test_a_broken_picture_of_your_own_is_one_clear_sentence(case, tmp_path):
    path = write(tmp_path, case)
    with pytest.raises(ValueError) as caught:
        load_picture(path, SIZE)
    message = str(caught.value)
    assert message.startswith(f"{path} can't be used as a picture: ")
    assert case.expected in message and "\n" not in message
    assert message.endswith("choose another, or save it anew as PNG or JPEG")


# --- a folder of them -----------------------------------------------------------------


def test_a_folder_of_all_of_them_reads_the_good_and_names_the_bad(tmp_path):
    for case in GOOD:
        write(tmp_path / "good", case)
    for case in BAD:
        write(tmp_path / "bad" / case.kind, case)
    write(tmp_path / "bad", GOOD[0])
    said: list[str] = []
    data = image_folder(tmp_path, SIZE, report=said.append)
    assert data.classes == ("bad", "good") and len(data) == len(GOOD) + 1
    for case in GOOD:
        index = data.names.index(f"good/{case.name}")
        check_pixels(data.images[index : index + 1], case)
    (message,) = said
    head, *lines = message.splitlines()
    assert head.endswith(f"{len(data)} pictures read, {len(BAD)} skipped")
    for case in BAD:
        name = f"bad/{case.kind}/{case.name}"
        shown = [line for line in lines if name in line]
        # A line names twenty, and counts the rest.
        assert all(case.expected in line for line in shown)
    for words in {case.expected for case in BAD}:
        count = sum(case.expected == words for case in BAD)
        assert any(f"{count} × " in line and words in line for line in lines), words


# --- what is no file ------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Two classes with a picture each, and one that is none of their business."""
    for name in ("a", "b"):
        write(tmp_path / "data" / name, GOOD[0])
    write(tmp_path / "elsewhere", GOOD[0])
    return tmp_path / "data"


def read(folder: Path) -> tuple[tuple[str, ...], str]:
    said: list[str] = []
    data = image_folder(folder, 8, report=said.append)
    return data.names, "".join(said)


@pytest.mark.parametrize(
    "target", ["a.png", "../../elsewhere/a.png", "../../elsewhere", "..", "nowhere"]
)
def test_links_are_never_followed(pictures, target):
    (pictures / "a" / "link.png").symlink_to(target)
    (pictures / "c").symlink_to(pictures.parent / "elsewhere")
    names, said = read(pictures)
    assert names == ("a/a.png", "b/a.png")
    assert "2 × links are not followed: c, a/link.png" in said


def test_pipes_and_sockets_are_passed_by_without_waiting(pictures, monkeypatch):
    os.mkfifo(pictures / "a" / "pipe.png")
    monkeypatch.chdir(pictures / "a")  # a socket's whole path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        names, said = read(pictures)
        assert names == ("a/a.png", "b/a.png")
        assert "2 × not a regular file: a/pipe.png, a/socket.png" in said
        for name in ("pipe.png", "socket.png"):
            with pytest.raises(ValueError, match="not a regular file"):
                load_picture(name)


def test_a_folder_with_a_picture_s_name_is_a_folder(pictures):
    write(pictures / "a" / "inner.jpg", GOOD[0])
    write(pictures / "c.png", GOOD[0])
    data = image_folder(pictures, 8)
    assert data.classes == ("a", "b", "c.png")
    assert "a/inner.jpg/a.png" in data.names
    with pytest.raises(
        ValueError, match=r"c\.png can't be used as a picture: a folder"
    ):
        load_picture(pictures / "c.png")


def test_hidden_files_are_passed_over_in_silence(pictures):
    for name in (".DS_Store", "._a.png", ".hidden.png"):
        (pictures / "a" / name).write_bytes(encode(picture(), "PNG"))
    write(pictures / ".git", GOOD[0])
    write(pictures / "a" / ".ipynb_checkpoints", GOOD[0])
    assert read(pictures) == (("a/a.png", "b/a.png"), "")


def test_what_may_not_be_read_is_named(pictures, monkeypatch):
    """Permissions don't bind root, as whom containers run: so Pillow is refused."""

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(ValueError, match=r"can't be read \(Permission denied\)"):
        load_picture(pictures / "a" / "a.png")
    with pytest.raises(
        ValueError, match="2 × can't be read .Permission denied.: a/a.png"
    ):
        image_folder(pictures, 8)


def test_nothing_there_is_said():
    with pytest.raises(FileNotFoundError, match="there is no file no/such.png: check"):
        load_picture("no/such.png")


def test_a_message_about_an_odd_name_stays_on_one_line(tmp_path):
    path = tmp_path / "two\nlines.png"
    path.touch()
    with pytest.raises(ValueError, match=r"two\\nlines") as caught:
        load_picture(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes only on Linux")
def test_a_name_that_is_no_text(pictures):
    """From another machine or an old archive: in another encoding than UTF-8."""
    odd = os.path.join(os.fsencode(pictures / "b"), b"Stra\xdfe.png")
    with open(odd, "wb") as file:
        file.write(encode(picture(), "PNG"))
    assert len(image_folder(pictures, 8)) == 3
    assert load_picture(os.fsdecode(odd), 8).shape == (1, 3, 8, 8)
    with open(odd, "wb"):
        pass
    with pytest.raises(ValueError) as caught:
        load_picture(os.fsdecode(odd))
    assert str(caught.value).encode()  # printing it doesn't fail


# --- bounds ---------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_bomb_is_refused_without_taking_memory(tmp_path):
    """In a process that may take 400 MB more than it has: unpacked, each needs more."""
    bombs = [case for case in BAD if case.kind.startswith("bomb")]
    for case in bombs:
        write(tmp_path / case.kind, case)
    code = (
        "import resource, sys\n"
        "from inception_lib.training.pictures import load_picture\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + 400_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "for path in sys.argv[1:]:\n"
        "    try: load_picture(path)\n"
        "    except ValueError as error: print(error)\n"
    )
    paths = [str(tmp_path / case.kind / case.name) for case in bombs]
    command = [sys.executable, "-c", code, *paths]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for case, line in zip(bombs, said.splitlines(), strict=True):
        assert case.expected in line, case.kind


def test_reading_is_bounded_whatever_the_warnings_are_set_to(tmp_path):
    path = write(tmp_path, next(c for c in BAD if c.kind == "bomb, twice too large"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Image.DecompressionBombError):
            read_picture(path, 8)


@pytest.mark.parametrize("size", [0, -1, 8.0, "8", None, True, float("nan")])
def test_a_size_that_is_none_is_refused(size, pictures):
    with pytest.raises(ValueError, match="image_size must be a positive integer, got"):
        load_picture(pictures / "a" / "a.png", size)


@pytest.mark.parametrize("path", [None, 3, 2.5, b"a.png", ["a.png"]])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(TypeError):
        load_picture(path)
