"""Files from strangers are read, never run: no pickle, no archive, no code."""

import ast
import hashlib
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from bvlc_googlenet import from_onnx

from inception_lib.model import interop
from inception_lib.training import ImageSet, TrainingConfig, fit, image_folder, load_run
from inception_lib.training.pictures import load_picture
from inception_lib.training.stream import image_stream

ROOT = Path(__file__).parents[2]


# --- a malicious pickle, at every door ------------------------------------------------


class Malicious:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def as_torch(thing, new: bool) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def as_numpy(thing) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([thing], dtype=object), allow_pickle=True)
    return file.getvalue()


DISGUISES: dict[str, Callable[..., bytes]] = {
    "a pickle": pickle.dumps,
    "an old pickle": lambda thing: pickle.dumps(thing, protocol=0),
    "torch.save": lambda thing: as_torch({"weight": thing}, new=True),
    "torch.save of old": lambda thing: as_torch({"weight": thing}, new=False),
    "np.save": as_numpy,
}
TINY = TrainingConfig(image_size=64, epochs=1, batch_size=2, precision="float32")


def two_images() -> ImageSet:
    images = torch.arange(2 * 64 * 64).reshape(2, 1, 64, 64).remainder(251).byte()
    labels = torch.tensor([0, 1])
    return ImageSet(images, labels, torch.eye(2), ("a", "b"), ("", ""), ("1", "2"))


def as_weights(content: bytes, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(content)
    load_run(folder)


def as_checkpoint(content: bytes, folder: Path) -> None:
    path = folder / "checkpoint.safetensors"
    path.write_bytes(content)
    fit(two_images(), None, TINY, progress=None, checkpoint=path, resume=True)


def as_own_picture(content: bytes, folder: Path) -> None:
    (folder / "a.png").write_bytes(content)
    load_picture(folder / "a.png", 8)


def as_pictures(content: bytes, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "1.png").write_bytes(content)
    image_folder(folder, 8)


def as_streamed_pictures(content: bytes, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "1.png").write_bytes(content)
    image_stream(folder, 8)


def in_the_cache(content: bytes, folder: Path, name: str, read: Callable) -> None:
    """Where PyTorch keeps what it has downloaded before."""
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    (folder / "hub" / "checkpoints" / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(folder))
        read()


def as_imagenet_weights(content: bytes, folder: Path) -> None:
    in_the_cache(content, folder, "googlenet-1378be20.pth", interop.download_imagenet)


def as_published_weights(content: bytes, folder: Path) -> None:
    """With the right checksum: as if the publisher were malicious."""
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    in_the_cache(
        content, folder, name, lambda: interop.published(f"https://a.b/{name}")
    )


def as_onnx(content: bytes, folder: Path) -> None:
    (folder / "net.onnx").write_bytes(content)
    from_onnx(folder / "net.onnx")


DOORS = [as_weights, as_checkpoint, as_own_picture, as_pictures, as_streamed_pictures]
DOORS += [as_imagenet_weights, as_published_weights, as_onnx]


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_malicious_pickle_is_refused_and_does_nothing(door, disguise, tmp_path):
    marker, folder = tmp_path / "it ran", tmp_path / "given"
    folder.mkdir()
    with pytest.raises(ValueError) as caught:
        door(disguise(Malicious(marker)), folder)
    assert not marker.exists()
    assert str(folder) in str(caught.value)  # the file is named


def test_the_pickle_is_malicious_indeed(tmp_path):
    pickle.loads(pickle.dumps(Malicious(tmp_path / "1")))
    torch.load(
        io.BytesIO(as_torch(Malicious(tmp_path / "2"), True)), weights_only=False
    )
    np.load(io.BytesIO(as_numpy(Malicious(tmp_path / "3"))), allow_pickle=True)
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "3"}


# --- and there is no door that we forgot ----------------------------------------------

