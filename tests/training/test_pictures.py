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
from inception_lib.training.pictures import FORMATS, load_picture, read_picture

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


def with_alpha(mode: str, alpha: tuple[int, ...]) -> bytes:
    base = picture(GREY[..., 0].copy() if mode == "LA" else PLAIN)
    base.putalpha(Image.fromarray(four(*alpha)[..., 0].copy()))
    return encode(base, "PNG")


def on_white(array: np.ndarray, alpha: tuple[int, ...]) -> np.ndarray:
    share = four(*alpha) / 255
    return np.rint(array * share + 255 * (1 - share))


def lab() -> bytes:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(picture(), *profiles, outputMode="LAB")
    assert image is not None
    return encode(image, "TIFF")


def tiff_values(array: np.ndarray) -> bytes:
    return encode(Image.fromarray(array), "TIFF")


# --- the corpus -----------------------------------------------------------------------


class Case(NamedTuple):
    """A kind of file and what becomes of it: the right pixels, or words of a reason."""

    kind: str
    content: bytes | Callable[[], bytes]
    expected: np.ndarray | str = PLAIN
    off_by: int = 0  # what the format itself may lose
    own_name: str = ""

    @property
    def name(self) -> str:
        """Of its file; the content decides the format, not the suffix."""
        return self.own_name or f"{self.kind}.jpg"


def jpeg(image: Image.Image | None = None, **options) -> bytes:
    return encode(image or picture(), "JPEG", **LOSSLESS["JPEG"], **options)


ALPHA = (255, 128, 0, 64)
SIXTEEN = GREY[..., 0].astype(np.uint16) * 257
# A colour of 8 bits in the upper byte; the lower byte is noise.
DEEP = PLAIN.astype(np.uint16) * 256 + 7
DEEP_ALPHA = np.concatenate([DEEP, four(*ALPHA)[..., :1].astype(np.uint16) * 257], 2)
LOSSLESS: dict[str, dict] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
}
BILEVEL = four(0, 255, 255, 0)
PNG = encode(picture(), "PNG")
ALL_RED = four(*[RED] * 4)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def red(width: int, height: int) -> bytes:
    return encode(Image.new("RGB", (width, height), RED), "PNG")


