"""onnxruntime-web, which runs a network in a browser: fetched once, through npm."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.30.0"
# What the package's archive must hash to, whichever registry it came from.
SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZ"
    "ClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
# The build without a GPU, and its WebAssembly. As .js, which every server knows.
FILES = {
    "dist/ort.wasm.bundle.min.mjs": "ort.js",
    "dist/ort-wasm-simd-threaded.wasm": "ort.wasm",
}


class NoRuntimeError(Exception):
    """Why there is no runtime, in a sentence."""


def runtime(cache: Path) -> Path:
    """The folder in ``cache`` with ``FILES``; npm is only asked if it isn't there yet.

    Raises NoRuntimeError without npm or without a network, and on a wrong archive.
    """
    folder = cache / f"onnxruntime-web-{VERSION}"
    if not all((folder / name).is_file() for name in FILES.values()):
        npm = shutil.which("npm")
        if npm is None:
            raise NoRuntimeError("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as place:
            unpack(fetch(npm, Path(place)), Path(place))
            for name in FILES.values():  # whole or not at all
                Path(place, name).replace(folder / name)
    return folder


def fetch(
    npm: str, folder: Path, name: str = "onnxruntime-web", version: str = VERSION
) -> Path:
    """The archive of an npm package, in ``folder``."""
    command = [npm, "pack", f"{name}@{version}", "--fetch-retries=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise NoRuntimeError(f"npm could not fetch {name} {version} (no network?)")
    return folder / done.stdout.split()[-1]


def check(archive: Path, what: str, sha512: str) -> None:
    """Raise NoRuntimeError on another archive than the one that is known here."""
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != sha512:
        raise NoRuntimeError(f"npm fetched another {what} than the one known here")


def unpack(archive: Path, folder: Path) -> None:
    """The ``FILES`` of the archive, once it is known to be the right one."""
    check(archive, f"onnxruntime-web {VERSION}", SHA512)
    with tarfile.open(archive) as tar:
        for name, target in FILES.items():
            member = tar.extractfile(f"package/{name}")
            if member is None:
                raise NoRuntimeError(f"onnxruntime-web {VERSION} has no {name}")
            (folder / target).write_bytes(member.read())