UNPACKERS = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNPACKERS |= {"zipfile", "tarfile", "imp", "runpy"}
NETWORK = {"urllib", "requests", "http", "ftplib", "socket", "aiohttp", "httpx"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extract", "extractall", "unpack_archive", "read_pickle", "system", "popen"}
METHODS |= {"hub", "exec_module", "run_path", "run_module"}
# These unpickle, and unpack archives.
METHODS |= {"load_state_dict_from_url", "load_url", "get_state_dict"}


def outside_code(tree: ast.AST, network: bool) -> list[str]:
    """What in a program could run a file's content, unpack it, or fetch one."""
    modules = UNPACKERS | (set() if network else NETWORK)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            found += names & modules
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += {node.module.split(".")[0]} & modules
            found += {alias.name for alias in node.names} & METHODS
            if node.module.split(".")[0] in {"torch", "numpy"}:
                found += {alias.name for alias in node.names} & {"load"}
        elif isinstance(node, ast.Attribute) and node.attr in METHODS:
            found.append(node.attr)
        elif isinstance(node, ast.Call):
            found += suspicious_call(node)
    return found


def suspicious_call(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    options = {word.arg: ast.unparse(word.value) for word in call.keywords}
    found = [name] if name in RUNNERS else []
    if name == "torch.load" and options.get("weights_only") != "True":
        found.append(name)
    if hasattr(torchvision.models, name.rpartition(".")[2]):
        # With names of weights torchvision downloads and unpickles.
        found += [name] if options.get("weights", "None") != "None" else []
    for option in ("allow_pickle", "shell", "trust_remote_code"):
        if options.get(option, "False") != "False":
            found.append(option)
    return found


def programs() -> dict[str, str]:
    """All code of ours that a reader runs: path -> source."""
    found = {}
    for folder in ("inception_lib", "examples", "tools", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        found[str(path.relative_to(ROOT))] = "\n".join(code)
    return found


def test_no_program_of_ours_runs_or_unpacks_what_it_reads():
    sources = programs()
    assert len(sources) > 40
    found = {
        path: outside_code(ast.parse(source), network=path.startswith("tools"))
        for path, source in sources.items()
    }
    # The one archive that is read, two files of it, when its hash is the known one.
    assert found.pop("tools/site_runtime.py") == ["tarfile"]
    # It runs cells of this project's own notebooks, as Jupyter would.
    assert found.pop("tools/site_explorers.py") == ["exec", "compile"]
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import torch, joblib",
        "import tarfile",
        "import urllib.request",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "from torch import load",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=choice)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "shutil.unpack_archive(path)",
        "from shutil import unpack_archive",
        "archive.extractall()",
        "pd.read_pickle(path)",
        "torch.hub.load('a/b', 'c')",
        "from torch.hub import load_state_dict_from_url",
        "from torch.utils.model_zoo import load_url",
        "weights.get_state_dict(check_hash=True)",
        "torchvision.models.googlenet(weights='DEFAULT')",
        "get_model('googlenet', weights=choice)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_each_way_in_would_be_found(line):
    assert outside_code(ast.parse(line), network=False)


@pytest.mark.parametrize(
    "line",
    [
        "model.eval()",
        "re.compile(text)",
        "torch.compile(model)",
        "torch.load(path, weights_only=True)",
        "from torch.hub import download_url_to_file, get_dir",
        "googlenet(weights=None)",
        "TrainingConfig(weights=folder)",
        "from .pickle_free import load",
        "json.loads(text)",
        "subprocess.run(['a', 'b'])",
    ],
)
def test_what_only_looks_like_it_is_let_through(line):
    assert outside_code(ast.parse(line), network=False) == []


def test_every_reader_is_among_the_doors():
    """What the package offers to read with: a new one needs a door above."""
    import inception_lib.training as training

    readers = {
        name
        for name in training.__all__
        if callable(getattr(training, name))
        and name.startswith(("load", "image", "read", "open"))
    }
    assert readers <= {"load_run", "image_folder", "image_stream", "load_picture"}
    # from_torchvision takes tensors, no file.
    doors = {"download_imagenet", "from_torchvision"}
    assert set(interop.__all__) - {"to_torchvision", "transform_input"} == doors