GOOD = [
    Case("PNG", PNG, own_name="a.png"),
    Case("JPEG", jpeg(), off_by=3),
    Case("JPEG, progressive", jpeg(progressive=True), off_by=3),
    Case("JPEG, grey", encode(picture(GREY, "L"), "JPEG"), GREY, 3),
    Case("BMP", encode(picture(), "BMP")),
    Case("GIF", encode(picture(), "GIF")),
    Case("WebP", encode(picture(), "WEBP", lossless=True)),
    Case("TIFF", encode(picture(), "TIFF")),
    Case("TIFF, LZW", encode(picture(), "TIFF", compression="tiff_lzw")),
    Case("PPM", encode(picture(), "PPM")),
    Case("JPEG 2000", encode(picture(), "JPEG2000", irreversible=False)),
    Case("1 bit", encode(picture(BILEVEL, "1"), "PNG"), BILEVEL),
    Case("grey", encode(picture(GREY, "L"), "PNG"), GREY),
    Case("grey, clear", with_alpha("LA", ALPHA), on_white(GREY, ALPHA), 1),
    Case("colour, clear", with_alpha("RGBA", ALPHA), on_white(PLAIN, ALPHA), 1),
    Case(
        "one colour clear",
        encode(picture(), "PNG", transparency=BLUE),
        four(RED, GREEN, WHITE, SAND),
    ),
    Case("palette", palette()),
    Case("palette, one clear", palette(transparency=1), four(RED, WHITE, BLUE, SAND)),
    Case(
        "palette, half clear",
        palette(transparency=bytes(ALPHA)),
        on_white(PLAIN, ALPHA),
        1,
    ),
    Case("16 bits, PNG", encode(Image.fromarray(SIXTEEN), "PNG"), GREY),
    Case("16 bits, TIFF", tiff_values(SIXTEEN), GREY),
    Case("16 bits, other bytes first", tiff_values(SIXTEEN.astype(">u2")), GREY),
    Case("16 bits, colour", deep_png(DEEP, 2), PLAIN, 1),
    Case("16 bits, clear", deep_png(DEEP_ALPHA, 6), on_white(PLAIN, ALPHA), 1),
    Case("32 bits", tiff_values(SIXTEEN.astype(np.int32)), GREY),
    Case("floats", tiff_values(GREY[..., 0].astype(np.float32) / 255), GREY),
    Case("CMYK, JPEG", jpeg(cmyk()), CMYK, 4),
    Case("CMYK, TIFF", encode(cmyk(), "TIFF"), CMYK, 1),
    Case("YCbCr", encode(picture(PLAIN, "YCbCr"), "TIFF"), off_by=2),
    Case("Lab", lab(), off_by=18),  # 8 bits are coarse at the gamut's edge
    Case("GIF, animated", frames("GIF")),
    Case("WebP, animated", frames("WEBP", lossless=True)),
    Case("PNG, animated", frames("PNG")),
    Case("TIFF, many pages", frames("TIFF")),
    # As telephones and stereo cameras write them.
    Case("JPEG, two in one", frames("MPO", quality=100, subsampling=0), off_by=3),
    *(
        Case(
            f"{format}, orientation {n}",
            encode(picture(held(n)), format, exif=turned(n), **LOSSLESS[format]),
            off_by=3 * (format == "JPEG"),
        )
        for format in LOSSLESS
        for n in range(1, 9)
    ),
    Case("orientation that doesn't exist", jpeg(exif=turned(9)), off_by=3),
    Case("EXIF that is none", jpeg(exif=b"Exif\0\0" + b"nonsense" * 9), off_by=3),
    Case("ICC profile that is none", encode(picture(), "PNG", icc_profile=bytes(320))),
    Case("ICC profile cut off", jpeg(icc_profile=PROFILE[:99]), off_by=3),
    Case("something after its end", PNG + b"x" * 99),
    Case("1×1", red(1, 1), ALL_RED),
    Case("1×5000", red(1, 5000), ALL_RED),
    Case("5000×1", red(5000, 1), ALL_RED),
    Case("upper-case suffix", PNG, own_name="SHOUT.PNG"),
    Case("no suffix", PNG, own_name="bare"),
    Case("non-ASCII name", PNG, own_name="Zellé № 7 – 電池 ☀.png"),
    Case("newline in its name", PNG, own_name="two\nlines.png"),
    Case("name like an option", PNG, own_name="--help.png"),
    Case("very long name", PNG, own_name="n" * 251 + ".png"),
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


def start_of_png(*chunks: bytes) -> bytes:
    """Its header, and then these."""
    return PNG[:33] + b"".join(chunks) + chunk(b"IEND", b"")


def nine(value: float, kind: type) -> bytes:
    return tiff_values(np.full((9, 9), value, kind))


BAD = [
    Case("nothing in it", b"", "empty"),
    Case("text", b"not a picture\n", FORMAT),
    Case("a web page", b"<!doctype html><title>404 Not Found</title>", FORMAT),
    Case("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", FORMAT),
    Case("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", FORMAT),
    Case("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", FORMAT),
    Case("HEIC", box(b"heic"), "HEIC or AVIF"),
    Case("AVIF", box(b"avif"), "HEIC or AVIF"),
    Case("a film", box(b"isom"), FORMAT),
    Case("an icon", encode(picture(), "ICO"), FORMAT),
    Case("ZIP archive", zipped, FORMAT, own_name="pictures.zip"),
    Case("ZIP archive as PNG", zipped, FORMAT, own_name="zip.png"),
    Case("TAR archive", tarred, FORMAT, own_name="pictures.tar"),
    Case("GZIP archive", gzip.compress(PNG), FORMAT, own_name="a.png.gz"),
    Case("pickle", pickle.dumps(PLAIN), FORMAT),
    Case("NumPy array", b"\x93NUMPY\x01\x00" + bytes(120), FORMAT, own_name="a.npy"),
    Case("random bytes", NOISE.tobytes(), FORMAT),
    Case("zeros", bytes(5000), FORMAT),
    Case("only a PNG's first bytes", PNG[:12], FORMAT),
    Case("only a JPEG's first bytes", jpeg()[:3], FORMAT),
    *(Case(f"{format} cut off", cut(noise(format)), DAMAGED) for format in FORMATS),
    Case("JPEG, all but its end", cut(noise("JPEG"), 0.97), DAMAGED),
    Case("bad checksum, header", spoiled(noise("PNG"), b"IHDR", 18), FORMAT),
    Case("bad checksum, pixels", spoiled(noise("PNG"), b"IDAT", 400), DAMAGED),
    Case("no pixels in it", start_of_png(), DAMAGED),
    Case("pixels not packed", start_of_png(chunk(b"IDAT", bytes(500))), DAMAGED),
    Case("no width", png(0, 5, 8, 0, bytes(5)), FORMAT),
    Case("bomb, PNG", huge_png, LARGE),
    Case("bomb, twice too large", png(10_000, 10_000, 8, 0, bytes(99)), LARGE),
    Case("bomb, one line", png(2**30, 1, 8, 0, bytes(99)), LARGE),
    Case("bomb, JPEG", huge_jpeg, LARGE),
    Case("bomb, GIF", huge_gif, LARGE),
    Case("bomb, BMP", huge_bmp, LARGE),
    Case("bomb, PPM", b"P6 100000 100000 255\n" + bytes(99), LARGE),
    Case("bomb, TIFF", huge_tiff, LARGE),
    Case("bomb, WebP", huge_webp, LARGE),
    Case("bomb, JPEG 2000", huge_jp2, LARGE),
    Case("bomb, in a comment", text_bomb, DAMAGED),
    Case("not a number", nine(np.nan, np.float32), "outside 0…1"),
    Case("infinite", nine(np.inf, np.float32), "outside 0…1"),
    Case("floats to 255", nine(255, np.float32), "outside 0…1"),
    Case("negative", nine(-5, np.int32), "outside 0…65535"),
    Case("32 bits, all used", nine(2**30, np.int32), "outside 0…65535"),
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
    assert message.endswith("choose another, or save it as PNG or JPEG")


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
    assert any("a copy (the same pixels)" in line for line in lines)  # in other formats
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
    write(tmp_path / "data" / "a", GOOD[0])
    other = encode(picture(PLAIN[::-1].copy()), "PNG")
    write(tmp_path / "data" / "b", GOOD[0]._replace(content=other))
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
